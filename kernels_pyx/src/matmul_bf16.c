/* Matrix products of bfloat16, by the tiles of the direct convolution: rows are its pixels, columns its output channels.
 *
 *   bf16_matmul     y = act(a b + bias), rows of a and b contiguous, two batch dimensions (steps of 0 repeat a matrix); y is
 *                   contiguous.  Panels of b are interleaved in pairs of rows into per-thread workspace
 *   bf16_fc_panels  y[m][n] = act(x[m][k] w^T + bias), weights packed [n / 64][k / 2][64][2], k / 2 up to whole eights
 *
 * bias: NULL, or float32 in whole panels.  Sums are float32, rounded once.  Rows of odd length are copied, with a zero behind
 * them, since what stands there may be NaN.  Threads cut batches, else panels of 64 columns, else rows. */
#include "conv_pairs.h"

#define MATMUL_FIELDS(X, S)                                                                                      \
    X(S, REF, a) X(S, REF, b) X(S, REF, bias) X(S, REF, y) X(S, REF, work) X(S, INT, batch0) X(S, INT, batch1)   \
    X(S, INT, m) X(S, INT, k) X(S, INT, n) X(S, INT, a_batch0) X(S, INT, a_batch1) X(S, INT, b_batch0)           \
    X(S, INT, b_batch1) ACT_FIELDS(X, S)
KERNEL_ARGS(matmul, MATMUL_FIELDS)

enum { PANEL_BLOCKS = 4, PANEL = PANEL_BLOCKS * BLOCK, ELEMENT = 2, ROW_BYTES = PANEL * 2 * ELEMENT };

static int64_t pairs_of(const struct matmul *a)
{
    return ceil_div(a->k, 2);
}

/* Of each thread: rows of a, if they are copied, then a panel of b, if it is interleaved. */
static int64_t rows_bytes(const struct matmul *a)
{
    return a->k % 2 ? round_up(a->m * 2 * pairs_of(a) * ELEMENT, 64) : 0;
}

static int64_t matmul_workspace(const void *args, int nthreads)
{
    return (rows_bytes(args) + pairs_of(args) * ROW_BYTES) * nthreads;
}

static int64_t fc_workspace(const void *args, int nthreads)
{
    return rows_bytes(args) * nthreads;
}

/* Two rows of b as pairs; there is no second one behind an odd last row. */
static void interleave(uint16_t *to, const uint16_t *upper, const uint16_t *lower, int64_t columns)
{
    for (int64_t c = 0; c < columns; c++) {
        to[2 * c] = upper[c];
        to[2 * c + 1] = lower ? lower[c] : 0;
    }
}

static void pack_panel(uint16_t *to, const uint16_t *b, const struct matmul *a, int64_t columns)
{
    for (int64_t k = 0; k < a->k; k += 2, b += 2 * a->n, to += 2 * PANEL) {
        if (columns == PANEL && k + 1 < a->k)
            interleave(to, b, b + a->n, PANEL);
        else
            interleave(to, b, k + 1 < a->k ? b + a->n : NULL, columns);
        memset(to + 2 * columns, 0, (size_t)(2 * (PANEL - columns)) * ELEMENT);
    }
}

static void copy_rows(uint16_t *to, const uint16_t *rows, const struct matmul *a, int64_t count)
{
    for (int64_t i = 0; i < count; i++, rows += a->k, to += a->k + 1) {
        memcpy(to, rows, (size_t)a->k * ELEMENT);
        to[a->k] = 0;
    }
}

/* `m` rows times the first `columns` columns of a panel. */
static void multiply(const struct matmul *a, struct conv_walk l, const uint16_t *rows, int64_t m, int64_t columns,
                     const char *panel, const float *bias, uint16_t *y)
{
    uint16_t aside[PANEL_BLOCKS * CONV_MOST_PIXELS * BLOCK] __attribute__((aligned(64)));
    int64_t blocks = ceil_div(columns, BLOCK);
    for (int64_t block = 0, here; block < blocks; block += here) {
        here = next_blocks(blocks - block);
        int64_t most = conv_most_pixels[here];
        const int8_t *w = (const int8_t *)panel + block * STEP_BYTES;
        for (int64_t row = 0, count; row < m; row += count) {
            count = ceil_div(m - row, ceil_div(m - row, most));
            conv_tiles_s0[here][count](&l, (const uint8_t *)rows + row * l.pixel_step, w,
                                       bias ? bias + block * BLOCK : no_bias, NULL, NULL, (uint8_t *)aside);
            for (int64_t b = 0; b < here; b++) {
                int64_t column = (block + b) * BLOCK, lanes = min64(BLOCK, columns - column);
                const uint16_t *from = aside + b * (l.y_block / ELEMENT);
                for (int64_t i = 0; i < count; i++)
                    if (lanes == BLOCK) /* a known size is a single move */
                        memcpy(y + (row + i) * a->n + column, from + i * BLOCK, BLOCK * ELEMENT);
                    else
                        memcpy(y + (row + i) * a->n + column, from + i * BLOCK, (size_t)lanes * ELEMENT);
            }
        }
    }
}

INLINE void matmul_by_panels(const struct matmul *a, char *const *bases, int tid, int nthreads, int packed)
{
    const uint16_t *a_base = RESOLVE(const uint16_t, a->a);
    const char *b_base = RESOLVE(const char, a->b);
    const float *bias = RESOLVE(const float, a->bias);
    uint16_t *y = RESOLVE(uint16_t, a->y);
    int64_t own = rows_bytes(a) + (packed ? 0 : pairs_of(a) * ROW_BYTES);
    char *work = own ? RESOLVE(char, a->work) + own * tid : NULL;
    int64_t panel_bytes = round_up(pairs_of(a), TAP_PAIRS) * ROW_BYTES;
    struct conv_walk l = {
        .blocks = 1, .kh = 1, .kw = 1, .last_steps = pairs_of(a), .pixel_step = 2 * pairs_of(a) * ELEMENT,
        .ldw = PANEL_BLOCKS * STEP_BYTES, .y_block = CONV_MOST_PIXELS * CONV_PIXEL_BYTES, .ahead = (const char *)bases, /* nothing is prefetched */
        .e = epilogue_make(a->act, a->act_a, a->act_b),
    };
    struct range batches = {0, a->batch0 * a->batch1}, rows = {0, a->m}, panels = {0, ceil_div(a->n, PANEL)};
    if (rows_suffice(batches.end, nthreads))
        batches = share(batches.end, tid, nthreads);
    else if (panels.end >= 2 * nthreads || a->m < nthreads)
        panels = share(panels.end, tid, nthreads);
    else
        rows = share(a->m, tid, nthreads);
    int64_t m = rows.end - rows.begin;
    for (int64_t batch = batches.begin; batch < batches.end && m; batch++) {
        int64_t i = batch / a->batch1, j = batch % a->batch1;
        const uint16_t *from = a_base + i * a->a_batch0 + j * a->a_batch1 + rows.begin * a->k;
        if (a->k % 2) {
            copy_rows((uint16_t *)work, from, a, m);
            from = (const uint16_t *)work;
        }
        for (int64_t panel = panels.begin; panel < panels.end; panel++) {
            int64_t first = panel * PANEL, columns = min64(PANEL, a->n - first);
            const char *w = b_base + panel * panel_bytes;
            if (!packed) {
                w = work + rows_bytes(a);
                pack_panel((uint16_t *)(work + rows_bytes(a)),
                           (const uint16_t *)b_base + i * a->b_batch0 + j * a->b_batch1 + first, a, columns);
            }
            multiply(a, l, from, m, columns, w, bias ? bias + first : NULL,
                     y + (batch * a->m + rows.begin) * a->n + first);
        }
    }
}

static void matmul_run(const void *args, char *const *bases, int tid, int nthreads)
{
    matmul_by_panels(args, bases, tid, nthreads, 0);
}

static void fc_run(const void *args, char *const *bases, int tid, int nthreads)
{
    matmul_by_panels(args, bases, tid, nthreads, 1);
}

static const struct kernel kernels[] = {
    KERNEL("bf16_matmul", matmul_run, matmul_workspace, matmul),
    KERNEL("bf16_fc_panels", fc_run, fc_workspace, matmul),
};
FAMILY(matmul_bf16, kernels)
