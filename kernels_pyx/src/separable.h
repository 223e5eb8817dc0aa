/* Depthwise separable convolution in blocks: a depthwise convolution, then one of 1x1, a band of rows at a time.
 *
 * `band` output rows of all channels of the depthwise result stay in a thread's workspace, [c / b][rows][ow][b],
 * b = BLOCK, small enough for L2, and are consumed at once.  Weights are those of the two kernels apart: [c / b][kh][kw][b] in
 * float32, and what the second one reads; biases are padded to whole blocks.  Threads cut output rows. */
#ifndef PLAIT_SEPARABLE_H
#define PLAIT_SEPARABLE_H

#include "dwconv_block.h"

/* ic, the window and dw_* belong to the depthwise convolution; oc, res and the plain activation to the other. */
#define SEPARABLE_FIELDS(X, S)                                                                                \
    CONV_OPERANDS(X, S) X(S, REF, dw_w) X(S, REF, dw_bias) X(S, REF, work) CONV_GEOMETRY(X, S) ACT_FIELDS(X, S) \
    X(S, INT, dw_act) X(S, FLOAT, dw_act_a) X(S, FLOAT, dw_act_b) X(S, INT, band) X(S, INT, tile_b)
KERNEL_ARGS(separable, SEPARABLE_FIELDS)

/* `pixels` pixels of all output channels from a band, which may be changed; res (or NULL) and y start at the first of them. */
typedef void pointwise_function(const struct separable *a, element *band, int64_t pixels, const char *w,
                                const float *bias, const element *res, element *y);

static int64_t band_elements(const struct separable *a)
{
    return ceil_div(a->ic, BLOCK) * a->band * a->ow * BLOCK;
}

static int64_t separable_workspace(const void *args, int nthreads)
{
    return band_elements(args) * (int64_t)sizeof(element) * nthreads;
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
static void depthwise_band(const struct dwconv *d, const element *x, const float *w, const float *bias, element *band,
                           struct range rows)
{
    int64_t taps = d->kh * d->kw, band_block = (rows.end - rows.begin) * d->ow * BLOCK;
    for (int64_t block = 0; block < ceil_div(d->oc, BLOCK); block++)
        dwconv_block(d, x + block * d->ih * d->iw * BLOCK, 0, w + block * taps * BLOCK,
                     bias ? bias + block * BLOCK : no_bias, NULL, band + block * band_block, rows);
}

INLINE void separable_bands(const struct separable *a, char *const *bases, int tid, int nthreads,
                            pointwise_function *pointwise)
{
    const element *x = RESOLVE(const element, a->x), *res = RESOLVE(const element, a->res);
    const char *w = RESOLVE(const char, a->w);
    const float *bias = RESOLVE(const float, a->bias);
    const float *dw_w = RESOLVE(const float, a->dw_w), *dw_bias = RESOLVE(const float, a->dw_bias);
    element *y = RESOLVE(element, a->y), *band = RESOLVE(element, a->work) + band_elements(a) * tid;
    struct dwconv d = depthwise_of(a);
    struct range share_of_rows = share(a->oh, tid, nthreads);
    int64_t blocks = ceil_div(a->ic, BLOCK), oc_blocks = ceil_div(a->oc, BLOCK);
    for (int64_t image = 0; image < a->n; image++) {
        const element *from = x + image * blocks * a->ih * a->iw * BLOCK;
        for (int64_t row = share_of_rows.begin; row < share_of_rows.end; row += a->band) {
            struct range rows = {row, min64(row + a->band, share_of_rows.end)};
            int64_t at = (image * oc_blocks * a->oh + row) * a->ow * BLOCK;
            depthwise_band(&d, from, dw_w, dw_bias, band, rows);
            pointwise(a, band, (rows.end - rows.begin) * a->ow, w, bias, res ? res + at : NULL, y + at);
        }
    }
}

#endif
