/* Mean, sum, maximum and minimum of bytes over the middle axis of [outer][n][inner].
 *
 * A mean is the sum of x - x_zero times `scale`, or with `fixed_point` times multiplier and shift, then divided.  A sum is
 * that of the numbers, x_scale * (x - x_zero) in float32: in float64 it is exact, whatever the order, of up to 2^20 of them;
 * it is rounded to float32 and quantized.  Maxima and minima are those of the bytes; `table` (256 bytes, or NULL) then changes
 * their parameters.  Threads cut outer, or 64 columns of inner at a time; the reduced axis is never cut. */
#include "adapt_q8.h"
#include "lookup.h"

#define REDUCE_Q8_FIELDS(X, S)                                                                         \
    X(S, REF, x) X(S, REF, y) X(S, REF, table) X(S, INT, outer) X(S, INT, n) X(S, INT, inner) X(S, INT, op) \
    X(S, INT, x_zero) X(S, OPTION, fixed_point) X(S, OPTION, multiplier) X(S, OPTION, shift)               \
    X(S, FLOAT, x_scale) QUANTIZE_FIELDS(X, S)
KERNEL_ARGS(reduce_q8, REDUCE_Q8_FIELDS)

/* The values of the field `op`; kernels_pyx/__init__.py has the same list. */
enum { REDUCE_SUM, REDUCE_MEAN, REDUCE_MAX, REDUCE_MIN };
enum { COLUMNS = 64 };

INLINE double number_of(const struct reduce_q8 *a, uint8_t x)
{
    return (float)(x - (int32_t)a->x_zero) * a->x_scale;
}

INLINE uint8_t extreme_of(uint8_t x, uint8_t y, int64_t op)
{
    return (op == REDUCE_MAX) == (x > y) ? x : y;
}

/* What is reduced, of up to COLUMNS columns side by side. */
union totals {
    int32_t sum[COLUMNS];
    double number[COLUMNS];
    uint8_t extreme[COLUMNS];
};

/* One element more of each column. */
INLINE void take(const struct reduce_q8 *a, union totals *t, const uint8_t *x, int64_t count, int64_t op)
{
    if (op == REDUCE_MEAN)
        for (int64_t i = 0; i < count; i++)
            t->sum[i] += x[i];
    else if (op == REDUCE_SUM)
        for (int64_t i = 0; i < count; i++)
            t->number[i] += number_of(a, x[i]);
    else
        for (int64_t i = 0; i < count; i++)
            t->extreme[i] = extreme_of(t->extreme[i], x[i], op);
}

static void begin(union totals *t, int64_t op)
{
    memset(t, op == REDUCE_MIN ? 0xff : 0, sizeof *t);
}

/* Columns of one number each, side by side, become one. */
static void fold(union totals *t, int64_t op)
{
    for (int i = 1; i < COLUMNS; i++) {
        if (op == REDUCE_MEAN)
            t->sum[0] += t->sum[i];
        else if (op == REDUCE_SUM)
            t->number[0] += t->number[i];
        else
            t->extreme[0] = extreme_of(t->extreme[0], t->extreme[i], op);
    }
}

INLINE void reduce_columns(const struct reduce_q8 *a, const uint8_t *x, int64_t count, union totals *t, int64_t op)
{
    begin(t, op);
    if (a->inner > 1) {
        for (int64_t i = 0; i < a->n; i++, x += a->inner) {
            if (count == COLUMNS)
                take(a, t, x, COLUMNS, op);
            else
                take(a, t, x, count, op);
        }
        return;
    }
    int64_t i = 0;
    for (; i + COLUMNS <= a->n; i += COLUMNS)
        take(a, t, x + i, COLUMNS, op);
    take(a, t, x + i, a->n - i, op);
    fold(t, op);
}

static void store_means(const struct reduce_q8 *a, const struct requant *to, const int32_t *sums, int64_t count, uint8_t *y)
{
    struct fixed_factor fixed = fixed_factor_of(a->multiplier, a->shift);
    int32_t zeros = (int32_t)(a->n * a->x_zero);
    for (int64_t i = 0; i < count; i += VF) {
        vi sum = viload(sums + i) - zeros;
        vi bytes = a->fixed_point ? requantize_steps(fixed_means(fixed_product(sum, fixed), a->n), to)
                                  : requantize(to_float(sum) * a->scale, to);
        q8_store_part(y + i, bytes, min64(VF, count - i));
    }
}

static void store_numbers(const struct quantize *to, const double *numbers, int64_t count, uint8_t *y)
{
    float rounded[COLUMNS];
    for (int64_t i = 0; i < count; i++)
        rounded[i] = (float)numbers[i];
    quantize(to, y, rounded, count);
}

static void store_extremes(const uint8_t *table, const uint8_t *bytes, int64_t count, uint8_t *y)
{
    for (int64_t i = 0; i < count; i++)
        y[i] = table ? table[bytes[i]] : bytes[i];
}

INLINE void reduce_with(const struct reduce_q8 *a, char *const *bases, int64_t op, int tid, int nthreads)
{
    const uint8_t *x = RESOLVE(const uint8_t, a->x), *table = RESOLVE(const uint8_t, a->table);
    uint8_t *y = RESOLVE(uint8_t, a->y);
    struct quantize to = QUANTIZE(a);
    int64_t chunks = ceil_div(a->inner, COLUMNS);
    struct range work = share(a->outer * chunks, tid, nthreads);
    union totals t;
    for (int64_t i = work.begin; i < work.end; i++) {
        int64_t outer = i / chunks, first = i % chunks * COLUMNS, count = min64(COLUMNS, a->inner - first);
        uint8_t *to_y = y + outer * a->inner + first;
        reduce_columns(a, x + outer * a->n * a->inner + first, count, &t, op);
        if (op == REDUCE_MEAN)
            store_means(a, &to.to, t.sum, count, to_y);
        else if (op == REDUCE_SUM)
            store_numbers(&to, t.number, count, to_y);
        else
            store_extremes(table, t.extreme, count, to_y);
    }
}

static void reduce_run(const void *args, char *const *bases, int tid, int nthreads)
{
    const struct reduce_q8 *a = args;
    switch (a->op) {
    case REDUCE_SUM: reduce_with(a, bases, REDUCE_SUM, tid, nthreads); break;
    case REDUCE_MEAN: reduce_with(a, bases, REDUCE_MEAN, tid, nthreads); break;
    case REDUCE_MAX: reduce_with(a, bases, REDUCE_MAX, tid, nthreads); break;
    default: reduce_with(a, bases, REDUCE_MIN, tid, nthreads);
    }
}

static const struct kernel kernels[] = {
    KERNEL("q8_reduce", reduce_run, NULL, reduce_q8),
};
FAMILY(reduce_q8, kernels)
