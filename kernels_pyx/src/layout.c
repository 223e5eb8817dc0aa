/* Changes of layout between NCHW, NHWC and NCHW16c.
 *
 * Those from or to NCHW are transpositions of [channels][pixels]; NHWC to and from NCHW16c move
 * runs of 16 channels.  Lanes beyond the last channel are written as zeros, never read.  Threads cut image rows. */
#include "transpose.h"

#define LAYOUT_FIELDS(X, S) X(S, REF, x) X(S, REF, y) X(S, INT, n) X(S, INT, c) X(S, INT, h) X(S, INT, w)
KERNEL_ARGS(layout, LAYOUT_FIELDS)

/* The pixels of image rows that a thread does. */
static struct range pixels_of(const struct layout *a, int tid, int nthreads)
{
    struct range r = a->h >= nthreads ? share(a->h, tid, nthreads) : (struct range){0, tid == 0 ? a->h : 0};
    return (struct range){r.begin * a->w, r.end * a->w};
}

enum direction { FORTH, BACK };

/* NCHW <-> NHWC */
INLINE void planes_and_pixels(const struct layout *a, char *const *bases, int tid, int nthreads, enum direction way)
{
    const float *x = RESOLVE(const float, a->x);
    float *y = RESOLVE(float, a->y);
    int64_t plane = a->h * a->w;
    struct range p = pixels_of(a, tid, nthreads);
    for (int64_t image = 0; image < a->n; image++) {
        int64_t at = image * a->c * plane;
        if (way == FORTH)
            transpose(x + at + p.begin, plane, y + at + p.begin * a->c, a->c, a->c, p.end - p.begin);
        else
            transpose(x + at + p.begin * a->c, a->c, y + at + p.begin, plane, p.end - p.begin, a->c);
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
    struct range p = pixels_of(a, tid, nthreads);
    for (int64_t nb = 0; nb < a->n * blocks; nb++) {
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
    struct range range = pixels_of(a, tid, nthreads);
    for (int64_t image = 0; image < a->n; image++) {
        for (int64_t p = range.begin; p < range.end; p++) {
            int64_t pixel = (image * plane + p) * a->c;
            for (int64_t b = 0; b < blocks; b++) {
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
