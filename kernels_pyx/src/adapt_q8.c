/* Changes of element type in place: floats to bytes and back, signed bytes to unsigned ones, and functions of one byte.
 *
 *   q8_quantize    y = clip(rint(x / scale) + zero), ties to even; NaN becomes the byte `nan`
 *   q8_dequantize  y = (x - zero) * scale
 *   q8_turn        y = x with its top bit turned: s8 <-> u8, whose zero points differ by 128
 *   q8_table       y = table[x]: any function of one 8-bit operand, changes of parameters among them
 *
 * Any layout, [outer][rows][row] as in unary.c.  Bytes are unsigned; `turn` says that those of quantize's result or
 * dequantize's operand are signed ones (zero and bounds are still those of the unsigned ones). */
#include "adapt_q8.h"
#include "lookup.h"

#define ROWS_FIELDS(X, S) X(S, REF, x) X(S, REF, y) X(S, INT, outer) X(S, INT, rows) X(S, INT, row) \
    SPLIT_FIELD(X, S)
#define QUANTIZE_KERNEL_FIELDS(X, S) ROWS_FIELDS(X, S) QUANTIZE_FIELDS(X, S)
#define DEQUANTIZE_KERNEL_FIELDS(X, S) ROWS_FIELDS(X, S) DEQUANTIZE_FIELDS(X, S)
#define TABLE_FIELDS(X, S) ROWS_FIELDS(X, S) X(S, REF, table)
KERNEL_ARGS(quantize_args, QUANTIZE_KERNEL_FIELDS)
KERNEL_ARGS(dequantize_args, DEQUANTIZE_KERNEL_FIELDS)
KERNEL_ARGS(turn_args, ROWS_FIELDS)
KERNEL_ARGS(table_args, TABLE_FIELDS)

static void quantize_run(const void *args, char *const *bases, int tid, int nthreads)
{
    const struct quantize_args *a = args;
    const float *x = RESOLVE(const float, a->x);
    uint8_t *y = RESOLVE(uint8_t, a->y);
    struct quantize q = QUANTIZE(a);
    struct spans s = share_spans(a->split, a->outer, a->rows, a->row, tid, nthreads);
    for (int64_t i = 0, at = s.first; i < s.count; i++, at += s.step)
        quantize(&q, y + at, x + at, s.length);
}

static void dequantize_run(const void *args, char *const *bases, int tid, int nthreads)
{
    const struct dequantize_args *a = args;
    const uint8_t *x = RESOLVE(const uint8_t, a->x);
    float *y = RESOLVE(float, a->y);
    struct dequantize d = DEQUANTIZE(a);
    struct spans s = share_spans(a->split, a->outer, a->rows, a->row, tid, nthreads);
    for (int64_t i = 0, at = s.first; i < s.count; i++, at += s.step)
        dequantize(&d, y + at, x + at, s.length);
}

static void turn_run(const void *args, char *const *bases, int tid, int nthreads)
{
    const struct turn_args *a = args;
    const uint8_t *x = RESOLVE(const uint8_t, a->x);
    uint8_t *y = RESOLVE(uint8_t, a->y);
    struct spans s = share_spans(a->split, a->outer, a->rows, a->row, tid, nthreads);
    for (int64_t i = 0, at = s.first; i < s.count; i++, at += s.step)
        for (int64_t j = at; j < at + s.length; j++)
            y[j] = x[j] ^ TOP_BIT;
}

static void table_run(const void *args, char *const *bases, int tid, int nthreads)
{
    const struct table_args *a = args;
    const uint8_t *x = RESOLVE(const uint8_t, a->x);
    uint8_t *y = RESOLVE(uint8_t, a->y);
    struct lookup_table table = lookup_make(RESOLVE(const uint8_t, a->table));
    struct spans s = share_spans(a->split, a->outer, a->rows, a->row, tid, nthreads);
    for (int64_t i = 0, at = s.first; i < s.count; i++, at += s.step)
        lookup_bytes(&table, y + at, x + at, s.length);
}

static const struct kernel kernels[] = {
    KERNEL("q8_quantize", quantize_run, NULL, quantize_args),
    KERNEL("q8_dequantize", dequantize_run, NULL, dequantize_args),
    KERNEL("q8_turn", turn_run, NULL, turn_args),
    KERNEL("q8_table", table_run, NULL, table_args),
};
FAMILY(adapt_q8, kernels)
