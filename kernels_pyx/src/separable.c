/* Depthwise separable convolution of float32 (separable.h): weights of 1x1 [oc group][c / b][b][tile_b * b]. */
#define CONV_STRIDE_1_ONLY
#include "conv_tiles.h"
#include "separable.h"

static void pointwise_band(const struct separable *a, float *band, int64_t pixels, const char *weights,
                           const float *bias, const float *res, float *y)
{
    const float *w = (const float *)weights;
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
    separable_bands(args, bases, tid, nthreads, pointwise_band);
}

static const struct kernel kernels[] = {
    KERNEL("f32_separable_" BLOCKED, separable_blocked, separable_workspace, separable),
};
FAMILY(separable, kernels)
