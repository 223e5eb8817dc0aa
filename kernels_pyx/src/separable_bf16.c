/* Depthwise separable convolution of bfloat16 (separable.h): weights of 1x1 [oc group][c / 16][8 pairs][tile_b * 16][2], the
 * band in bfloat16, too. */
#include "conv_pairs.h"
#include "separable.h"

/* What stands behind an odd last channel must not meet weights, not even of zero, as it may be NaN. */
static void clear_neighbour(element *band, int64_t channels, int64_t pixels)
{
    element *block = band + channels / BLOCK * pixels * BLOCK;
    for (int64_t i = 0; channels % 2 && i < pixels; i++)
        block[i * BLOCK + channels % BLOCK] = 0;
}

static void pointwise_band(const struct separable *a, element *band, int64_t pixels, const char *w,
                           const float *bias, const element *res, element *y)
{
    int64_t blocks = ceil_div(a->ic, BLOCK), oc_blocks = ceil_div(a->oc, BLOCK), plane = a->oh * a->ow * BLOCK;
    int64_t last_pairs = ceil_div(a->ic, 2) - (blocks - 1) * TAP_PAIRS, tap = TAP_PAIRS * a->tile_b * STEP_BYTES;
    struct conv_walk l = {
        .blocks = blocks, .kh = 1, .kw = 1, .steps = TAP_PAIRS, .last_steps = last_pairs,
        .x_block = pixels * CONV_PIXEL_BYTES, .pixel_step = CONV_PIXEL_BYTES, .ldw = a->tile_b * STEP_BYTES,
        .w_step = tap, .y_block = a->oh * a->ow * CONV_PIXEL_BYTES, .e = epilogue_make(a->act, a->act_a, a->act_b),
    };
    int64_t steps = (blocks - 1) * TAP_PAIRS + last_pairs;
    clear_neighbour(band, a->ic, pixels);
    for (int64_t block = 0, here; block < oc_blocks; block += here) {
        int64_t group = block / a->tile_b;
        here = next_blocks(min64(oc_blocks, (group + 1) * a->tile_b) - block);
        int64_t most = conv_most_pixels[here];
        const int8_t *panel = (const int8_t *)w + group * blocks * tap;
        l.ahead = (const char *)panel + blocks * tap;
        l.ahead_step = ceil_div(blocks * tap, max64(1, ceil_div(pixels, most) * steps));
        for (int64_t done = 0, here_pixels; done < pixels; done += here_pixels) {
            int64_t left = pixels - done, to = block * plane + done * BLOCK;
            here_pixels = ceil_div(left, ceil_div(left, most));
            conv_tiles_s1[here][here_pixels](&l, (const uint8_t *)(band + done * BLOCK),
                                             panel + (block - group * a->tile_b) * STEP_BYTES,
                                             bias ? bias + block * BLOCK : no_bias, NULL,
                                             res ? (const uint8_t *)(res + to) : NULL, (uint8_t *)(y + to));
            l.ahead += l.ahead_step * steps;
        }
    }
}

static void separable_blocked(const void *args, char *const *bases, int tid, int nthreads)
{
    separable_bands(args, bases, tid, nthreads, pointwise_band);
}

static const struct kernel kernels[] = {
    KERNEL("bf16_separable_nchw16c", separable_blocked, separable_workspace, separable),
};
FAMILY(separable_bf16, kernels)
