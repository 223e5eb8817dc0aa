/* Changes of layout between NCHW, NHWC and NCHW16c.
 *
 * Those from or to NCHW are transpositions of [channels][pixels], done in 4x4 squares; NHWC to and from NCHW16c move
 * runs of 16 channels.  Lanes beyond the last channel are written as zeros, never read.  Threads cut image rows. */
#include "isa.h"

#define LAYOUT_FIELDS(X, S) X(S, REF, x) X(S, REF, y) X(S, INT, n) X(S, INT, c) X(S, INT, h) X(S, INT, w)
KERNEL_ARGS(layout, LAYOUT_FIELDS)

typedef float quad __attribute__((vector_size(16)));
typedef float quad_unaligned __attribute__((vector_size(16), aligned(4), may_alias));
typedef int32_t quad_index __attribute__((vector_size(16)));

INLINE void transpose_4x4(const float *x, int64_t x_step, float *y, int64_t y_step)
{
    quad a = *(const quad_unaligned *)x, b = *(const quad_unaligned *)(x + x_step);
    quad c = *(const quad_unaligned *)(x + 2 * x_step), d = *(const quad_unaligned *)(x + 3 * x_step);
    quad ab_low = __builtin_shuffle(a, b, (quad_index){0, 4, 1, 5});
    quad ab_high = __builtin_shuffle(a, b, (quad_index){2, 6, 3, 7});
    quad cd_low = __builtin_shuffle(c, d, (quad_index){0, 4, 1, 5});
    quad cd_high = __builtin_shuffle(c, d, (quad_index){2, 6, 3, 7});
    *(quad_unaligned *)y = __builtin_shuffle(ab_low, cd_low, (quad_index){0, 1, 4, 5});
    *(quad_unaligned *)(y + y_step) = __builtin_shuffle(ab_low, cd_low, (quad_index){2, 3, 6, 7});
    *(quad_unaligned *)(y + 2 * y_step) = __builtin_shuffle(ab_high, cd_high, (quad_index){0, 1, 4, 5});
    *(quad_unaligned *)(y + 3 * y_step) = __builtin_shuffle(ab_high, cd_high, (quad_index){2, 3, 6, 7});
}

/* y[j][i] = x[i][j] for i < rows, j < columns; at most 16 rows or columns at a time keep few cache lines open. */
static void transpose_strip(const float *x, int64_t x_step, float *y, int64_t y_step, int64_t rows, int64_t columns)
{
    int64_t j = 0;
    for (; j + 4 <= columns; j += 4) {
        int64_t i = 0;
        for (; i + 4 <= rows; i += 4)
            transpose_4x4(x + i * x_step + j, x_step, y + j * y_step + i, y_step);
        for (; i < rows; i++)
            for (int64_t k = j; k < j + 4; k++)
                y[k * y_step + i] = x[i * x_step + k];
    }
    for (; j < columns; j++)
        for (int64_t i = 0; i < rows; i++)
            y[j * y_step + i] = x[i * x_step + j];
}

static void transpose(const float *x, int64_t x_step, float *y, int64_t y_step, int64_t rows, int64_t columns)
{
    for (int64_t i = 0; i < rows; i += BLOCK)
        for (int64_t j = 0; j < columns; j += 64)
            transpose_strip(x + i * x_step + j, x_step, y + j * y_step + i, y_step, min64(BLOCK, rows - i),
                            min64(64, columns - j));
}

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
