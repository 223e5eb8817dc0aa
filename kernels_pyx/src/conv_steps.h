/* Direct convolution on blocks of channels whose steps multiply four bytes of a pixel (conv_step_tiles.h).
 *
 * What includes this has defined CONV_PIXEL_BYTES, of a block's pixel in x and in y, besides what the tiles want.  Bias and
 * scale (NULL where a tile needs none) are padded to whole blocks.
 *
 * A tile makes up to tile_w pixels of a row times some blocks, and walks the whole reduction in registers; the last
 * input block stops at the step of the last channel.  Bands and threads: conv_bands.h. */
#ifndef PLAIT_CONV_STEPS_H
#define PLAIT_CONV_STEPS_H

#include "conv_bands.h"
#include "conv_step_tiles.h"

struct conv_call {
    const struct conv_shape *shape;
    int64_t oc, tile_w, tile_b;
    const int8_t *w;
    const conv_sum *bias;
    const float *scale;
    const uint8_t *res;
    uint8_t *y;
    int64_t oc_blocks;     /* of a convolution group */
    int64_t group_weights; /* bytes of a group of output blocks */
    struct conv_walk walk;
};

static conv_tile *const *tiles_for(int64_t pixel_step, int64_t blocks)
{
    return pixel_step == CONV_PIXEL_BYTES       ? conv_tiles_s1[blocks]
           : pixel_step == 2 * CONV_PIXEL_BYTES ? conv_tiles_s2[blocks]
                                                : conv_tiles_s0[blocks];
}

/* `count` output blocks from `block` on, of all rows of a band. */
static void convolve_blocks(const struct conv_call *c, const struct conv_band *b, int64_t block, int64_t count,
                            const int8_t *w)
{
    const struct conv_shape *s = c->shape;
    conv_tile *const *tiles = tiles_for(b->x_col, count);
    int64_t most = conv_most_pixels[count], channel = (b->group * c->oc_blocks + block) * BLOCK;
    if (c->tile_w > 0)
        most = min64(most, c->tile_w);
    struct conv_walk l = c->walk;
    l.x_block = b->x_block;
    l.x_row = b->tap_row;
    l.x_col = b->tap_col;
    l.pixel_step = b->x_col;
    int64_t steps = ((l.blocks - 1) * l.steps + l.last_steps) * l.kh * l.kw;
    int64_t passes = b->rows * ceil_div(b->width, most);
    l.ahead = (const char *)w + c->group_weights;
    l.ahead_step = ceil_div(c->group_weights, max64(1, passes * steps));
    int64_t first = (b->image * ceil_div(c->oc, BLOCK) + channel / BLOCK) * s->oh * s->ow + b->row * s->ow;
    for (int64_t row = 0; row < b->rows; row++, first += s->ow) {
        const uint8_t *x = (const uint8_t *)b->x + row * b->x_row;
        for (int64_t done = 0; done < b->width;) {
            int64_t left = b->width - done, pixels = ceil_div(left, ceil_div(left, most));
            int64_t to = (first + done) * CONV_PIXEL_BYTES;
            tiles[pixels](&l, x + done * l.pixel_step, w, c->bias + channel, c->scale ? c->scale + channel : NULL,
                          c->res ? c->res + to : NULL, c->y + to);
            done += pixels;
            l.ahead += l.ahead_step * steps;
        }
    }
}

static void convolve_band(const void *context, const struct conv_band *b)
{
    const struct conv_call *c = context;
    int64_t tile_b = c->tile_b, oc_groups = ceil_div(c->oc_blocks, tile_b);
    for (int64_t group = b->oc_groups.begin; group < b->oc_groups.end; group++) {
        const int8_t *w = c->w + (b->group * oc_groups + group) * c->group_weights;
        int64_t end = min64(c->oc_blocks, (group + 1) * tile_b);
        for (int64_t block = group * tile_b, here; block < end; block += here) {
            here = next_blocks(end - block);
            convolve_blocks(c, b, block, here, w + (block - group * tile_b) * STEP_BYTES);
        }
    }
}

#endif
