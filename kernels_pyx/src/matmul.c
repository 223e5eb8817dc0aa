/* Fully connected layers and matrix products of activations.
 *
 * f32_fc: y[m][n] = act(x[m][k] w^T + bias + res), weights packed [n / 64][k][64], zero beyond n: at m = 1 the weights
 * stream from memory once, in order.  Threads cut the panels of 64 outputs.
 *
 * f32_matmul: y = act(a b + bias), row-major results in two batch dimensions; a and b have free strides (transposes,
 * broadcast batches).  Panels of b are packed into per-thread workspace, except that a few rows read b where it lies.
 * Threads cut batches, else rows, else columns. */
#define GEMM_ROWS
#include "gemm.h"

#define FC_FIELDS(X, S)                                                                                   \
    X(S, REF, x) X(S, REF, w) X(S, REF, bias) X(S, REF, res) X(S, REF, y) X(S, INT, m) X(S, INT, k) X(S, INT, n) \
    ACT_FIELDS(X, S)
KERNEL_ARGS(fc, FC_FIELDS)

enum { FC_PANEL = 64 };

static void fc_run(const void *args, char *const *bases, int tid, int nthreads)
{
    const struct fc *a = args;
    const float *x = RESOLVE(const float, a->x), *w = RESOLVE(const float, a->w);
    const float *bias = RESOLVE(const float, a->bias), *res = RESOLVE(const float, a->res);
    float *y = RESOLVE(float, a->y);
    struct epilogue e = epilogue_make(a->act, a->act_a, a->act_b);
    struct range rows = {0, a->m}, panels = {0, ceil_div(a->n, FC_PANEL)};
    if (panels.end >= 4 * nthreads || a->m < nthreads)
        panels = share(panels.end, tid, nthreads);
    else
        rows = share(a->m, tid, nthreads);
    for (int64_t panel = panels.begin; panel < panels.end; panel++) {
        int64_t first = panel * FC_PANEL, at = rows.begin * a->n + first;
        struct gemm_operands o = {
            .k = a->k, .a = x + rows.begin * a->k, .row_step = a->k, .k_step = 1, .b = w + first * a->k,
            .ldb = FC_PANEL, .bias = bias ? bias + first : NULL, .res = res ? res + at : NULL, .y = y + at,
            .ldy = a->n, .e = &e,
        };
        gemm_rows_by_panel(o, rows.end - rows.begin, min64(FC_PANEL, a->n - first));
    }
}

/* Steps are in floats: *_batch0, *_batch1 between batches, *_row, *_col inside a matrix. y is contiguous. */
#define MATMUL_FIELDS(X, S)                                                                                      \
    X(S, REF, a) X(S, REF, b) X(S, REF, bias) X(S, REF, y) X(S, REF, work)                                       \
    X(S, INT, batch0) X(S, INT, batch1) X(S, INT, m) X(S, INT, k) X(S, INT, n)                                   \
    X(S, INT, a_batch0) X(S, INT, a_batch1) X(S, INT, a_row) X(S, INT, a_col)                                    \
    X(S, INT, b_batch0) X(S, INT, b_batch1) X(S, INT, b_row) X(S, INT, b_col) ACT_FIELDS(X, S)
KERNEL_ARGS(matmul, MATMUL_FIELDS)

enum { MATMUL_PANEL = GEMM_MOST_COLUMNS, FEW_ROWS = 6 };

static int64_t matmul_workspace(const void *args, int nthreads)
{
    const struct matmul *a = args;
    return a->k * MATMUL_PANEL * (int64_t)sizeof(float) * nthreads;
}

static void pack_b(float *to, const float *b, const struct matmul *a, int64_t columns)
{
    for (int64_t k = 0; k < a->k; k++, b += a->b_row, to += MATMUL_PANEL) {
        if (a->b_col == 1)
            copy_floats(to, b, columns);
        else
            for (int64_t c = 0; c < columns; c++)
                to[c] = b[c * a->b_col];
        zero_floats(to + columns, MATMUL_PANEL - columns);
    }
}

static void matmul_run(const void *args, char *const *bases, int tid, int nthreads)
{
    const struct matmul *a = args;
    const float *a_base = RESOLVE(const float, a->a), *b_base = RESOLVE(const float, a->b);
    const float *bias = RESOLVE(const float, a->bias);
    float *y = RESOLVE(float, a->y), *work = RESOLVE(float, a->work) + a->k * MATMUL_PANEL * tid;
    struct epilogue e = epilogue_make(a->act, a->act_a, a->act_b);
    struct range batches = {0, a->batch0 * a->batch1}, rows = {0, a->m}, panels = {0, ceil_div(a->n, MATMUL_PANEL)};
    if (rows_suffice(batches.end, nthreads))
        batches = share(batches.end, tid, nthreads);
    else if (a->m >= 8 * nthreads)
        rows = share(a->m, tid, nthreads);
    else
        panels = share(panels.end, tid, nthreads);
    int64_t m = rows.end - rows.begin;
    for (int64_t batch = batches.begin; batch < batches.end; batch++) {
        int64_t i = batch / a->batch1, j = batch % a->batch1;
        const float *a_rows = a_base + i * a->a_batch0 + j * a->a_batch1 + rows.begin * a->a_row;
        const float *b_batch = b_base + i * a->b_batch0 + j * a->b_batch1;
        for (int64_t panel = panels.begin; panel < panels.end; panel++) {
            int64_t first = panel * MATMUL_PANEL, columns = min64(MATMUL_PANEL, a->n - first);
            const float *b = b_batch + first * a->b_col;
            int in_place = m <= FEW_ROWS && a->b_col == 1 && columns == MATMUL_PANEL;
            if (!in_place)
                pack_b(work, b, a, columns);
            struct gemm_operands o = {
                .k = a->k, .a = a_rows, .row_step = a->a_row, .k_step = a->a_col, .b = in_place ? b : work,
                .ldb = in_place ? a->b_row : MATMUL_PANEL, .bias = bias ? bias + first : NULL,
                .y = y + (batch * a->m + rows.begin) * a->n + first, .ldy = a->n, .e = &e,
            };
            gemm_rows_by_panel(o, m, columns);
        }
    }
}

static const struct kernel kernels[] = {
    KERNEL("f32_fc", fc_run, NULL, fc),
    KERNEL("f32_matmul", matmul_run, matmul_workspace, matmul),
};
FAMILY(matmul, kernels)
