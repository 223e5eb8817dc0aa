/* Register tiles of the direct convolution over blocks of channels; Winograd's products use them too. */
#ifndef PLAIT_CONV_TILES_H
#define PLAIT_CONV_TILES_H

#include "act.h"

/* How a tile walks its reduction: input blocks, kernel rows, kernel columns, lanes of the block. */
struct conv_walk {
    int64_t blocks, kh, kw;
    int64_t lanes, last_lanes;     /* of every block, of the last one */
    int64_t x_block, x_row, x_col; /* steps in x, in floats */
    int64_t pixel_step;            /* between the tile's pixels, in floats */
    int64_t ldw;                   /* floats per lane of weights */
    int64_t w_step;                /* floats per kernel tap of weights */
    int64_t y_block;               /* between output blocks, in floats */
    const char *ahead;             /* weights wanted soon: each step of the reduction prefetches there */
    int64_t ahead_step;            /* and goes on by so many bytes */
    int64_t steps;                 /* of the reduction */
    struct epilogue e;
};
typedef void conv_tile(const struct conv_walk *l, const float *x, const float *w, const float *bias, const float *res,
                       float *y);

#if VF == 16
#include "conv_tiles_avx512.h"
#elif VF == 8
#include "conv_tiles_avx2.h"
#else
#include "conv_tiles_baseline.h"
#endif

/* Prefetch `bytes` of weights from `from` on while the reduction is walked `passes` times. */
INLINE void prefetch_weights(struct conv_walk *l, const float *from, int64_t bytes, int64_t passes)
{
    l->steps = ((l->blocks - 1) * l->lanes + l->last_lanes) * l->kh * l->kw;
    l->ahead = (const char *)from;
    l->ahead_step = ceil_div(bytes, max64(1, passes * l->steps));
}

/* The most blocks, of `left`, that one tile can take. */
INLINE int64_t next_blocks(int64_t left)
{
    int64_t blocks = left >= 4 ? 4 : left >= 2 ? 2 : 1;
    return min64(blocks, CONV_MOST_BLOCKS);
}

/* One row of `width` pixels in tiles of like width, at most `most`. */
INLINE void conv_row(conv_tile *const *tiles, struct conv_walk *l, int64_t width, int64_t most, int64_t blocks,
                     const float *x, const float *w, const float *bias, const float *res, float *y)
{
    for (int64_t done = 0; done < width;) {
        int64_t left = width - done, pixels = ceil_div(left, ceil_div(left, most));
        float *to = y + done * BLOCK;
        tiles[pixels](l, x + done * l->pixel_step, w, bias, res ? res + done * BLOCK : NULL, to);
        if (l->e.kind == EPILOGUE_LATE)
            for (int64_t b = 0; b < blocks; b++)
                epilogue_late(&l->e, to + b * l->y_block, pixels * BLOCK);
        done += pixels;
        l->ahead += l->ahead_step * l->steps;
    }
}

#endif
