/* Changes of layout between NCHW, NHWC and blocks of BLOCK channels, and between blocks of two sizes.
 *
 * Those from or to NCHW are transpositions of [channels][pixels]; NHWC to and from blocks move
 * runs of a block's channels.  Lanes beyond the last channel are written as zeros, never read.  Threads cut image rows, or if
 * told so blocks of channels. */
#include "transpose.h"

#define LAYOUT_FIELDS(X, S) X(S, REF, x) X(S, REF, y) X(S, INT, n) X(S, INT, c) X(S, INT, h) X(S, INT, w) \
    SPLIT_FIELD(X, S)
KERNEL_ARGS(layout, LAYOUT_FIELDS)

/* The pixels of image rows, and the blocks of channels, that a thread does. */
struct piece {
    struct range pixels, blocks;
};

static struct piece piece_of(const struct layout *a, int tid, int nthreads)
{
    struct range rows = {0, a->h}, blocks = {0, ceil_div(a->c, BLOCK)};
    if (!cut_rows(a->split, 1))
        blocks = share(blocks.end, tid, nthreads);
    else if (a->split == SPLIT_ROWS || a->h >= nthreads)
        rows = share(a->h, tid, nthreads);
    else
        rows.end = tid == 0 ? a->h : 0;
    return (struct piece){{rows.begin * a->w, rows.end * a->w}, blocks};
}

enum direction { FORTH, BACK };

enum { RUN = 1024 }; /* floats of the pixels that are moved before the next ones */

/* NCHW <-> NHWC */
INLINE void planes_and_pixels(const struct layout *a, char *const *bases, int tid, int nthreads, enum direction way)
{
    const float *x = RESOLVE(const float, a->x);
    float *y = RESOLVE(float, a->y);
    int64_t plane = a->h * a->w;
    struct piece part = piece_of(a, tid, nthreads);
    struct range p = part.pixels;
    int64_t first = part.blocks.begin * BLOCK, count = min64(part.blocks.end * BLOCK, a->c) - first;
    if (count <= 0)
        return;
    for (int64_t image = 0; image < a->n; image++) {
        int64_t planes = (image * a->c + first) * plane + p.begin, pixels = (image * plane + p.begin) * a->c + first;
        if (way == FORTH)
            transpose(x + planes, plane, y + pixels, a->c, count, p.end - p.begin);
        else
            transpose(x + pixels, a->c, y + planes, plane, p.end - p.begin, count);
    }
}

/* NCHW <-> blocks */
INLINE void planes_and_blocks(const struct layout *a, char *const *bases, int tid, int nthreads, enum direction way)
{
    const float *x = RESOLVE(const float, a->x);
    float *y = RESOLVE(float, a->y);
    int64_t plane = a->h * a->w, blocks = ceil_div(a->c, BLOCK);
    struct piece part = piece_of(a, tid, nthreads);
    struct range p = part.pixels;
    for (int64_t nb = 0; nb < a->n * blocks; nb++) {
        if (nb % blocks < part.blocks.begin || nb % blocks >= part.blocks.end)
            continue;
        int64_t first = nb % blocks * BLOCK, lanes = min64(BLOCK, a->c - first);
        int64_t planes = (nb / blocks * a->c + first) * plane + p.begin, block = (nb * plane + p.begin) * BLOCK;
        if (way == FORTH)
            transpose_padded(x + planes, plane, y + block, BLOCK, lanes, p.end - p.begin, BLOCK);
        else
            transpose(x + block, BLOCK, y + planes, plane, p.end - p.begin, lanes);
    }
}

/* One pixel of a block: `lanes` channels there are, zeros for the others of `width`. */
INLINE void move_lanes(float *y, const float *x, int64_t lanes, int64_t width)
{
    for (int64_t i = 0; i < width; i += VF)
        store_lanes(y + i, load_lanes(x + i, max64(0, min64(VF, lanes - i))), min64(VF, width - i));
}

/* NHWC <-> blocks: a run of pixels that fits L1, block by block. */
INLINE void pixels_and_blocks(const struct layout *a, char *const *bases, int tid, int nthreads, enum direction way)
{
    const float *x = RESOLVE(const float, a->x);
    float *y = RESOLVE(float, a->y);
    int64_t plane = a->h * a->w, blocks = ceil_div(a->c, BLOCK), run = max64(4, RUN / a->c);
    struct piece part = piece_of(a, tid, nthreads);
    for (int64_t image = 0; image < a->n; image++) {
        for (int64_t first = part.pixels.begin; first < part.pixels.end; first += run) {
            int64_t end = min64(first + run, part.pixels.end);
            for (int64_t b = part.blocks.begin; b < part.blocks.end; b++) {
                int64_t lanes = min64(BLOCK, a->c - b * BLOCK);
                int64_t pixels = image * plane * a->c + b * BLOCK, block = (image * blocks + b) * plane * BLOCK;
                for (int64_t p = first; p < end; p++) {
                    float *to = way == BACK ? y + pixels + p * a->c : y + block + p * BLOCK;
                    const float *from = way == BACK ? x + block + p * BLOCK : x + pixels + p * a->c;
                    if (lanes == BLOCK)
                        move_lanes(to, from, BLOCK, BLOCK);
                    else
                        move_lanes(to, from, lanes, way == BACK ? lanes : BLOCK);
                }
            }
        }
    }
}

/* Blocks of BLOCK channels <-> nchw16c */
#if PLAIT_BLOCK != 16
INLINE void narrow_and_wide(const struct layout *a, char *const *bases, int tid, int nthreads, enum direction way)
{
    enum { WIDE = 16, PARTS = WIDE / BLOCK };
    const float *x = RESOLVE(const float, a->x);
    float *y = RESOLVE(float, a->y);
    int64_t plane = a->h * a->w, narrow = ceil_div(a->c, BLOCK), wide = ceil_div(a->c, WIDE);
    struct piece part = piece_of(a, tid, nthreads);
    if (way == FORTH && part.blocks.end == narrow)
        part.blocks.end = wide * PARTS; /* narrow blocks of the last wide one that hold no channel */
    for (int64_t image = 0; image < a->n; image++) {
        for (int64_t b = part.blocks.begin; b < part.blocks.end; b++) {
            int64_t lanes = max64(0, min64(BLOCK, a->c - b * BLOCK));
            for (int64_t p = part.pixels.begin; p < part.pixels.end; p++) {
                int64_t in_narrow = ((image * narrow + b) * plane + p) * BLOCK;
                int64_t in_wide = ((image * wide + b / PARTS) * plane + p) * WIDE + b % PARTS * BLOCK;
                float *to = y + (way == FORTH ? in_wide : in_narrow);
                copy_floats(to, x + (way == FORTH ? in_narrow : in_wide), lanes);
                zero_floats(to + lanes, BLOCK - lanes);
            }
        }
    }
}
#endif

#define ADAPT(name, function, way)                                                         \
    static void name(const void *args, char *const *bases, int tid, int nthreads)          \
    {                                                                                      \
        function(args, bases, tid, nthreads, way);                                         \
    }

ADAPT(nchw_to_nhwc, planes_and_pixels, FORTH)
ADAPT(nhwc_to_nchw, planes_and_pixels, BACK)
ADAPT(nchw_to_blocked, planes_and_blocks, FORTH)
ADAPT(blocked_to_nchw, planes_and_blocks, BACK)
ADAPT(nhwc_to_blocked, pixels_and_blocks, FORTH)
ADAPT(blocked_to_nhwc, pixels_and_blocks, BACK)
#if PLAIT_BLOCK != 16
ADAPT(blocked_to_nchw16c, narrow_and_wide, FORTH)
ADAPT(nchw16c_to_blocked, narrow_and_wide, BACK)
#endif

static const struct kernel kernels[] = {
    PLAIN(KERNEL("f32_nchw_to_nhwc", nchw_to_nhwc, NULL, layout))
    PLAIN(KERNEL("f32_nhwc_to_nchw", nhwc_to_nchw, NULL, layout))
    KERNEL("f32_nchw_to_" BLOCKED, nchw_to_blocked, NULL, layout),
    KERNEL("f32_" BLOCKED "_to_nchw", blocked_to_nchw, NULL, layout),
    KERNEL("f32_nhwc_to_" BLOCKED, nhwc_to_blocked, NULL, layout),
    KERNEL("f32_" BLOCKED "_to_nhwc", blocked_to_nhwc, NULL, layout),
#if PLAIT_BLOCK != 16
    KERNEL("f32_" BLOCKED "_to_nchw16c", blocked_to_nchw16c, NULL, layout),
    KERNEL("f32_nchw16c_to_" BLOCKED, nchw16c_to_blocked, NULL, layout),
#endif
};
FAMILY(layout, kernels)
