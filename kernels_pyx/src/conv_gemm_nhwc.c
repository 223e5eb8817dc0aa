/* Convolution over NHWC as a matrix product: y[pixel][oc] = patches[pixel][k] * w[k][oc], k = (i, j, ic).
 *
 * Weights are packed [groups][oc panel][kh * kw * ic / groups][32], zero beyond the last channel.  A 1x1 convolution
 * reads x where it lies; others copy patches row by row into per-thread workspace, as many pixels as stay in L2.
 * The reduction is never cut.  Threads cut output rows, or panels of output channels where rows are few. */
#define GEMM_ROWS
#include "conv.h"
#include "gemm.h"

#define CONV_GEMM_FIELDS(X, S) \
    CONV_OPERANDS(X, S) X(S, REF, work) CONV_GEOMETRY(X, S) X(S, INT, groups) ACT_FIELDS(X, S)
KERNEL_ARGS(conv_gemm, CONV_GEMM_FIELDS)

enum { PANEL = 32, CHUNK_BYTES = 256 << 10, CHUNK_ROWS = 14 };

static int reads_in_place(const struct conv_gemm *a)
{
    return a->kh == 1 && a->kw == 1 && a->pad_t == 0 && a->pad_l == 0 && (a->oh - 1) * a->stride_h < a->ih &&
           (a->ow - 1) * a->stride_w < a->iw;
}

static int64_t chunk_pixels(const struct conv_gemm *a, int64_t floats_per_pixel)
{
    int64_t chunks = max64(1, CHUNK_BYTES / (floats_per_pixel * CHUNK_ROWS * (int64_t)sizeof(float)));
    return min64(chunks * CHUNK_ROWS, a->oh * a->ow);
}

static int64_t conv_gemm_thread_floats(const struct conv_gemm *a)
{
    if (reads_in_place(a))
        return 0;
    int64_t k = a->ic / a->groups * a->kh * a->kw;
    return round_up(chunk_pixels(a, k) * k, 16);
}

static int64_t conv_gemm_workspace(const void *args, int nthreads)
{
    return conv_gemm_thread_floats(args) * (int64_t)sizeof(float) * nthreads;
}

/* The patch of one output pixel, [kh][kw][ic]. */
static void pack_patch(float *to, const float *x, const struct conv_gemm *a, int64_t ic, int64_t pixel)
{
    int64_t row = pixel / a->ow * a->stride_h - a->pad_t, column = pixel % a->ow * a->stride_w - a->pad_l;
    for (int64_t i = 0; i < a->kh; i++) {
        int64_t h = row + i * a->dil_h;
        for (int64_t j = 0; j < a->kw; j++, to += ic) {
            int64_t w = column + j * a->dil_w;
            if (h < 0 || h >= a->ih || w < 0 || w >= a->iw)
                zero_floats(to, ic);
            else
                copy_floats(to, x + (h * a->iw + w) * a->ic, ic);
        }
    }
}

/* The product for `count` pixels whose patches start at `rows`, row_step apart. */
static void multiply(const struct conv_gemm *a, const struct epilogue *e, const float *rows, int64_t row_step,
                     int64_t count, int64_t group, struct range panels, const float *w, const float *bias,
                     const float *res, float *y)
{
    int64_t oc = a->oc / a->groups, k = a->ic / a->groups * a->kh * a->kw;
    const float *w_group = w + group * ceil_div(oc, PANEL) * k * PANEL;
    for (int64_t panel = panels.begin; panel < panels.end; panel++) {
        int64_t first = group * oc + panel * PANEL;
        struct gemm_operands o = {
            .k = k, .a = rows, .row_step = row_step, .k_step = 1, .b = w_group + panel * k * PANEL, .ldb = PANEL,
            .bias = bias ? bias + first : NULL, .res = res ? res + first : NULL, .y = y + first, .ldy = a->oc, .e = e,
        };
        gemm_rows_by_panel(o, count, min64(PANEL, oc - panel * PANEL));
    }
}

static void conv_gemm_nhwc(const void *args, char *const *bases, int tid, int nthreads)
{
    const struct conv_gemm *a = args;
    const float *x = RESOLVE(const float, a->x), *w = RESOLVE(const float, a->w);
    const float *bias = RESOLVE(const float, a->bias), *res = RESOLVE(const float, a->res);
    float *y = RESOLVE(float, a->y), *work = RESOLVE(float, a->work) + conv_gemm_thread_floats(a) * tid;
    struct epilogue e = epilogue_make(a->act, a->act_a, a->act_b);
    int64_t ic = a->ic / a->groups, k = ic * a->kh * a->kw, panels = ceil_div(a->oc / a->groups, PANEL);
    int in_place = reads_in_place(a), dense = a->stride_h == 1 && a->stride_w == 1 && a->ow == a->iw;
    /* In place, one product covers one output row, or a chunk of the plane when its pixels are contiguous. */
    int64_t chunk = in_place && !dense ? a->ow : chunk_pixels(a, k);

    struct range rows = {0, a->oh}, panel_range = {0, panels};
    if (cut_rows(a->split, rows_suffice(a->oh, nthreads)))
        rows = share(a->oh, tid, nthreads);
    else
        panel_range = share(panels, tid, nthreads);

    for (int64_t ng = 0; ng < a->n * a->groups; ng++) {
        int64_t image = ng / a->groups, group = ng % a->groups;
        const float *x_group = x + image * a->ih * a->iw * a->ic + group * ic;
        for (int64_t begin = rows.begin * a->ow; begin < rows.end * a->ow; begin += chunk) {
            int64_t count = min64(chunk, rows.end * a->ow - begin);
            int64_t at = (image * a->oh * a->ow + begin) * a->oc;
            const float *patches = work;
            int64_t row_step = k;
            if (in_place) {
                patches = x_group + (begin / a->ow * a->stride_h * a->iw + begin % a->ow * a->stride_w) * a->ic;
                row_step = a->stride_w * a->ic;
            } else {
                for (int64_t p = 0; p < count; p++)
                    pack_patch(work + p * k, x_group, a, ic, begin + p);
            }
            multiply(a, &e, patches, row_step, count, group, panel_range, w, bias, res ? res + at : NULL, y + at);
        }
    }
}

static const struct kernel kernels[] = {
    KERNEL("f32_conv_gemm_nhwc", conv_gemm_nhwc, conv_gemm_workspace, conv_gemm),
};
FAMILY(conv_gemm_nhwc, kernels)
