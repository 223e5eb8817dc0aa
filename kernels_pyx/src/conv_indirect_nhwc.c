/* Convolution over NHWC through a table of places (indirect GEMM, Dukhan 2019): no patch is ever copied.
 *
 * offsets[kh * kw][oh * ow] says where in an image the pixel under a tap lies, in floats, -1: in the padding; the caller
 * makes it once for a shape.  A tile looks up its pixels tap by tap and reads their channels in place, zeros for padding.
 * Weights are those of conv_gemm_nhwc, [groups][oc panel][tap][ic / groups][32].  The reduction is never cut.
 * Threads cut output rows, or panels of output channels where rows are few. */
#define GEMM_INDIRECT
#include "conv.h"
#include "gemm.h"

#define CONV_INDIRECT_FIELDS(X, S) \
    CONV_OPERANDS(X, S) X(S, REF, offsets) X(S, REF, work) CONV_GEOMETRY(X, S) X(S, INT, groups) ACT_FIELDS(X, S)
KERNEL_ARGS(conv_indirect, CONV_INDIRECT_FIELDS)

enum { PANEL = 32, CHUNK_BYTES = 256 << 10 };

/* A row of zeros for each thread. */
static int64_t conv_indirect_workspace(const void *args, int nthreads)
{
    const struct conv_indirect *a = args;
    return round_up(a->ic / a->groups, 16) * (int64_t)sizeof(float) * nthreads;
}

/* Pixels that all panels pass over while their inputs stay in L2: whole tiles. */
static int64_t chunk_pixels(const struct conv_indirect *a)
{
    int64_t pixel = a->ic / a->groups * a->stride_h * a->stride_w * (int64_t)sizeof(float);
    return round_up(max64(1, CHUNK_BYTES / pixel), GEMM_MOST_ROWS);
}

static void conv_indirect_nhwc(const void *args, char *const *bases, int tid, int nthreads)
{
    const struct conv_indirect *a = args;
    const float *x = RESOLVE(const float, a->x), *w = RESOLVE(const float, a->w);
    const float *bias = RESOLVE(const float, a->bias), *res = RESOLVE(const float, a->res);
    const int32_t *offsets = RESOLVE(const int32_t, a->offsets);
    int64_t ic = a->ic / a->groups, oc = a->oc / a->groups, taps = a->kh * a->kw;
    int64_t panels = ceil_div(oc, PANEL), pixels = a->oh * a->ow, chunk = chunk_pixels(a);
    float *y = RESOLVE(float, a->y), *zeros = RESOLVE(float, a->work) + round_up(ic, 16) * tid;
    struct epilogue e = epilogue_make(a->act, a->act_a, a->act_b);
    zero_floats(zeros, ic);

    struct range rows = {0, a->oh}, part = {0, panels};
    if (cut_rows(a->split, rows_suffice(a->oh, nthreads)))
        rows = share(a->oh, tid, nthreads);
    else
        part = share(panels, tid, nthreads);

    for (int64_t ng = 0; ng < a->n * a->groups; ng++) {
        int64_t image = ng / a->groups, group = ng % a->groups;
        for (int64_t begin = rows.begin * a->ow; begin < rows.end * a->ow; begin += chunk) {
            int64_t count = min64(chunk, rows.end * a->ow - begin);
            for (int64_t panel = part.begin; panel < part.end; panel++) {
                int64_t channel = group * oc + panel * PANEL, at = (image * pixels + begin) * a->oc + channel;
                struct gemm_operands o = {
                    .k = ic, .a = x + image * a->ih * a->iw * a->ic + group * ic,
                    .offsets = offsets + begin, .offsets_step = pixels, .taps = taps, .zeros = zeros,
                    .b = w + (group * panels + panel) * taps * ic * PANEL, .ldb = PANEL,
                    .bias = bias ? bias + channel : NULL, .res = res ? res + at : NULL, .y = y + at, .ldy = a->oc,
                    .e = &e,
                };
                gemm_rows_by_panel(o, count, min64(PANEL, oc - panel * PANEL));
            }
        }
    }
}

static const struct kernel kernels[] = {
    KERNEL("f32_conv_indirect_nhwc", conv_indirect_nhwc, conv_indirect_workspace, conv_indirect),
};
FAMILY(conv_indirect_nhwc, kernels)
