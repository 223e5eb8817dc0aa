/* Maximum and average pooling of bytes in nchw16c and nhwc, and global average pooling in nchw16c (reduce_q8.c has others).
 *
 * Windows are reduced down the columns of the rows they span first, which goes over whole rows, then across.  The maximum
 * is that of the bytes; `table` (256 bytes, or NULL) then changes their parameters.  An average is the sum of x - x_zero
 * times scale[n], where n elements count: those inside the image, or with count_include_pad inside the padded image; of
 * the global one times `scale`; with `fixed_point` the sum times multiplier and shift (fixed_point.h), then divided, or only
 * divided where parameters stay.  Threads cut rows of the result, or blocks of channels (images in nhwc). */
#include "lookup.h"
#include "taps.h"

#define POOL_FIELDS(X, S)                                                                                     \
    X(S, REF, x) X(S, REF, y) X(S, REF, work)                                                                  \
    X(S, INT, n) X(S, INT, c) X(S, INT, ih) X(S, INT, iw) X(S, INT, oh) X(S, INT, ow)                          \
    X(S, INT, kh) X(S, INT, kw) X(S, INT, stride_h) X(S, INT, stride_w) X(S, INT, pad_t) X(S, INT, pad_l)     \
    X(S, INT, pad_b) X(S, INT, pad_r) X(S, INT, dil_h) X(S, INT, dil_w) SPLIT_FIELD(X, S)
#define FIXED_MEAN_FIELDS(X, S) X(S, OPTION, fixed_point) X(S, OPTION, multiplier) X(S, OPTION, shift)
#define MAX_FIELDS(X, S) POOL_FIELDS(X, S) X(S, REF, table)
#define AVERAGE_FIELDS(X, S) \
    POOL_FIELDS(X, S) X(S, REF, scale) X(S, INT, count_include_pad) X(S, INT, x_zero) REQUANT_FIELDS(X, S) \
    FIXED_MEAN_FIELDS(X, S)
#define GLOBAL_FIELDS(X, S)                                                                                  \
    X(S, REF, x) X(S, REF, y) X(S, INT, n) X(S, INT, c) X(S, INT, h) X(S, INT, w) X(S, FLOAT, scale)         \
    X(S, INT, x_zero) REQUANT_FIELDS(X, S) FIXED_MEAN_FIELDS(X, S)
struct pool { /* where both others begin */
    POOL_FIELDS(FIELD_MEMBER, pool)
};
KERNEL_ARGS(max_pool, MAX_FIELDS)
KERNEL_ARGS(average_pool, AVERAGE_FIELDS)
KERNEL_ARGS(global_pool, GLOBAL_FIELDS)

/* The taps of the window at `start` that lie in [0, size). */
INLINE struct range taps_inside(int64_t start, int64_t size, int64_t taps, int64_t dilation)
{
    if (start >= 0 && start + (taps - 1) * dilation < size) /* most windows: no division */
        return (struct range){0, taps};
    int64_t begin = start < 0 ? ceil_div(-start, dilation) : 0;
    int64_t end = start >= size ? 0 : min64(taps, (size - 1 - start) / dilation + 1);
    return (struct range){min64(begin, end), max64(0, end)};
}

/* How many taps an average divides by on one axis. */
INLINE int64_t counted(struct range inside, int64_t start, int64_t size, int64_t taps, int64_t dilation, int64_t pad_end,
                       int64_t include_pad)
{
    return include_pad ? min64(taps, (size + pad_end - 1 - start) / dilation + 1) : inside.end - inside.begin;
}

/* Images of [h][w][lanes]: blocks of channels, or all of NHWC. */
struct images {
    int64_t count, lanes;
};

static struct images blocks(const struct pool *a)
{
    return (struct images){a->n * ceil_div(a->c, BLOCK), BLOCK};
}

static struct images pixels(const struct pool *a)
{
    return (struct images){a->n, a->c};
}

/* One image and a row of results. */
struct row {
    const struct pool *a;
    const uint8_t *x; /* first row of the window inside the image */
    int64_t rows;     /* of the window that are */
    int64_t top;
    uint8_t *y;
};

typedef void row_function(const void *args, char *const *bases, const struct row *row, void *columns);

/* Bytes of a row of an image, reduced down its columns to numbers of `size` bytes: whole vectors may be read at its end. */
static int64_t column_bytes(const struct pool *a, struct images images, int64_t size)
{
    return round_up((a->iw * images.lanes + VF) * size, 64);
}

INLINE void pool_rows(const void *args, char *const *bases, int tid, int nthreads, struct images images, int64_t size,
                      row_function *one)
{
    const struct pool *a = args;
    const uint8_t *x = RESOLVE(const uint8_t, a->x);
    uint8_t *y = RESOLVE(uint8_t, a->y);
    void *columns = RESOLVE(uint8_t, a->work) + tid * column_bytes(a, images, size);
    struct block_range part = share_block(a->split, images.count, a->oh, 1, tid, nthreads);
    if (part.row.begin == part.row.end)
        return;
    for (int64_t image = part.outer.begin; image < part.outer.end; image++) {
        for (int64_t o = part.rows.begin; o < part.rows.end; o++) {
            int64_t top = o * a->stride_h - a->pad_t;
            struct range inside = taps_inside(top, a->ih, a->kh, a->dil_h);
            int64_t first = inside.begin < inside.end ? top + inside.begin * a->dil_h : 0;
            struct row row = {a, x + (image * a->ih + first) * a->iw * images.lanes, inside.end - inside.begin, top,
                              y + (image * a->oh + o) * a->ow * images.lanes};
            one(args, bases, &row, columns);
        }
    }
}

INLINE void keep_largest(uint8_t *restrict y, const uint8_t *restrict x, int64_t count)
{
    for (int64_t i = 0; i < count; i++)
        y[i] = x[i] > y[i] ? x[i] : y[i];
}

INLINE void max_row(const void *args, char *const *bases, const struct row *row, void *columns, int64_t lanes)
{
    const struct pool *a = row->a;
    const uint8_t *table = RESOLVE(const uint8_t, ((const struct max_pool *)args)->table);
    uint8_t *down = columns;
    int64_t bytes = a->iw * lanes;
    memset(down, 0, (size_t)(row->rows ? 0 : bytes));
    if (row->rows)
        memcpy(down, row->x, (size_t)bytes);
    for (int64_t i = 1; i < row->rows; i++)
        keep_largest(down, row->x + i * a->dil_h * bytes, bytes);
    for (int64_t o = 0; o < a->ow; o++) {
        int64_t left = o * a->stride_w - a->pad_l;
        struct range inside = taps_inside(left, a->iw, a->kw, a->dil_w);
        uint8_t block[BLOCK], *to = row->y + o * lanes, *largest = lanes == BLOCK ? block : to;
        memset(largest, 0, (size_t)lanes);
        for (int64_t j = inside.begin; j < inside.end; j++)
            keep_largest(largest, down + (left + j * a->dil_w) * lanes, lanes);
        if (largest != to)
            memcpy(to, largest, (size_t)lanes);
    }
    if (table) {
        struct lookup_table t = lookup_make(table);
        lookup_bytes(&t, row->y, row->y, a->ow * lanes);
    }
}

/* Sums down the columns; three rows at once, which most windows have. */
static void add_rows(int32_t *restrict y, const uint8_t *restrict x, int64_t rows, int64_t step, int64_t count)
{
    if (rows == 3)
        for (int64_t i = 0; i < count; i++)
            y[i] = x[i] + x[step + i] + x[2 * step + i];
    else
        for (int64_t i = 0; i < count; i++)
            y[i] = rows ? x[i] : 0;
    for (int64_t r = 1; r < rows && rows != 3; r++)
        for (int64_t i = 0; i < count; i++)
            y[i] += x[r * step + i];
}

/* The field `fixed_point`: 0, or how. */
enum { MEAN_CHANGES = 1, MEAN_KEEPS = 2 };

/* Means of sums of x - x_zero, `inside` of them, over `count`, in fixed point. */
INLINE vi mean_steps(int64_t how, vi sums, struct fixed_factor f, int64_t inside, int64_t count, int64_t x_zero)
{
    if (how == MEAN_KEEPS)
        return fixed_means(sums + (int32_t)(inside * x_zero), count) - (int32_t)x_zero;
    return fixed_means(fixed_product(sums, f), count);
}

INLINE void average_row(const void *args, char *const *bases, const struct row *row, void *columns, int64_t lanes)
{
    const struct pool *a = row->a;
    const struct average_pool *average = args;
    const float *scale = RESOLVE(const float, average->scale);
    struct requant to = requant_make(average->zero, average->low, average->high);
    struct fixed_factor fixed = fixed_factor_of(average->multiplier, average->shift);
    int32_t *down = columns;
    int64_t bytes = a->iw * lanes;
    add_rows(down, row->x, row->rows, a->dil_h * bytes, bytes);
    memset(down + bytes, 0, VF * sizeof *down); /* what the last vector has beside its channels */
    struct range rows = {0, row->rows};
    int64_t high = counted(rows, row->top, a->ih, a->kh, a->dil_h, a->pad_b, average->count_include_pad);
    for (int64_t o = 0; o < a->ow; o++) {
        int64_t left = o * a->stride_w - a->pad_l;
        struct range inside = taps_inside(left, a->iw, a->kw, a->dil_w);
        int64_t wide = counted(inside, left, a->iw, a->kw, a->dil_w, a->pad_r, average->count_include_pad);
        int64_t count = max64(1, high * wide), present = row->rows * (inside.end - inside.begin);
        vf factor = average->fixed_point ? vset(0) : vset(scale[count]);
        int32_t zeros = (int32_t)(present * average->x_zero);
        for (int64_t i = 0; i < lanes; i += VF) {
            vi sum = viset(-zeros);
            for (int64_t j = inside.begin; j < inside.end; j++)
                sum += viload(down + (left + j * a->dil_w) * lanes + i);
            vi bytes;
            if (average->fixed_point)
                bytes = requantize_steps(mean_steps(average->fixed_point, sum, fixed, present, count, average->x_zero), &to);
            else
                bytes = requantize(to_float(sum) * factor, &to);
            q8_store_part(row->y + o * lanes + i, bytes, lanes == BLOCK ? VF : min64(VF, lanes - i));
        }
    }
}

#define POOL(reduction, layout, of, side, size)                                                            \
    static void reduction##_row_##layout(const void *args, char *const *bases, const struct row *row,      \
                                         void *columns)                                                    \
    {                                                                                                      \
        reduction##_row(args, bases, row, columns, side);                                                  \
    }                                                                                                      \
    static int64_t reduction##_##layout##_workspace(const void *args, int nthreads)                        \
    {                                                                                                      \
        return column_bytes(args, of(args), size) * nthreads;                                              \
    }                                                                                                      \
    static void reduction##_##layout(const void *args, char *const *bases, int tid, int nthreads)          \
    {                                                                                                      \
        pool_rows(args, bases, tid, nthreads, of(args), size, reduction##_row_##layout);                   \
    }

POOL(max, nchw16c, blocks, BLOCK, 1)
POOL(max, nhwc, pixels, row->a->c, 1)
POOL(average, nchw16c, blocks, BLOCK, (int64_t)sizeof(int32_t))
POOL(average, nhwc, pixels, row->a->c, (int64_t)sizeof(int32_t))

/* Sums of four pixels at a time are products with ones. */
static void global_run(const void *args, char *const *bases, int tid, int nthreads)
{
    const struct global_pool *a = args;
    const uint8_t *x = RESOLVE(const uint8_t, a->x);
    uint8_t *y = RESOLVE(uint8_t, a->y);
    static const uint8_t zeros[TAPS_BYTES];
    int8_t one[TAPS_BYTES];
    memset(one, 1, sizeof one);
    struct filter_taps ones = load_filter_taps(one);
    struct requant to = requant_make(a->zero, a->low, a->high);
    struct fixed_factor fixed = fixed_factor_of(a->multiplier, a->shift);
    int64_t plane = a->h * a->w;
    struct range blocks = share(a->n * ceil_div(a->c, BLOCK), tid, nthreads);
    for (int64_t b = blocks.begin; b < blocks.end; b++) {
        const uint8_t *from = x + b * plane * BLOCK;
        struct sums s[2];
        for (int i = 0; i < PARTS; i++)
            s[0].part[i] = s[1].part[i] = viset(0);
        int64_t p = 0;
        for (; p + 2 * TAPS <= plane; p += 2 * TAPS) {
            s[0] = dot_taps(s[0], load_pixel_taps(from + p * BLOCK), ones);
            s[1] = dot_taps(s[1], load_pixel_taps(from + (p + TAPS) * BLOCK), ones);
        }
        for (; p < plane; p += TAPS) {
            struct presence there = presence_of(0, plane - p);
            s[0] = dot_taps(s[0], load_present_taps(from + p * BLOCK, &there, 1, zeros), ones);
        }
        for (int i = 0; i < PARTS; i++) {
            vi sum = s[0].part[i] + s[1].part[i] - (int32_t)(plane * a->x_zero);
            vi bytes = a->fixed_point ? requantize_steps(mean_steps(MEAN_CHANGES, sum, fixed, 0, plane, 0), &to)
                                      : requantize(to_float(sum) * a->scale, &to);
            q8_store(y + b * BLOCK + i * VF, bytes);
        }
    }
}

static const struct kernel kernels[] = {
    KERNEL("q8_maxpool_nchw16c", max_nchw16c, max_nchw16c_workspace, max_pool),
    KERNEL("q8_maxpool_nhwc", max_nhwc, max_nhwc_workspace, max_pool),
    KERNEL("q8_avgpool_nchw16c", average_nchw16c, average_nchw16c_workspace, average_pool),
    KERNEL("q8_avgpool_nhwc", average_nhwc, average_nhwc_workspace, average_pool),
    KERNEL("q8_global_avgpool_nchw16c", global_run, NULL, global_pool),
};
FAMILY(pooling_q8, kernels)
