/* Convolution over plain NCHW, as the sum reads: the kernel of last resort and an oracle for the others.
 *
 * Weights [oc][ic / groups][kh][kw].  One output row at a time is kept in the result itself and gathers one tap after
 * the other, so the inner loop runs along the width.  Threads cut the n * oh output rows. */
#include "conv.h"

#define CONV_NAIVE_FIELDS(X, S) CONV_OPERANDS(X, S) CONV_GEOMETRY(X, S) X(S, INT, groups) ACT_FIELDS(X, S)
KERNEL_ARGS(conv_naive, CONV_NAIVE_FIELDS)

static void add_tap(float *restrict y, const float *restrict x, int64_t count, int64_t stride, float w)
{
    if (stride == 1)
        for (int64_t i = 0; i < count; i++)
            y[i] += w * x[i];
    else
        for (int64_t i = 0; i < count; i++)
            y[i] += w * x[i * stride];
}

static void conv_naive_row(const struct conv_naive *a, const float *x, const float *w, float *y, int64_t row)
{
    for (int64_t i = 0; i < a->ow; i++)
        y[i] = 0;
    for (int64_t c = 0; c < a->ic / a->groups; c++) {
        for (int64_t i = 0; i < a->kh; i++) {
            int64_t from = row * a->stride_h - a->pad_t + i * a->dil_h;
            if (from < 0 || from >= a->ih)
                continue;
            const float *x_row = x + (c * a->ih + from) * a->iw;
            for (int64_t j = 0; j < a->kw; j++) {
                struct range r = valid_outputs(a->ow, a->iw, a->stride_w, a->pad_l, j * a->dil_w);
                if (r.begin < r.end)
                    add_tap(y + r.begin, x_row + r.begin * a->stride_w - a->pad_l + j * a->dil_w, r.end - r.begin,
                            a->stride_w, w[(c * a->kh + i) * a->kw + j]);
            }
        }
    }
}

static void conv_naive_nchw(const void *args, char *const *bases, int tid, int nthreads)
{
    const struct conv_naive *a = args;
    const float *x = RESOLVE(const float, a->x), *w = RESOLVE(const float, a->w);
    const float *bias = RESOLVE(const float, a->bias), *res = RESOLVE(const float, a->res);
    float *y = RESOLVE(float, a->y);
    struct epilogue e = epilogue_make(a->act, a->act_a, a->act_b);
    int64_t ic_group = a->ic / a->groups, oc_group = a->oc / a->groups;
    struct range rows = {0, a->n * a->oh}, channels = {0, a->oc};
    if (cut_rows(a->split, 1))
        rows = share(rows.end, tid, nthreads);
    else
        channels = share(channels.end, tid, nthreads);
    for (int64_t r = rows.begin; r < rows.end; r++) {
        int64_t image = r / a->oh, row = r % a->oh;
        for (int64_t c = channels.begin; c < channels.end; c++) {
            int64_t at = ((image * a->oc + c) * a->oh + row) * a->ow;
            const float *x_group = x + (image * a->ic + c / oc_group * ic_group) * a->ih * a->iw;
            conv_naive_row(a, x_group, w + c * ic_group * a->kh * a->kw, y + at, row);
            epilogue_row(&e, y + at, a->ow, bias ? bias + c : NULL, 0, res ? res + at : NULL, y + at);
        }
    }
}

static const struct kernel kernels[] = {
    KERNEL("f32_conv_naive_nchw", conv_naive_nchw, NULL, conv_naive),
};
FAMILY(conv_naive, kernels)
