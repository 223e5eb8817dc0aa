/* Winograd convolution F(m, 3), m = 2, 4, 6: 3x3 kernels of stride 1 over blocks with 9 m^2 / (m + 2)^2 fewer products.
 *
 * Images may be of bfloat16 (element.h): weights, transforms and products are float32.
 *
 * Output is cut into m x m tiles.  A block of tiles is done in three phases, in per-thread workspace:
 *   1. transform the (m + 2)^2 inputs of each tile:   v[position][ic block][tile][b]
 *   2. for each position one product over channels:   p[position][oc block][tile][b] = v[position] * w[position]
 *      by the tiles of the direct convolution, with image tiles in the place of pixels
 *   3. transform back, add bias and residual, activate, store what lies inside the image
 * Weights are transformed when packed: [position][oc group][ic block][b][tile_b * b].  The positions stand outermost
 * in phase 2, so v[position] stays in L2 while that position's weights stream past once.
 *
 * tile_block: tiles per block, 0 to choose.  Threads cut the tiles, or groups of output channels (then each does phase 1
 * by itself) where the tiles are few; blocks of tiles are chunks that another thread may take. */
#define CONV_STRIDE_1_ONLY
#include "chunks.h"
#include "conv.h"
#include "conv_tiles.h"
#include "element.h"
#include "winograd.h"

#define WINOGRAD_FIELDS(X, S)                                                                       \
    CONV_OPERANDS(X, S) X(S, REF, work) CONV_GEOMETRY(X, S) ACT_FIELDS(X, S) X(S, INT, tile_m)      \
    X(S, INT, tile_block) X(S, INT, tile_b)
KERNEL_ARGS(winograd, WINOGRAD_FIELDS)

enum { MOST_SIZE = 8, WORK_BYTES = 1536 << 10, HEAVY_BYTES = 12 << 20, FEW_TILES = 28, MANY_TILES = 112 };
enum { TILES_A_THREAD = 14, TILES_AHEAD = 2 };

/* What follows from the arguments; sizes are those of the largest share. */
struct part {
    int by_tiles; /* threads cut the tiles of an image, else groups of output channels */
    int64_t positions, ic_blocks, oc_blocks;
    int64_t image_tiles, tile_columns;
    int64_t tiles;                  /* per block of tiles */
    int64_t tile_blocks;            /* in a share, at most */
    int64_t v_position, p_position; /* floats between positions of v and p */
    int64_t floats;                 /* of each thread's workspace */
    struct range oc_groups, blocks; /* groups and blocks of output channels of the share at work */
};

static struct part part_of(const struct winograd *a, int nthreads)
{
    struct part p = {0};
    p.positions = (a->tile_m + 2) * (a->tile_m + 2);
    p.ic_blocks = ceil_div(a->ic, BLOCK);
    p.oc_blocks = ceil_div(a->oc, BLOCK);
    p.tile_columns = ceil_div(a->ow, a->tile_m);
    p.image_tiles = ceil_div(a->oh, a->tile_m) * p.tile_columns;
    int64_t groups = ceil_div(p.oc_blocks, a->tile_b);
    /* Fewer tiles than this a thread do not fill the registers, and each thread would read all weights for them. */
    p.by_tiles = cut_rows(a->split, p.image_tiles >= TILES_A_THREAD * nthreads || groups < nthreads);
    int64_t most_groups = p.by_tiles ? groups : ceil_div(groups, nthreads);

    int64_t total = p.by_tiles ? ceil_div(p.image_tiles, nthreads) : p.image_tiles;
    int64_t out = min64(p.oc_blocks, most_groups * a->tile_b);
    int64_t tile_bytes = p.positions * (p.ic_blocks + out) * BLOCK * (int64_t)sizeof(float);
    /* Enough tiles to use weights well that come from memory, else as many as stay in cache. */
    int64_t weight_bytes = p.positions * p.ic_blocks * out * BLOCK * BLOCK * (int64_t)sizeof(float);
    int64_t fewest = weight_bytes > HEAVY_BYTES ? MANY_TILES : FEW_TILES;
    int64_t most = a->tile_block > 0 ? a->tile_block : max64(fewest, WORK_BYTES / tile_bytes);
    p.tiles = total > 0 && out > 0 ? ceil_div(total, ceil_div(total, most)) : 0;
    /* An odd number of cache lines: transforms touch all positions at once, which must not share a cache set. */
    p.v_position = p.tiles ? (p.ic_blocks * p.tiles | 1) * BLOCK : 0;
    p.p_position = p.tiles ? (out * p.tiles | 1) * BLOCK : 0;
    p.floats = p.positions * (p.v_position + p.p_position);
    p.tile_blocks = p.tiles ? ceil_div(total, p.tiles) : 0;
    return p;
}

static int64_t winograd_workspace(const void *args, int nthreads)
{
    return part_of(args, nthreads).floats * (int64_t)sizeof(float) * nthreads;
}

/* The patch at (top, left) of one block's plane, with zeros outside the image, as [size][size][BLOCK]. */
static void copy_patch(element *to, const element *x, const struct winograd *a, int64_t top, int64_t left, int64_t size)
{
    for (int64_t i = top; i < top + size; i++)
        for (int64_t j = left; j < left + size; j++, to += BLOCK)
            if (i < 0 || i >= a->ih || j < 0 || j >= a->iw)
                memset(to, 0, BLOCK * sizeof *to);
            else
                copy_elements(to, x + (i * a->iw + j) * BLOCK, BLOCK);
}

/* What a tile some way ahead will read or write, on its way to the cache: planes are often larger than L2, and the
 * rows of patches are too short for the processor to foresee. */
INLINE void prefetch_tile(const element *plane, int64_t height, int64_t width, int64_t top, int64_t left,
                          int64_t rows, int64_t columns, int for_writing)
{
    for (int64_t i = max64(top, 0); i < min64(top + rows, height); i++)
        for (int64_t j = max64(left, 0); j < min64(left + columns, width); j++)
            if (for_writing)
                __builtin_prefetch(plane + (i * width + j) * BLOCK, 1);
            else
                __builtin_prefetch(plane + (i * width + j) * BLOCK);
}

/* Phase 1 for the tiles [first, first + count). */
INLINE void transform_inputs(int m, const struct winograd *a, const struct part *p, const element *x, int64_t first,
                             int64_t count, float *v)
{
    element patch[MOST_SIZE * MOST_SIZE * BLOCK] __attribute__((aligned(64)));
    int64_t size = m + 2;
    for (int64_t block = 0; block < p->ic_blocks; block++) {
        const element *plane = x + block * a->ih * a->iw * BLOCK;
        for (int64_t t = 0; t < count; t++) {
            int64_t top = (first + t) / p->tile_columns * m - a->pad_t;
            int64_t left = (first + t) % p->tile_columns * m - a->pad_l;
            const element *from = plane + (top * a->iw + left) * BLOCK;
            int64_t row = a->iw * BLOCK;
            int64_t later = first + t + TILES_AHEAD;
            prefetch_tile(plane, a->ih, a->iw, later / p->tile_columns * m - a->pad_t,
                          later % p->tile_columns * m - a->pad_l + 2, size, m, 0);
            if (top < 0 || left < 0 || top + size > a->ih || left + size > a->iw) {
                copy_patch(patch, plane, a, top, left, size);
                from = patch;
                row = size * BLOCK;
            }
            for (int64_t lane = 0; lane < BLOCK; lane += VF)
                winograd_input_tile(m, from + lane, row, BLOCK, v + (block * p->tiles + t) * BLOCK + lane,
                                    p->v_position);
        }
    }
}

/* Phase 2 */
static void multiply(const struct winograd *a, const struct part *p, const float *v, const float *w, int64_t count,
                     float *products)
{
    int64_t ldw = a->tile_b * BLOCK, group_floats = p->ic_blocks * BLOCK * ldw;
    int64_t groups = ceil_div(p->oc_blocks, a->tile_b);
    struct conv_walk l = {
        .blocks = p->ic_blocks, .kh = 1, .kw = 1, .lanes = BLOCK, .last_lanes = a->ic - (p->ic_blocks - 1) * BLOCK,
        .x_block = p->tiles * BLOCK, .pixel_step = BLOCK, .ldw = ldw, .w_step = BLOCK * ldw,
        .y_block = p->tiles * BLOCK,
    };
    for (int64_t position = 0; position < p->positions; position++) {
        for (int64_t group = p->oc_groups.begin; group < p->oc_groups.end; group++) {
            int64_t end = min64(p->oc_blocks, (group + 1) * a->tile_b);
            for (int64_t block = group * a->tile_b, here; block < end; block += here) {
                here = next_blocks(end - block);
                const float *panel = w + (position * groups + group) * group_floats;
                prefetch_weights(&l, panel + group_floats, group_floats * (int64_t)sizeof(float),
                                 ceil_div(count, conv_most_rows[here]) * ceil_div(end - group * a->tile_b, here));
                conv_row(conv_tiles_s1[here], &l, count, conv_most_rows[here], here, v + position * p->v_position,
                         w + (position * groups + group) * group_floats + (block - group * a->tile_b) * BLOCK, no_bias,
                         NULL, products + position * p->p_position + (block - p->blocks.begin) * l.y_block);
            }
        }
    }
}

/* Phase 3 */
INLINE void transform_outputs(int m, const struct winograd *a, const struct part *p, const struct epilogue *e,
                              const float *products, int64_t first, int64_t count, const float *bias,
                              const element *res, element *y)
{
    for (int64_t block = p->blocks.begin; block < p->blocks.end; block++) {
        const float *from = products + (block - p->blocks.begin) * p->tiles * BLOCK;
        const float *b = bias ? bias + block * BLOCK : no_bias;
        for (int64_t t = 0; t < count; t++) {
            int64_t top = (first + t) / p->tile_columns * m, left = (first + t) % p->tile_columns * m;
            int64_t rows = min64(m, a->oh - top), columns = min64(m, a->ow - left);
            int64_t at = ((block * a->oh + top) * a->ow + left) * BLOCK, row = a->ow * BLOCK;
            int64_t later = first + t + TILES_AHEAD;
            prefetch_tile(y + block * a->oh * row, a->oh, a->ow, later / p->tile_columns * m,
                          later % p->tile_columns * m, m, m, 1);
            for (int64_t lane = 0; lane < BLOCK; lane += VF) {
                vf s[MOST_SIZE * MOST_SIZE], bias_lane = vload(b + lane);
                winograd_output_tile(m, from + t * BLOCK + lane, p->p_position, s);
                for (int64_t i = 0; i < rows; i++) {
                    for (int64_t j = 0; j < columns; j++) {
                        int64_t to = at + i * row + j * BLOCK + lane;
                        vf value = s[i * m + j] + bias_lane;
                        if (res)
                            value += eload(res + to);
                        estore(y + to, element_now(e, value));
                    }
                }
            }
            if (!NARROW && e->kind == EPILOGUE_LATE)
                for (int64_t i = 0; i < rows; i++)
                    epilogue_late(e, (float *)(y + at + i * row), columns * BLOCK);
        }
    }
}

INLINE void winograd_blocks(int m, const struct winograd *a, char *const *bases, int tid, int nthreads)
{
    struct part p = part_of(a, nthreads);
    if (p.floats == 0)
        return;
    const element *x = RESOLVE(const element, a->x), *res = RESOLVE(const element, a->res);
    const float *w = RESOLVE(const float, a->w), *bias = RESOLVE(const float, a->bias);
    element *y = RESOLVE(element, a->y);
    float *v = RESOLVE(float, a->work) + p.floats * tid;
    float *products = v + p.positions * p.v_position;
    struct epilogue e = epilogue_make(a->act, a->act_a, a->act_b);
    int64_t x_image = p.ic_blocks * a->ih * a->iw * BLOCK, y_image = p.oc_blocks * a->oh * a->ow * BLOCK;
    struct chunks c = chunks_begin(bases[BASE_CLAIMS], tid, nthreads, a->n * p.tile_blocks);
    int64_t groups = ceil_div(p.oc_blocks, a->tile_b);
    for (int64_t chunk; (chunk = chunk_take(&c)) >= 0;) {
        int64_t image = chunk / p.tile_blocks;
        struct range tiles = p.by_tiles ? share(p.image_tiles, c.owner, nthreads) : (struct range){0, p.image_tiles};
        int64_t first = tiles.begin + chunk % p.tile_blocks * p.tiles, count = min64(p.tiles, tiles.end - first);
        p.oc_groups = p.by_tiles ? (struct range){0, groups} : share(groups, c.owner, nthreads);
        p.blocks = (struct range){p.oc_groups.begin * a->tile_b, min64(p.oc_blocks, p.oc_groups.end * a->tile_b)};
        if (count <= 0 || p.oc_groups.begin == p.oc_groups.end)
            continue;
        transform_inputs(m, a, &p, x + image * x_image, first, count, v);
        multiply(a, &p, v, w, count, products);
        transform_outputs(m, a, &p, &e, products, first, count, bias, res ? res + image * y_image : NULL,
                          y + image * y_image);
    }
}

static void conv_winograd(const void *args, char *const *bases, int tid, int nthreads)
{
    const struct winograd *a = args;
    switch (a->tile_m) {
    case 2: winograd_blocks(2, a, bases, tid, nthreads); break;
    case 4: winograd_blocks(4, a, bases, tid, nthreads); break;
    case 6: winograd_blocks(6, a, bases, tid, nthreads); break;
    }
}

static const struct kernel kernels[] = {
    KERNEL(ELEMENT "_conv_winograd_" BLOCKED, conv_winograd, winograd_workspace, winograd),
};
FAMILY(conv_winograd, kernels)
