/* Depthwise separable convolution in blocks: a depthwise convolution, then one of 1x1, a band of rows at a time.
 *
 * `band` output rows of all channels of the depthwise result stay in a thread's workspace, [c / b][rows][ow][b],
 * b = BLOCK, small enough for L2, and are consumed at once.  Weights are those of the two kernels apart:
 * [c / b][kh][kw][b], and [oc group][c / b][b][tile_b * b]; biases are padded to whole blocks.  Threads cut output
 * rows. */
#define CONV_STRIDE_1_ONLY
#include "conv_tiles.h"
#include "dwconv_block.h"

/* ic, the window and dw_* belong to the depthwise convolution; oc, res and the plain activation to the other. */
#define SEPARABLE_FIELDS(X, S)                                                                                \
    CONV_OPERANDS(X, S) X(S, REF, dw_w) X(S, REF, dw_bias) X(S, REF, work) CONV_GEOMETRY(X, S) ACT_FIELDS(X, S) \
    X(S, INT, dw_act) X(S, FLOAT, dw_act_a) X(S, FLOAT, dw_act_b) X(S, INT, band) X(S, INT, tile_b)
KERNEL_ARGS(separable, SEPARABLE_FIELDS)

static int64_t band_floats(const struct separable *a)
{
    return ceil_div(a->ic, BLOCK) * a->band * a->ow * BLOCK;
}

static int64_t separable_workspace(const void *args, int nthreads)
{
    return band_floats(args) * (int64_t)sizeof(float) * nthreads;
}

static struct dwconv depthwise_of(const struct separable *a)
{
    return (struct dwconv){
        .n = a->n, .ic = a->ic, .ih = a->ih, .iw = a->iw, .oc = a->ic, .oh = a->oh, .ow = a->ow, .kh = a->kh,
        .kw = a->kw, .stride_h = a->stride_h, .stride_w = a->stride_w, .pad_t = a->pad_t, .pad_l = a->pad_l,
        .dil_h = a->dil_h, .dil_w = a->dil_w, .act = a->dw_act, .act_a = a->dw_act_a, .act_b = a->dw_act_b,
    };
}

/* Output rows [rows] of all channels of an image, to [block][row][column][b]. */
static void depthwise_band(const struct dwconv *d, const float *x, const float *w, const float *bias, float *band,
                           struct range rows)
{
    int64_t taps = d->kh * d->kw, band_block = (rows.end - rows.begin) * d->ow * BLOCK;
    for (int64_t block = 0; block < ceil_div(d->oc, BLOCK); block++)
        dwconv_block(d, x + block * d->ih * d->iw * BLOCK, 0, w + block * taps * BLOCK,
                     bias ? bias + block * BLOCK : no_bias, NULL, band + block * band_block, rows);
}

/* `pixels` pixels of all output channels from a band; res (or NULL) and y start at the first of them. */
static void pointwise_band(const struct separable *a, const float *band, int64_t pixels, const float *w,
                           const float *bias, const float *res, float *y)
{
    int64_t blocks = ceil_div(a->ic, BLOCK), oc_blocks = ceil_div(a->oc, BLOCK), ldw = a->tile_b * BLOCK;
    struct conv_walk l = {
        .blocks = blocks, .kh = 1, .kw = 1, .lanes = BLOCK, .last_lanes = a->ic - (blocks - 1) * BLOCK,
        .x_block = pixels * BLOCK, .pixel_step = BLOCK, .ldw = ldw, .w_step = BLOCK * ldw,
        .y_block = a->oh * a->ow * BLOCK, .e = epilogue_make(a->act, a->act_a, a->act_b),
    };
    int64_t group_floats = blocks * l.w_step;
    for (int64_t block = 0, here; block < oc_blocks; block += here) {
        int64_t group = block / a->tile_b;
        here = next_blocks(min64(oc_blocks, (group + 1) * a->tile_b) - block);
        const float *w_group = w + group * group_floats;
        prefetch_weights(&l, w_group + group_floats, group_floats * (int64_t)sizeof(float),
                         ceil_div(pixels, conv_most_rows[here]));
        conv_row(conv_tiles_s1[here], &l, pixels, conv_most_rows[here], here, band,
                 w_group + (block - group * a->tile_b) * BLOCK, bias ? bias + block * BLOCK : no_bias,
                 res ? res + block * l.y_block : NULL, y + block * l.y_block);
    }
}

static void separable_blocked(const void *args, char *const *bases, int tid, int nthreads)
{
    const struct separable *a = args;
    const float *x = RESOLVE(const float, a->x), *w = RESOLVE(const float, a->w);
    const float *bias = RESOLVE(const float, a->bias), *res = RESOLVE(const float, a->res);
    const float *dw_w = RESOLVE(const float, a->dw_w), *dw_bias = RESOLVE(const float, a->dw_bias);
    float *y = RESOLVE(float, a->y), *band = RESOLVE(float, a->work) + band_floats(a) * tid;
    struct dwconv d = depthwise_of(a);
    struct range share_of_rows = share(a->oh, tid, nthreads);
    int64_t blocks = ceil_div(a->ic, BLOCK), oc_blocks = ceil_div(a->oc, BLOCK);
    for (int64_t image = 0; image < a->n; image++) {
        const float *from = x + image * blocks * a->ih * a->iw * BLOCK;
        for (int64_t row = share_of_rows.begin; row < share_of_rows.end; row += a->band) {
            struct range rows = {row, min64(row + a->band, share_of_rows.end)};
            int64_t at = (image * oc_blocks * a->oh + row) * a->ow * BLOCK;
            depthwise_band(&d, from, dw_w, dw_bias, band, rows);
            pointwise_band(a, band, (rows.end - rows.begin) * a->ow, w, bias, res ? res + at : NULL, y + at);
        }
    }
}

static const struct kernel kernels[] = {
    KERNEL("f32_separable_" BLOCKED, separable_blocked, separable_workspace, separable),
};
FAMILY(separable, kernels)
