/* Maximum and average pooling, and global average pooling, in NCHW, NHWC and blocks of channels.
 *
 * NCHW goes by way of blocks (bands.h).  Averages count the taps inside the image, or with count_include_pad those inside the padded image (so a window that
 * `ceil` lets hang over the bottom padding is clipped there).  Threads cut rows of the result, or channels where rows
 * are few; global pooling cuts channels. */
#include "bands.h"
#include "element.h"

#define POOL_FIELDS(X, S)                                                                                     \
    X(S, REF, x) X(S, REF, y) X(S, REF, work)                                                                  \
    X(S, INT, n) X(S, INT, c) X(S, INT, ih) X(S, INT, iw) X(S, INT, oh) X(S, INT, ow)                          \
    X(S, INT, kh) X(S, INT, kw) X(S, INT, stride_h) X(S, INT, stride_w) X(S, INT, pad_t) X(S, INT, pad_l)     \
    X(S, INT, pad_b) X(S, INT, pad_r) X(S, INT, dil_h) X(S, INT, dil_w) X(S, INT, count_include_pad) \
    SPLIT_FIELD(X, S)
KERNEL_ARGS(pool, POOL_FIELDS)

enum reduction { MAXIMUM, AVERAGE };

/* The taps of the window at `start` that lie in [0, size), and how many an average divides by on this axis. */
INLINE struct range window(int64_t start, int64_t size, int64_t taps, int64_t dilation, int64_t pad_end,
                           int include_pad, int64_t *counted)
{
    *counted = taps;
    if (start >= 0 && start + (taps - 1) * dilation < size) /* most windows: no division */
        return (struct range){0, taps};
    int64_t begin = start < 0 ? ceil_div(-start, dilation) : 0;
    int64_t end = start >= size ? 0 : min64(taps, (size - 1 - start) / dilation + 1);
    struct range r = {begin, max64(begin, end)};
    *counted = include_pad ? min64(taps, (size + pad_end - 1 - start) / dilation + 1) : r.end - r.begin;
    return r;
}

INLINE vf pool_taps(enum reduction reduction, const element *x, int64_t rows, int64_t columns, int64_t x_row,
                    int64_t x_column)
{
    vf acc = vset(reduction == MAXIMUM ? -INFINITY : 0.0f);
    _Pragma("GCC unroll 3") for (int64_t i = 0; i < rows; i++) {
        _Pragma("GCC unroll 3") for (int64_t j = 0; j < columns; j++) {
            vf v = eload(x + i * x_row + j * x_column);
            acc = reduction == MAXIMUM ? vmax(acc, v) : acc + v;
        }
    }
    return acc;
}

/* The common windows have constant sizes, which unrolls the loops. */
INLINE vf pool_vector(enum reduction reduction, const element *x, int64_t rows, int64_t columns, int64_t x_row,
                      int64_t x_column, float scale)
{
    vf acc = rows == 3 && columns == 3   ? pool_taps(reduction, x, 3, 3, x_row, x_column)
             : rows == 2 && columns == 2 ? pool_taps(reduction, x, 2, 2, x_row, x_column)
                                         : pool_taps(reduction, x, rows, columns, x_row, x_column);
    return reduction == MAXIMUM ? acc : acc * scale;
}

/* One output pixel of `lanes` channels side by side. */
INLINE void pool_pixel(enum reduction reduction, const element *x, int64_t lanes, int64_t rows, int64_t columns,
                       int64_t x_row, int64_t x_column, float scale, element *y)
{
    int64_t c = 0;
    for (; c + VF <= lanes; c += VF)
        estore(y + c, pool_vector(reduction, x + c, rows, columns, x_row, x_column, scale));
    for (; c < lanes && !NARROW; c++) { /* of 16 bits there are whole blocks */
        float acc = reduction == MAXIMUM ? -INFINITY : 0;
        for (int64_t i = 0; i < rows; i++) {
            for (int64_t j = 0; j < columns; j++) {
                float v = x[c + i * x_row + j * x_column];
                acc = reduction == AVERAGE ? acc + v : acc > v ? acc : v;
            }
        }
        y[c] = reduction == AVERAGE ? acc * scale : acc;
    }
}

/* Output rows of one image of [ih][iw][lanes]; x starts at input row x_first, y at output row rows.begin. */
INLINE void pool_rows(const struct pool *a, const element *x, int64_t x_first, element *y, struct range output,
                      int64_t lanes, enum reduction reduction)
{
    int64_t x_column = a->dil_w * lanes, x_row = a->dil_h * a->iw * lanes, high, wide;
    for (int64_t row = output.begin; row < output.end; row++) {
        int64_t top = row * a->stride_h - a->pad_t;
        struct range rows = window(top, a->ih, a->kh, a->dil_h, a->pad_b, a->count_include_pad, &high);
        for (int64_t o = 0; o < a->ow; o++, y += lanes) {
            int64_t left = o * a->stride_w - a->pad_l;
            struct range columns = window(left, a->iw, a->kw, a->dil_w, a->pad_r, a->count_include_pad, &wide);
            int64_t h = top + rows.begin * a->dil_h - x_first, w = left + columns.begin * a->dil_w;
            int64_t count_h = rows.end - rows.begin, count_w = columns.end - columns.begin;
            const element *from = count_h && count_w ? x + (h * a->iw + w) * lanes : x;
            pool_pixel(reduction, from, lanes, count_h, count_w, x_row, x_column, 1.0f / (float)max64(1, high * wide), y);
        }
    }
}

/* Images of [ih][iw][lanes]: all of NHWC, or one block. */
INLINE void pool_images(const struct pool *a, const element *x, element *y, int64_t images, int64_t lanes,
                        enum reduction reduction, int tid, int nthreads)
{
    struct block_range part = share_block(a->split, images, a->oh, 1, tid, nthreads);
    if (part.row.begin == part.row.end)
        return;
    for (int64_t image = part.outer.begin; image < part.outer.end; image++)
        pool_rows(a, x + image * a->ih * a->iw * lanes, 0, y + (image * a->oh + part.rows.begin) * a->ow * lanes,
                  part.rows, lanes, reduction);
}

#ifndef PLAIT_NARROW
static int64_t planes_workspace(const void *args, int nthreads)
{
    struct bands b = BANDS((const struct pool *)args);
    return (band_x_floats(&b) + band_y_floats(&b)) * (int64_t)sizeof(float) * nthreads;
}

INLINE void pool_planes(const struct pool *a, char *const *bases, enum reduction reduction, int tid, int nthreads)
{
    struct bands b = BANDS(a);
    const float *x = RESOLVE(const float, a->x);
    float *y = RESOLVE(float, a->y), *in = RESOLVE(float, a->work) + (band_x_floats(&b) + band_y_floats(&b)) * tid;
    float *out = in + band_x_floats(&b);
    zero_floats(in, band_x_floats(&b)); /* lanes without a plane */
    int64_t blocks = ceil_div(a->c, BLOCK);
    struct range work = band_work(&b, a->split, a->n * blocks, tid, nthreads);
    for (int64_t i = work.begin; i < work.end; i++) {
        int64_t channel = i / b.count % blocks * BLOCK, plane = i / b.count / blocks * a->c + channel;
        int64_t lanes = min64(BLOCK, a->c - channel);
        struct range rows = band_output(&b, i % b.count), inputs = band_inputs(&b, rows);
        planes_to_block(x + plane * a->ih * a->iw, a->ih, a->iw, inputs, lanes, in);
        pool_rows(a, in, inputs.begin, out, rows, BLOCK, reduction);
        block_to_planes(out, a->oh, a->ow, rows, lanes, y + plane * a->oh * a->ow);
    }
}

#define POOL_PLANES(name, reduction)                                              \
    static void name(const void *args, char *const *bases, int tid, int nthreads) \
    {                                                                             \
        pool_planes(args, bases, reduction, tid, nthreads);                       \
    }

POOL_PLANES(maxpool_nchw, MAXIMUM)
POOL_PLANES(avgpool_nchw, AVERAGE)
#endif

#define POOL(name, reduction, images, lanes)                                                                 \
    static void name(const void *args, char *const *bases, int tid, int nthreads)                            \
    {                                                                                                        \
        const struct pool *a = args;                                                                         \
        pool_images(a, RESOLVE(const element, a->x), RESOLVE(element, a->y), images, lanes, reduction, tid, nthreads); \
    }

POOL(maxpool_nhwc, MAXIMUM, a->n, a->c)
POOL(avgpool_nhwc, AVERAGE, a->n, a->c)
POOL(maxpool_blocked, MAXIMUM, a->n *ceil_div(a->c, BLOCK), BLOCK)
POOL(avgpool_blocked, AVERAGE, a->n *ceil_div(a->c, BLOCK), BLOCK)

#define GLOBAL_POOL_FIELDS(X, S) X(S, REF, x) X(S, REF, y) X(S, INT, n) X(S, INT, c) X(S, INT, h) X(S, INT, w)
KERNEL_ARGS(global_pool, GLOBAL_POOL_FIELDS)

/* The mean of `count` pixels, step apart; always in this order, so that it does not matter which lane a channel has:
 * equal channels have equal means. */
INLINE vf mean_vector(const element *x, int64_t count, int64_t step, int64_t lanes)
{
    vf s0 = vzero(), s1 = vzero(), s2 = vzero(), s3 = vzero();
    int64_t i = 0;
    for (; i + 4 <= count; i += 4) {
        s0 += eload_lanes(x + i * step, lanes);
        s1 += eload_lanes(x + (i + 1) * step, lanes);
        s2 += eload_lanes(x + (i + 2) * step, lanes);
        s3 += eload_lanes(x + (i + 3) * step, lanes);
    }
    for (; i < count; i++)
        s0 += eload_lanes(x + i * step, lanes);
    return ((s0 + s1) + (s2 + s3)) * (1.0f / (float)count);
}

/* The same of the channels [begin, end) side by side. */
static __attribute__((noinline, noclone)) void means_of_pixels(const element *x, int64_t count, int64_t step,
                                                               int64_t begin, int64_t end, element *y)
{
    int64_t c = begin;
    for (; c + VF <= end; c += VF)
        estore(y + c, mean_vector(x + c, count, step, VF));
    if (c < end)
        estore_part(y + c, mean_vector(x + c, count, step, end - c), end - c);
}

#ifndef PLAIT_NARROW
/* The mean of `count` contiguous floats. */
static float mean_of(const float *x, int64_t count)
{
    vf s0 = vzero(), s1 = vzero();
    int64_t i = 0;
    for (; i + 2 * VF <= count; i += 2 * VF) {
        s0 += vload(x + i);
        s1 += vload(x + i + VF);
    }
    float sum = vsum(s0 + s1);
    for (; i < count; i++)
        sum += x[i];
    return sum / (float)count;
}

static void global_avgpool_nchw(const void *args, char *const *bases, int tid, int nthreads)
{
    const struct global_pool *a = args;
    const float *x = RESOLVE(const float, a->x);
    float *y = RESOLVE(float, a->y);
    struct range planes = share(a->n * a->c, tid, nthreads);
    for (int64_t p = planes.begin; p < planes.end; p++)
        y[p] = mean_of(x + p * a->h * a->w, a->h * a->w);
}

#endif

static void global_avgpool_nhwc(const void *args, char *const *bases, int tid, int nthreads)
{
    const struct global_pool *a = args;
    const element *x = RESOLVE(const element, a->x);
    element *y = RESOLVE(element, a->y);
    /* Whole vectors, so that the sum of a channel does not depend on the cut. */
    struct range vectors = share(ceil_div(a->c, BLOCK), tid, nthreads);
    for (int64_t image = 0; image < a->n; image++)
        means_of_pixels(x + image * a->h * a->w * a->c, a->h * a->w, a->c, vectors.begin * BLOCK,
                        min64(vectors.end * BLOCK, a->c), y + image * a->c);
}

static void global_avgpool_blocked(const void *args, char *const *bases, int tid, int nthreads)
{
    const struct global_pool *a = args;
    const element *x = RESOLVE(const element, a->x);
    element *y = RESOLVE(element, a->y);
    struct range blocks = share(a->n * ceil_div(a->c, BLOCK), tid, nthreads);
    for (int64_t b = blocks.begin; b < blocks.end; b++)
        means_of_pixels(x + b * a->h * a->w * BLOCK, a->h * a->w, BLOCK, 0, BLOCK, y + b * BLOCK);
}

static const struct kernel kernels[] = {
    PLAIN(KERNEL("f32_maxpool_nchw", maxpool_nchw, planes_workspace, pool))
    PLAIN(KERNEL("f32_maxpool_nhwc", maxpool_nhwc, NULL, pool))
    KERNEL(ELEMENT "_maxpool_" BLOCKED, maxpool_blocked, NULL, pool),
    PLAIN(KERNEL("f32_avgpool_nchw", avgpool_nchw, planes_workspace, pool))
    PLAIN(KERNEL("f32_avgpool_nhwc", avgpool_nhwc, NULL, pool))
    KERNEL(ELEMENT "_avgpool_" BLOCKED, avgpool_blocked, NULL, pool),
    PLAIN(KERNEL("f32_global_avgpool_nchw", global_avgpool_nchw, NULL, global_pool))
    PLAIN(KERNEL("f32_global_avgpool_nhwc", global_avgpool_nhwc, NULL, global_pool))
    KERNEL(ELEMENT "_global_avgpool_" BLOCKED, global_avgpool_blocked, NULL, global_pool),
};
FAMILY(pooling, kernels)
