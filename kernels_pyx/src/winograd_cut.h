/* How Winograd convolutions cut their work, whatever their elements are.
 *
 * Output is cut into m x m tiles.  A block of tiles is done in three phases, in per-thread workspace:
 *   1. transform the (m + 2)^2 inputs of each tile:   v[position][ic block][tile][b]
 *   2. for each position one product over channels:   p[position][oc block][tile][b] = v[position] * w[position]
 *   3. transform back, and what follows, for what lies inside of the image
 * The positions stand outermost in phase 2, so v[position] stays in L2 while that position's weights stream past once.
 *
 * Threads cut the tiles, or groups of output channels (then each does phase 1 by itself) where the tiles are few; blocks
 * of tiles are chunks that another thread may take. */
#ifndef PLAIT_WINOGRAD_CUT_H
#define PLAIT_WINOGRAD_CUT_H

#include "chunks.h"
#include "isa.h"

enum { MOST_SIZE = 8, HEAVY_BYTES = 12 << 20, FEW_TILES = 28, MANY_TILES = 112 };
enum { TILES_A_THREAD = 14, TILES_AHEAD = 2, LINE_BYTES = 64 };

/* A layer, as far as its cut depends on it.  `number`: bytes of an element of v and of w; products have four.  `work_bytes`:
 * what v and products of a block of tiles should take. */
struct winograd_layer {
    int64_t n, ic, ih, iw, oc, oh, ow, pad_t, pad_l, split;
    int64_t tile_m, tile_block, tile_b, number, work_bytes;
};
#define WINOGRAD_LAYER(a, m, bytes, work)                                                               \
    (struct winograd_layer)                                                                             \
    {                                                                                                   \
        .n = (a)->n, .ic = (a)->ic, .ih = (a)->ih, .iw = (a)->iw, .oc = (a)->oc, .oh = (a)->oh,         \
        .ow = (a)->ow, .pad_t = (a)->pad_t, .pad_l = (a)->pad_l, .split = (a)->split, .tile_m = (m),    \
        .tile_block = (a)->tile_block, .tile_b = (a)->tile_b, .number = (bytes), .work_bytes = (work)   \
    }

/* What follows from the layer; sizes are those of the largest share. */
struct winograd_cut {
    int by_tiles; /* threads cut the tiles of an image, else groups of output channels */
    int64_t positions, ic_blocks, oc_blocks, groups;
    int64_t image_tiles, tile_columns;
    int64_t tiles, room;            /* per block of tiles; the same in whole lines of v */
    int64_t tile_blocks;            /* in a share, at most */
    int64_t v_position, p_position; /* bytes between positions of v and p */
    int64_t bytes;                  /* of each thread's workspace */
};

/* An odd number of cache lines: transforms touch all positions at once, which must not share a cache set. */
INLINE int64_t odd_lines(int64_t bytes)
{
    return (ceil_div(bytes, LINE_BYTES) | 1) * LINE_BYTES;
}

static struct winograd_cut winograd_cut_of(const struct winograd_layer *a, int nthreads)
{
    struct winograd_cut p = {0};
    p.positions = (a->tile_m + 2) * (a->tile_m + 2);
    p.ic_blocks = ceil_div(a->ic, BLOCK);
    p.oc_blocks = ceil_div(a->oc, BLOCK);
    p.groups = ceil_div(p.oc_blocks, a->tile_b);
    p.tile_columns = ceil_div(a->ow, a->tile_m);
    p.image_tiles = ceil_div(a->oh, a->tile_m) * p.tile_columns;
    /* Fewer tiles than this a thread do not fill the registers, and each thread would read all weights for them. */
    p.by_tiles = cut_rows(a->split, p.image_tiles >= TILES_A_THREAD * nthreads || p.groups < nthreads);
    int64_t most_groups = p.by_tiles ? p.groups : ceil_div(p.groups, nthreads);

    int64_t total = p.by_tiles ? ceil_div(p.image_tiles, nthreads) : p.image_tiles;
    int64_t out = min64(p.oc_blocks, most_groups * a->tile_b);
    int64_t tile_bytes = p.positions * (p.ic_blocks * a->number + out * (int64_t)sizeof(float)) * BLOCK;
    /* Enough tiles to use weights well that come from memory, else as many as stay in cache. */
    int64_t weight_bytes = p.positions * p.ic_blocks * out * BLOCK * BLOCK * a->number;
    int64_t fewest = weight_bytes > HEAVY_BYTES ? MANY_TILES : FEW_TILES;
    int64_t most = a->tile_block > 0 ? a->tile_block : max64(fewest, a->work_bytes / tile_bytes);
    p.tiles = total > 0 && out > 0 ? ceil_div(total, ceil_div(total, most)) : 0;
    int64_t pixel = BLOCK * a->number;
    p.room = pixel < LINE_BYTES ? round_up(p.tiles, LINE_BYTES / pixel) : p.tiles;
    p.v_position = p.tiles ? odd_lines(p.ic_blocks * p.room * pixel) : 0;
    p.p_position = p.tiles ? odd_lines(out * p.tiles * BLOCK * (int64_t)sizeof(float)) : 0;
    p.bytes = p.positions * (p.v_position + p.p_position);
    p.tile_blocks = p.tiles ? ceil_div(total, p.tiles) : 0;
    return p;
}

/* A block of tiles, [first, first + count) of one image, with the groups and blocks of output channels to compute. */
struct winograd_block {
    int64_t image, first, count;
    struct range groups, blocks;
};

/* The next block with something to do for this thread; whether there is one. */
INLINE int winograd_next(struct chunks *c, const struct winograd_layer *a, const struct winograd_cut *p, int nthreads,
                         struct winograd_block *b)
{
    for (int64_t chunk; (chunk = chunk_take(c)) >= 0;) {
        struct range tiles = p->by_tiles ? share(p->image_tiles, c->owner, nthreads) : (struct range){0, p->image_tiles};
        b->image = chunk / p->tile_blocks;
        b->first = tiles.begin + chunk % p->tile_blocks * p->tiles;
        b->count = min64(p->tiles, tiles.end - b->first);
        b->groups = p->by_tiles ? (struct range){0, p->groups} : share(p->groups, c->owner, nthreads);
        b->blocks = (struct range){b->groups.begin * a->tile_b, min64(p->oc_blocks, b->groups.end * a->tile_b)};
        if (b->count > 0 && b->groups.begin < b->groups.end)
            return 1;
    }
    return 0;
}

/* Where a tile's results begin, in pixels.  Tiles are walked one by one, which takes no division. */
struct winograd_tile {
    int64_t top, left, m, width;
};

INLINE struct winograd_tile winograd_tile_at(const struct winograd_layer *a, const struct winograd_cut *p, int64_t t)
{
    int64_t m = a->tile_m;
    return (struct winograd_tile){t / p->tile_columns * m, t % p->tile_columns * m, m, p->tile_columns * m};
}

INLINE void winograd_step(struct winograd_tile *t)
{
    t->left += t->m;
    if (t->left == t->width) {
        t->left = 0;
        t->top += t->m;
    }
}

/* The inputs of a tile in one block's plane, whose pixels have `pixel` bytes. */
struct winograd_patch {
    const char *from;
    int64_t row; /* bytes from row to row */
};

/* Copied to `aside`, with bytes `outside` around the image, where they are not all inside. */
INLINE struct winograd_patch winograd_patch_of(const struct winograd_layer *a, const struct winograd_tile *t,
                                               const char *plane, int64_t pixel, int outside, char *aside)
{
    int64_t size = a->tile_m + 2, top = t->top - a->pad_t, left = t->left - a->pad_l;
    if (top >= 0 && left >= 0 && top + size <= a->ih && left + size <= a->iw)
        return (struct winograd_patch){plane + (top * a->iw + left) * pixel, a->iw * pixel};
    char *to = aside;
    for (int64_t i = top; i < top + size; i++)
        for (int64_t j = left; j < left + size; j++, to += pixel)
            if (i < 0 || i >= a->ih || j < 0 || j >= a->iw)
                memset(to, outside, (size_t)pixel);
            else
                memcpy(to, plane + (i * a->iw + j) * pixel, (size_t)pixel);
    return (struct winograd_patch){aside, size * pixel};
}

INLINE void prefetch_pixels(const char *plane, int64_t height, int64_t width, int64_t top, int64_t left, int64_t rows,
                            int64_t columns, int64_t pixel, int for_writing)
{
    int64_t first = max64(left, 0), end = min64(left + columns, width);
    for (int64_t i = max64(top, 0); i < min64(top + rows, height); i++)
        for (int64_t at = (i * width + first) * pixel; at < (i * width + end) * pixel; at += LINE_BYTES)
            if (for_writing)
                __builtin_prefetch(plane + at, 1);
            else
                __builtin_prefetch(plane + at);
}

/* What a tile some way ahead will read or write, on its way to the cache: planes are often larger than L2, and the rows of
 * patches are too short for the processor to foresee.  `tiles` side by side; of their inputs what the tile before has not. */
INLINE void prefetch_inputs(const struct winograd_layer *a, const struct winograd_tile *t, const char *plane, int64_t pixel,
                            int64_t tiles)
{
    prefetch_pixels(plane, a->ih, a->iw, t->top - a->pad_t, t->left - a->pad_l + 2, t->m + 2, tiles * t->m, pixel, 0);
}

INLINE void prefetch_results(const struct winograd_layer *a, const struct winograd_tile *t, const char *plane, int64_t pixel)
{
    prefetch_pixels(plane, a->oh, a->ow, t->top, t->left, t->m, t->m, pixel, 1);
}

#endif
