/* Convolution of bytes over NHWC: matrix products of pixels by weights.
 *
 * Without `offsets` (1x1 without padding) pixels are read where they lie; else offsets[kh * kw][oh * ow] says where in an
 * image the pixel under a tap lies, in bytes, -1: in the padding, whose bytes are x_zero (as conv_indirect_nhwc.c has it).
 * Weights are packed [groups][panel][tap][ic / groups / 4][64][4]; bias (with the zero point of x) and scale
 * [groups] in whole panels.  Threads cut output rows, or panels where rows are few. */
#include "conv.h"
#include "gemm_q8.h"

#define CONV_NHWC_Q8_FIELDS(X, S)                                                                      \
    CONV_OPERANDS(X, S) X(S, REF, scale) X(S, REF, offsets) X(S, REF, work)             \
    CONV_GEOMETRY(X, S) X(S, INT, groups) X(S, INT, x_zero) REQUANT_FIELDS(X, S) RESIDUAL_FIELDS(X, S) \
    SHIFTS_FIELD(X, S)
KERNEL_ARGS(conv_nhwc_q8, CONV_NHWC_Q8_FIELDS)

enum { CHUNK_BYTES = 256 << 10 };

/* A pixel of padding for each thread. */
static int64_t outside_bytes(const struct conv_nhwc_q8 *a)
{
    return round_up(a->ic / a->groups, 64);
}

static int64_t conv_workspace(const void *args, int nthreads)
{
    return outside_bytes(args) * nthreads;
}

/* Pixels that all panels pass over while their inputs stay in L2.  Those read in place lie side by side, but for the end
 * of a row where there are strides. */
static int64_t chunk_pixels(const struct conv_nhwc_q8 *a)
{
    int in_place = a->offsets.base == BASE_NULL, dense = a->stride_h == 1 && a->stride_w == 1;
    if (in_place && !dense)
        return a->ow;
    int64_t pixel = a->ic / a->groups * a->stride_h * a->stride_w;
    return round_up(max64(1, CHUNK_BYTES / pixel), GEMM_Q8_MOST_ROWS);
}

static void conv_run(const void *args, char *const *bases, int tid, int nthreads)
{
    const struct conv_nhwc_q8 *a = args;
    const uint8_t *x = RESOLVE(const uint8_t, a->x), *res = RESOLVE(const uint8_t, a->res);
    const int8_t *w = RESOLVE(const int8_t, a->w);
    const int32_t *offsets = RESOLVE(const int32_t, a->offsets), *bias = RESOLVE(const int32_t, a->bias);
    const float *scale = RESOLVE(const float, a->scale);
    uint8_t *y = RESOLVE(uint8_t, a->y), *outside = RESOLVE(uint8_t, a->work) + outside_bytes(a) * tid;
    int64_t ic = a->ic / a->groups, oc = a->oc / a->groups, panels = ceil_div(oc, Q8_PANEL);
    int64_t taps = a->kh * a->kw, pixels = a->oh * a->ow, chunk = chunk_pixels(a);
    memset(outside, (int)a->x_zero, (size_t)ic);
    struct requant to = requant_make(a->zero, a->low, a->high);
    to.shifts = a->shifts;
    to.res_zero = (int32_t)a->res_zero;
    to.res_scale = a->res_scale;
    struct gemm_q8 o = {
        .taps = taps, .row_step = offsets ? 0 : a->stride_w * a->ic, .offsets_step = pixels, .outside = outside, .ldy = a->oc, .to = &to,
        .shrinks = !a->shifts && scales_shrink(scale, a->groups * panels * Q8_PANEL, res ? a->res_scale : 0),
    };
    gemm_q8_run_of(&o, ic);

    struct range rows = {0, a->oh}, part = {0, panels};
    if (cut_rows(a->split, rows_suffice(a->oh, nthreads)))
        rows = share(a->oh, tid, nthreads);
    else
        part = share(panels, tid, nthreads);

    for (int64_t ng = 0; ng < a->n * a->groups; ng++) {
        int64_t image = ng / a->groups, group = ng % a->groups;
        const uint8_t *from = x + image * a->ih * a->iw * a->ic + group * ic;
        for (int64_t begin = rows.begin * a->ow; begin < rows.end * a->ow; begin += chunk) {
            int64_t count = min64(chunk, rows.end * a->ow - begin);
            for (int64_t panel = part.begin; panel < part.end; panel++) {
                int64_t which = group * panels + panel;
                int64_t at = (image * pixels + begin) * a->oc + group * oc + panel * Q8_PANEL;
                o.a = offsets ? from : from + (begin / a->ow * a->stride_h * a->iw + begin % a->ow * a->stride_w) * a->ic;
                o.offsets = offsets ? offsets + begin : NULL;
                o.b = w + which * taps * round_up(ic, 4) * Q8_PANEL;
                o.bias = bias + which * Q8_PANEL;
                o.scale = scale + which * Q8_PANEL;
                o.res = res ? res + at : NULL;
                o.y = y + at;
                gemm_q8_by_panel(o, count, min64(Q8_PANEL, oc - panel * Q8_PANEL));
            }
        }
    }
}

static const struct kernel kernels[] = {
    KERNEL("q8_conv_nhwc", conv_run, conv_workspace, conv_nhwc_q8),
};
FAMILY(conv_nhwc_q8, kernels)
