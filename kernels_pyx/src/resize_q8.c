/* Images of bytes in another height and width.
 *
 * q8_resize_nearest_*: rows[oh] and columns[ow] say where each pixel comes from; `table` (256 bytes, or NULL) then changes
 * its parameters.
 *
 * q8_resize_linear_*: numbers of bytes (float32), mixed in float64 with both neighbours on each axis, rounded to float32 and
 * quantized, as the layer is defined on numbers.  rows[2][oh] and columns[2][ow] are the neighbours, the weights (float64)
 * those of the second ones.  A row of the result mixes two rows first, then columns.
 *
 * Threads cut rows of the result, or images (planes, blocks). */
#include "adapt_q8.h"
#include "lookup.h"

#define RESIZE_FIELDS(X, S) \
    X(S, REF, x) X(S, REF, y) X(S, REF, rows) X(S, REF, columns) X(S, INT, n) X(S, INT, c) X(S, INT, ih) \
    X(S, INT, iw) X(S, INT, oh) X(S, INT, ow) SPLIT_FIELD(X, S)
#define NEAREST_FIELDS(X, S) RESIZE_FIELDS(X, S) X(S, REF, table)
#define LINEAR_FIELDS(X, S)                                                                        \
    RESIZE_FIELDS(X, S) X(S, REF, row_weights) X(S, REF, column_weights) X(S, REF, work)           \
    X(S, FLOAT, x_scale) X(S, INT, x_zero) QUANTIZE_FIELDS(X, S)
struct resize { /* where both begin */
    RESIZE_FIELDS(FIELD_MEMBER, resize)
};
KERNEL_ARGS(nearest, NEAREST_FIELDS)
KERNEL_ARGS(linear, LINEAR_FIELDS)

/* Images of [h][w][lanes] bytes: planes, all of NHWC, or blocks of channels. */
struct images {
    int64_t count, lanes;
};

static struct images planes(const struct resize *a)
{
    return (struct images){a->n * a->c, 1};
}

static struct images pixels(const struct resize *a)
{
    return (struct images){a->n, a->c};
}

static struct images blocks(const struct resize *a)
{
    return (struct images){a->n * ceil_div(a->c, BLOCK), BLOCK};
}

INLINE void nearest_row(const uint8_t *x, const int32_t *columns, int64_t count, int64_t lanes, uint8_t *y)
{
    for (int64_t w = 0; w < count; w++) {
        if (lanes == 1)
            y[w] = x[columns[w]];
        else
            memcpy(y + w * lanes, x + columns[w] * lanes, (size_t)lanes);
    }
}

INLINE void nearest_images(const void *args, char *const *bases, struct images images, int64_t lanes, int tid,
                           int nthreads)
{
    const struct nearest *a = args;
    const uint8_t *x = RESOLVE(const uint8_t, a->x), *table = RESOLVE(const uint8_t, a->table);
    uint8_t *y = RESOLVE(uint8_t, a->y);
    const int32_t *rows = RESOLVE(const int32_t, a->rows), *columns = RESOLVE(const int32_t, a->columns);
    struct block_range part = share_block(a->split, images.count, a->oh, 1, tid, nthreads);
    int64_t bytes = a->ow * lanes;
    if (part.row.begin == part.row.end)
        return;
    for (int64_t image = part.outer.begin; image < part.outer.end; image++) {
        for (int64_t h = part.rows.begin; h < part.rows.end; h++) {
            uint8_t *to = y + (image * a->oh + h) * bytes;
            if (h > part.rows.begin && rows[h] == rows[h - 1]) {
                memcpy(to, to - bytes, (size_t)bytes);
                continue;
            }
            nearest_row(x + (image * a->ih + rows[h]) * a->iw * lanes, columns, a->ow, lanes, to);
            if (table) {
                struct lookup_table t = lookup_make(table);
                lookup_bytes(&t, to, to, bytes);
            }
        }
    }
}

/* Bytes of the workspace of a thread: a row of two mixed, and one of results before they are quantized. */
static int64_t mixed_bytes(const struct linear *a, int64_t lanes)
{
    return round_up(a->iw * lanes * (int64_t)sizeof(double), 64);
}

static int64_t linear_bytes(const struct linear *a, int64_t lanes)
{
    return mixed_bytes(a, lanes) + round_up(a->ow * lanes * (int64_t)sizeof(float), 64);
}

static void mix_rows(const struct linear *a, const uint8_t *restrict x, const uint8_t *restrict next, double weight,
                     int64_t count, double *restrict mixed)
{
    int32_t zero = (int32_t)a->x_zero;
    float scale = a->x_scale;
    double other = 1 - weight;
    for (int64_t i = 0; i < count; i++) {
        double first = (float)(x[i] - zero) * scale, second = (float)(next[i] - zero) * scale;
        mixed[i] = first * other + second * weight;
    }
}

INLINE void mix_columns(const double *restrict mixed, const int32_t *columns, const double *weights, int64_t ow,
                        int64_t lanes, float *restrict y)
{
    for (int64_t w = 0; w < ow; w++) {
        const double *first = mixed + columns[w] * lanes, *second = mixed + columns[ow + w] * lanes;
        double weight = weights[w], other = 1 - weight;
        for (int64_t c = 0; c < lanes; c++)
            y[w * lanes + c] = (float)(first[c] * other + second[c] * weight);
    }
}

INLINE void linear_images(const void *args, char *const *bases, struct images images, int64_t lanes, int tid, int nthreads)
{
    const struct linear *a = args;
    const uint8_t *x = RESOLVE(const uint8_t, a->x);
    uint8_t *y = RESOLVE(uint8_t, a->y);
    const int32_t *rows = RESOLVE(const int32_t, a->rows), *columns = RESOLVE(const int32_t, a->columns);
    const double *row_weights = RESOLVE(const double, a->row_weights);
    const double *column_weights = RESOLVE(const double, a->column_weights);
    char *work = RESOLVE(char, a->work) + linear_bytes(a, lanes) * tid;
    double *mixed = (double *)work;
    float *numbers = (float *)(work + mixed_bytes(a, lanes));
    struct quantize to = QUANTIZE(a);
    struct block_range part = share_block(a->split, images.count, a->oh, 1, tid, nthreads);
    int64_t step = a->iw * lanes;
    if (part.row.begin == part.row.end)
        return;
    for (int64_t image = part.outer.begin; image < part.outer.end; image++) {
        const uint8_t *from = x + image * a->ih * step;
        for (int64_t h = part.rows.begin; h < part.rows.end; h++) {
            mix_rows(a, from + rows[h] * step, from + rows[a->oh + h] * step, row_weights[h], step, mixed);
            mix_columns(mixed, columns, column_weights, a->ow, lanes, numbers);
            quantize(&to, y + (image * a->oh + h) * a->ow * lanes, numbers, a->ow * lanes);
        }
    }
}

#define RESIZE(layout, of, side)                                                                      \
    static void nearest_##layout(const void *args, char *const *bases, int tid, int nthreads)         \
    {                                                                                                 \
        struct images images = of(args);                                                              \
        nearest_images(args, bases, images, side, tid, nthreads);                                     \
    }                                                                                                 \
    static void linear_##layout(const void *args, char *const *bases, int tid, int nthreads)          \
    {                                                                                                 \
        struct images images = of(args);                                                              \
        linear_images(args, bases, images, side, tid, nthreads);                                      \
    }                                                                                                 \
    static int64_t linear_##layout##_workspace(const void *args, int nthreads)                        \
    {                                                                                                 \
        return linear_bytes(args, of(args).lanes) * nthreads;                                         \
    }

RESIZE(nchw, planes, 1)
RESIZE(nhwc, pixels, images.lanes)
RESIZE(nchw16c, blocks, images.lanes)

static const struct kernel kernels[] = {
    KERNEL("q8_resize_nearest_nchw", nearest_nchw, NULL, nearest),
    KERNEL("q8_resize_nearest_nhwc", nearest_nhwc, NULL, nearest),
    KERNEL("q8_resize_nearest_nchw16c", nearest_nchw16c, NULL, nearest),
    KERNEL("q8_resize_linear_nchw", linear_nchw, linear_nchw_workspace, linear),
    KERNEL("q8_resize_linear_nhwc", linear_nhwc, linear_nhwc_workspace, linear),
    KERNEL("q8_resize_linear_nchw16c", linear_nchw16c, linear_nchw16c_workspace, linear),
};
FAMILY(resize_q8, kernels)
