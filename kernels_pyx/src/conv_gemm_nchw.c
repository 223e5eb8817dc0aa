/* Convolution over NCHW as a matrix product: y[oc][pixel] = w[oc][k] * patches[k][pixel], k = (ic, i, j).
 *
 * Weights are packed [groups][oc panel][ic / groups * kh * kw][12], zero beyond the last channel.  Patches are written
 * straight into panels [k][PANEL] of as many pixels as stay in L2, in per-thread workspace.  The reduction is never
 * cut: one tile walks all of k, so results depend on neither the blocking nor the number of threads.
 * Threads cut output rows, or panels of output channels where rows are few. */
#define GEMM_PANEL
#include "conv.h"
#include "gemm.h"

#define CONV_GEMM_FIELDS(X, S) \
    CONV_OPERANDS(X, S) X(S, REF, work) CONV_GEOMETRY(X, S) X(S, INT, groups) ACT_FIELDS(X, S)
KERNEL_ARGS(conv_gemm, CONV_GEMM_FIELDS)

enum { PANEL = 2 * VF, CHUNK_BYTES = 384 << 10 };

/* Pixels packed at a time: whole panels, about CHUNK_BYTES. */
static int64_t chunk_pixels(const struct conv_gemm *a)
{
    int64_t k = a->ic / a->groups * a->kh * a->kw;
    int64_t panels = max64(1, CHUNK_BYTES / (k * PANEL * (int64_t)sizeof(float)));
    return min64(panels, ceil_div(a->oh * a->ow, PANEL)) * PANEL;
}

static int64_t conv_gemm_thread_floats(const struct conv_gemm *a)
{
    return round_up(chunk_pixels(a) * (a->ic / a->groups) * a->kh * a->kw, 16);
}

static int64_t conv_gemm_workspace(const void *args, int nthreads)
{
    return conv_gemm_thread_floats(args) * (int64_t)sizeof(float) * nthreads;
}

/* One tap of `count` pixels of one output row, of which the first is `ow`. */
INLINE void pack_segment(float *to, const float *x_row, int64_t ow, int64_t count, const struct conv_gemm *a,
                         int64_t column_tap)
{
    int64_t first = ow * a->stride_w - a->pad_l + column_tap;
    if (a->stride_w == 1 && first >= 0 && first + count <= a->iw) {
        copy_floats(to, x_row + first, count);
        return;
    }
    for (int64_t i = 0; i < count; i++) {
        int64_t column = first + i * a->stride_w;
        to[i] = column >= 0 && column < a->iw ? x_row[column] : 0;
    }
}

/* Patches of the pixels [begin, begin + count), count <= PANEL, as [k][PANEL]; lanes beyond count are zero. */
static void pack_panel(float *to, const float *x, const struct conv_gemm *a, int64_t begin, int64_t count)
{
    if (count < PANEL)
        zero_floats(to, a->ic / a->groups * a->kh * a->kw * PANEL);
    for (int64_t done = 0; done < count;) {
        int64_t row = (begin + done) / a->ow, ow = (begin + done) % a->ow;
        int64_t here = min64(count - done, a->ow - ow);
        float *out = to + done;
        for (int64_t c = 0; c < a->ic / a->groups; c++) {
            const float *plane = x + c * a->ih * a->iw;
            for (int64_t i = 0; i < a->kh; i++) {
                int64_t from = row * a->stride_h - a->pad_t + i * a->dil_h;
                for (int64_t j = 0; j < a->kw; j++, out += PANEL) {
                    if (from < 0 || from >= a->ih)
                        zero_floats(out, here);
                    else
                        pack_segment(out, plane + from * a->iw, ow, here, a, j * a->dil_w);
                }
            }
        }
        done += here;
    }
}

/* A 1x1 convolution of stride 1 needs no patches: pixels are contiguous across rows. */
static void pack_panel_pointwise(float *to, const float *x, const struct conv_gemm *a, int64_t begin, int64_t count)
{
    if (count < PANEL)
        zero_floats(to, a->ic / a->groups * PANEL);
    for (int64_t c = 0; c < a->ic / a->groups; c++)
        copy_floats(to + c * PANEL, x + c * a->ih * a->iw + begin, count);
}

static void conv_gemm_nchw(const void *args, char *const *bases, int tid, int nthreads)
{
    const struct conv_gemm *a = args;
    const float *x = RESOLVE(const float, a->x), *w = RESOLVE(const float, a->w);
    const float *bias = RESOLVE(const float, a->bias), *res = RESOLVE(const float, a->res);
    float *y = RESOLVE(float, a->y), *work = RESOLVE(float, a->work) + conv_gemm_thread_floats(a) * tid;
    struct epilogue e = epilogue_make(a->act, a->act_a, a->act_b);
    int64_t ic = a->ic / a->groups, oc = a->oc / a->groups, k = ic * a->kh * a->kw, pixels = a->oh * a->ow;
    int64_t panels = ceil_div(oc, PANEL_ROWS), chunk = chunk_pixels(a);
    int pointwise = a->kh == 1 && a->kw == 1 && a->stride_h == 1 && a->stride_w == 1 && a->pad_t == 0 &&
                    a->pad_l == 0 && a->oh == a->ih && a->ow == a->iw;

    struct range rows = {0, a->oh}, panel_range = {0, panels};
    if (cut_rows(a->split, rows_suffice(a->oh, nthreads)))
        rows = share(a->oh, tid, nthreads);
    else
        panel_range = share(panels, tid, nthreads);

    for (int64_t ng = 0; ng < a->n * a->groups; ng++) {
        int64_t image = ng / a->groups, group = ng % a->groups;
        const float *x_group = x + (image * a->ic + group * ic) * a->ih * a->iw;
        const float *w_group = w + group * panels * k * PANEL_ROWS;
        for (int64_t begin = rows.begin * a->ow; begin < rows.end * a->ow; begin += chunk) {
            int64_t count = min64(chunk, rows.end * a->ow - begin);
            for (int64_t p = 0; p < count; p += PANEL)
                (pointwise ? pack_panel_pointwise : pack_panel)(work + p * k, x_group, a, begin + p,
                                                                min64(PANEL, count - p));
            for (int64_t panel = panel_range.begin; panel < panel_range.end; panel++) {
                int64_t first = group * oc + panel * PANEL_ROWS;
                int64_t at = (image * a->oc + first) * pixels + begin;
                for (int64_t p = 0; p < count; p += PANEL) {
                    struct gemm_operands o = {
                        .k = k, .a = w_group + panel * k * PANEL_ROWS, .b = work + p * k, .ldb = PANEL,
                        .bias = bias ? bias + first : NULL, .res = res ? res + at + p : NULL, .y = y + at + p,
                        .ldy = pixels, .e = &e,
                    };
                    gemm_panel_by_columns(o, min64(PANEL_ROWS, oc - panel * PANEL_ROWS), min64(PANEL, count - p));
                }
            }
        }
    }
}

static const struct kernel kernels[] = {
    KERNEL("f32_conv_gemm_nchw", conv_gemm_nchw, conv_gemm_workspace, conv_gemm),
};
FAMILY(conv_gemm_nchw, kernels)
