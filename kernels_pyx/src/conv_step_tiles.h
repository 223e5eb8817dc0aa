/* Register tiles whose steps multiply four bytes of a pixel: four bytes, or two numbers of 16 bits.
 *
 * What includes this has defined
 *     conv_sum            the type of sums, and so of biases
 *     CONV_ENDING         fields of struct conv_walk by which a tile makes results of its sums
 *     CONV_TILES          the file of tiles (gen/tiles_q8.py, gen/tiles_bf16.py, gen/tiles_words.py)
 * Weights are packed in groups of tile_b output blocks, [oc group][ic block][kh][kw][steps][tile_b * 16][4 bytes]. */
#ifndef PLAIT_CONV_STEP_TILES_H
#define PLAIT_CONV_STEP_TILES_H

#include "isa.h"

enum { STEP_BYTES = 4 * BLOCK }; /* of a block's weights */

/* How a tile walks its reduction: input blocks, kernel rows, kernel columns, steps of four bytes. */
struct conv_walk {
    int64_t blocks, kh, kw;
    int64_t steps, last_steps;     /* of every block, of the last one */
    int64_t x_block, x_row, x_col; /* steps in x, in bytes, as all here */
    int64_t pixel_step;            /* between the tile's pixels */
    int64_t ldw, w_step;           /* weights of a step, of a tap */
    int64_t y_block;               /* between output blocks */
    const char *ahead;             /* weights wanted soon: each step of the reduction prefetches there */
    int64_t ahead_step;            /* and goes on by so many bytes */
    CONV_ENDING
};
typedef void conv_tile(const struct conv_walk *l, const uint8_t *x, const int8_t *w, const conv_sum *bias,
                       const float *scale, const uint8_t *res, uint8_t *y);

#include CONV_TILES

static int64_t next_blocks(int64_t left)
{
    return min64(left >= 4 ? 4 : left >= 2 ? 2 : 1, CONV_MOST_BLOCKS);
}

#endif
