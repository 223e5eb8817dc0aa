/* Convolution of bytes over plain NCHW, as the sum reads: the kernel of last resort, and for weights with zero points.
 *
 * x is unsigned, weights [oc][ic / groups][kh][kw] signed.  `bias` has the zero point of x folded in:
 *     bias'[c] = bias[c] - x_zero * sum over the window of (w - w_zero[c])
 * so sums are of x (w - w_zero), with x_zero outside of the image.  The sums of one output row are kept in workspace
 * and gather one tap after the other.  Threads cut the n * oh output rows, or channels. */
#include "conv.h"
#include "quant.h"

/* w_zero: int32 for each output channel, or NULL. */
#define CONV_NAIVE_Q8_FIELDS(X, S)                                                                    \
    CONV_OPERANDS(X, S) X(S, REF, scale) X(S, REF, w_zero) X(S, REF, work) CONV_GEOMETRY(X, S) \
    X(S, INT, groups) X(S, INT, x_zero) REQUANT_FIELDS(X, S) RESIDUAL_FIELDS(X, S) SHIFTS_FIELD(X, S)
KERNEL_ARGS(conv_naive_q8, CONV_NAIVE_Q8_FIELDS)

static void add_constant(int32_t *sums, int64_t begin, int64_t end, int32_t product)
{
    for (int64_t i = begin; i < end; i++)
        sums[i] += product;
}

static void sum_row(const struct conv_naive_q8 *a, const uint8_t *x, const int8_t *w, int32_t w_zero, int32_t *sums,
                    int64_t row)
{
    int32_t outside = (int32_t)a->x_zero;
    for (int64_t i = 0; i < a->ow; i++)
        sums[i] = 0;
    for (int64_t c = 0; c < a->ic / a->groups; c++) {
        for (int64_t i = 0; i < a->kh; i++) {
            int64_t from = row * a->stride_h - a->pad_t + i * a->dil_h;
            const uint8_t *x_row = x + (c * a->ih + from) * a->iw;
            for (int64_t j = 0; j < a->kw; j++) {
                int32_t weight = w[(c * a->kh + i) * a->kw + j] - w_zero;
                struct range r = valid_outputs(a->ow, a->iw, a->stride_w, a->pad_l, j * a->dil_w);
                if (from < 0 || from >= a->ih)
                    r = (struct range){0, 0};
                add_constant(sums, 0, r.begin, outside * weight);
                for (int64_t o = r.begin; o < r.end; o++)
                    sums[o] += x_row[o * a->stride_w - a->pad_l + j * a->dil_w] * weight;
                add_constant(sums, r.end, a->ow, outside * weight);
            }
        }
    }
}

static int64_t conv_naive_workspace(const void *args, int nthreads)
{
    const struct conv_naive_q8 *a = args;
    return round_up(a->ow, 16) * (int64_t)sizeof(int32_t) * nthreads;
}

static void conv_naive_nchw(const void *args, char *const *bases, int tid, int nthreads)
{
    const struct conv_naive_q8 *a = args;
    const uint8_t *x = RESOLVE(const uint8_t, a->x), *res = RESOLVE(const uint8_t, a->res);
    const int8_t *w = RESOLVE(const int8_t, a->w);
    const int32_t *bias = RESOLVE(const int32_t, a->bias), *w_zero = RESOLVE(const int32_t, a->w_zero);
    const float *scale = RESOLVE(const float, a->scale);
    uint8_t *y = RESOLVE(uint8_t, a->y);
    int32_t *sums = RESOLVE(int32_t, a->work) + tid * round_up(a->ow, 16);
    struct requant q = requant_make(a->zero, a->low, a->high);
    q.res_zero = (int32_t)a->res_zero;
    q.res_scale = a->res_scale;
    q.shifts = a->shifts;
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
            const uint8_t *x_group = x + (image * a->ic + c / oc_group * ic_group) * a->ih * a->iw;
            sum_row(a, x_group, w + c * ic_group * a->kh * a->kw, w_zero ? w_zero[c] : 0, sums, row);
            requantize_row(&q, sums, a->ow, bias + c, scale + c, 0, res ? res + at : NULL, y + at);
        }
    }
}

static const struct kernel kernels[] = {
    KERNEL("q8_conv_naive_nchw", conv_naive_nchw, conv_naive_workspace, conv_naive_q8),
};
FAMILY(conv_naive_q8, kernels)
