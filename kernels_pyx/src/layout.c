/* Changes of layout between NCHW, NHWC and NCHW16c.
 *
 * Those from or to NCHW are transpositions of [channels][pixels]; NHWC to and from NCHW16c move
 * runs of 16 channels.  Lanes beyond the last channel are written as zeros, never read.  Threads cut image rows, or if
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

/* Zeros for the lanes [from, 16) of some pixels. */
static void zero_lanes(float *y, int64_t pixels, int64_t from)
{
    for (int64_t p = 0; p < pixels; p++)
        zero_floats(y + p * BLOCK + from, BLOCK - from);
}

/* NCHW <-> NCHW16c */
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
        if (way == BACK) {
            transpose(x + block, BLOCK, y + planes, plane, p.end - p.begin, lanes);
            continue;
        }
        transpose(x + planes, plane, y + block, BLOCK, lanes, p.end - p.begin);
        if (lanes < BLOCK)
            zero_lanes(y + block, p.end - p.begin, lanes);
    }
}

/* NHWC <-> NCHW16c */
INLINE void pixels_and_blocks(const struct layout *a, char *const *bases, int tid, int nthreads, enum direction way)
{
    const float *x = RESOLVE(const float, a->x);
    float *y = RESOLVE(float, a->y);
    int64_t plane = a->h * a->w, blocks = ceil_div(a->c, BLOCK);
    struct piece part = piece_of(a, tid, nthreads);
    for (int64_t image = 0; image < a->n; image++) {
        for (int64_t p = part.pixels.begin; p < part.pixels.end; p++) {
            int64_t pixel = (image * plane + p) * a->c;
            for (int64_t b = part.blocks.begin; b < part.blocks.end; b++) {
                int64_t lanes = min64(BLOCK, a->c - b * BLOCK);
                int64_t block = ((image * blocks + b) * plane + p) * BLOCK;
                if (way == BACK) {
                    copy_floats(y + pixel + b * BLOCK, x + block, lanes);
                } else {
                    copy_floats(y + block, x + pixel + b * BLOCK, lanes);
                    zero_floats(y + block + lanes, BLOCK - lanes);
                }
            }
        }
    }
}

#define ADAPT(name, function, way)                                                         \
    static void name(const void *args, char *const *bases, int tid, int nthreads)          \
    {                                                                                      \
        function(args, bases, tid, nthreads, way);                                         \
    }

ADAPT(nchw_to_nhwc, planes_and_pixels, FORTH)
ADAPT(nhwc_to_nchw, planes_and_pixels, BACK)
ADAPT(nchw_to_nchw16c, planes_and_blocks, FORTH)
ADAPT(nchw16c_to_nchw, planes_and_blocks, BACK)
ADAPT(nhwc_to_nchw16c, pixels_and_blocks, FORTH)
ADAPT(nchw16c_to_nhwc, pixels_and_blocks, BACK)

static const struct kernel kernels[] = {
    KERNEL("f32_nchw_to_nhwc", nchw_to_nhwc, NULL, layout),
    KERNEL("f32_nhwc_to_nchw", nhwc_to_nchw, NULL, layout),
    KERNEL("f32_nchw_to_nchw16c", nchw_to_nchw16c, NULL, layout),
    KERNEL("f32_nchw16c_to_nchw", nchw16c_to_nchw, NULL, layout),
    KERNEL("f32_nhwc_to_nchw16c", nhwc_to_nchw16c, NULL, layout),
    KERNEL("f32_nchw16c_to_nhwc", nchw16c_to_nhwc, NULL, layout),
};
FAMILY(layout, kernels)
