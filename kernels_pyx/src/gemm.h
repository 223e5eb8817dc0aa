/* Matrix products from generated register tiles: y[m][n] = act(sum_k a[m][k] b[k][n] + bias + res).
 *
 * Kinds of tiles.  GEMM_ROWS: rows of `a` lie anywhere (row_step, k_step), one bias per column.  GEMM_INDIRECT: the same,
 * but each row is `taps` runs of k numbers, `a` + offsets[tap][row], or zeros where the offset is negative.
 * GEMM_PANEL: `a` is a packed weight panel [k][PANEL_ROWS], one bias per row.  `b` is always [k] rows of ldb floats. */
#ifndef PLAIT_GEMM_H
#define PLAIT_GEMM_H

#include "act.h"

struct gemm_operands {
    int64_t k;
    const float *a;
    int64_t row_step, k_step;
    const int32_t *offsets; /* of the tile's first row; NULL unless GEMM_INDIRECT */
    int64_t offsets_step, taps;
    const float *zeros;
    const float *b;
    int64_t ldb;
    const float *bias; /* of the tile's first column or row; never NULL */
    const float *res;  /* NULL, or laid out as y */
    float *y;
    int64_t ldy;
    const struct epilogue *e;
};
typedef void gemm_tile(const struct gemm_operands *o);

#ifdef GEMM_INDIRECT
INLINE const float *gemm_row_at(const float *a, int32_t offset, const float *zeros)
{
    const float *row = a + offset;
    return offset < 0 ? zeros : row; /* a move, not a branch */
}
#endif

#if VF == 16
#include "gemm_tiles_avx512.h"
#elif VF == 8
#include "gemm_tiles_avx2.h"
#else
#include "gemm_tiles_baseline.h"
#endif

enum { GEMM_MOST_COLUMNS = 4 * VF };
static const struct epilogue raw_epilogue __attribute__((unused));

/* Vectors a tile should have for `columns` columns: four if enough rows fit beside them to keep the FMA units busy, or
 * if there are no more rows anyway. */
INLINE int tile_vectors(int64_t columns, int64_t rows)
{
    if (columns > 2 * VF && (gemm_most_rows[4] >= 4 || rows <= gemm_most_rows[4]))
        return 4;
    return columns > VF ? 2 : 1;
}

/* Rows of the next tile, so that tiles are of like size: 15 rows in tiles of at most 14 make 8 and 7. */
INLINE int64_t next_rows(int64_t left, int64_t most)
{
    return ceil_div(left, ceil_div(left, most));
}

/* A tile of which only `columns` columns exist: computed aside, then finished row by row.  bias may be NULL. */
static __attribute__((noinline, unused)) void gemm_partial(gemm_tile *tile, struct gemm_operands o, int64_t rows,
                                                           int64_t columns, int64_t width, const float *bias,
                                                           int bias_rows)
{
    float aside[(GEMM_MOST_ROWS + 1) * GEMM_MOST_COLUMNS] __attribute__((aligned(64)));
    struct gemm_operands raw = o;
    raw.bias = no_bias;
    raw.res = NULL;
    raw.y = aside;
    raw.ldy = width;
    raw.e = &raw_epilogue;
    tile(&raw);
    for (int64_t p = 0; p < rows; p++)
        epilogue_row(o.e, aside + p * width, columns, bias_rows && bias ? bias + p : bias, !bias_rows,
                     o.res ? o.res + p * o.ldy : NULL, o.y + p * o.ldy);
}

INLINE void gemm_finish(const struct gemm_operands *o, int64_t rows, int64_t width)
{
    if (o->e->kind == EPILOGUE_LATE)
        for (int64_t p = 0; p < rows; p++)
            epilogue_late(o->e, o->y + p * o->ldy, width);
}

#if defined GEMM_ROWS || defined GEMM_INDIRECT
/* m rows times the `n` first columns of a panel whose rows are stored in whole vectors; o.bias may be NULL. */
static void gemm_rows_by_panel(struct gemm_operands o, int64_t m, int64_t n)
{
    const float *a = o.a, *b = o.b, *bias = o.bias, *res = o.res;
    const int32_t *offsets = o.offsets;
    float *y = o.y;
    for (int64_t column = 0; column < n;) {
        int v = tile_vectors(n - column, m);
        int64_t width = v * VF, here = min64(width, n - column);
        o.b = b + column;
        o.bias = bias ? bias + column : no_bias;
        for (int64_t row = 0; row < m;) {
            int64_t rows = next_rows(m - row, gemm_most_rows[v]);
            o.a = a + row * o.row_step;
            o.offsets = offsets ? offsets + row : NULL;
            o.y = y + row * o.ldy + column;
            o.res = res ? res + row * o.ldy + column : NULL;
            if (here < width) {
                gemm_partial(gemm_rows[v][rows], o, rows, here, width, bias ? o.bias : NULL, 0);
            } else {
                gemm_rows[v][rows](&o);
                gemm_finish(&o, rows, width);
            }
            row += rows;
        }
        column += here;
    }
}
#endif

#ifdef GEMM_PANEL
/* `m` <= PANEL_ROWS rows of a weight panel times the `n` first columns of b; o.bias may be NULL. */
static void gemm_panel_by_columns(struct gemm_operands o, int64_t m, int64_t n)
{
    const float *a = o.a, *b = o.b, *bias = o.bias, *res = o.res;
    float *y = o.y;
    for (int64_t column = 0; column < n;) {
        int v = n - column > VF ? 2 : 1;
        int64_t width = v * VF, here = min64(width, n - column);
        o.b = b + column;
        for (int64_t row = 0; row < m;) {
            int64_t rows = next_rows(m - row, min64(gemm_most_rows[v], PANEL_ROWS));
            o.a = a + row;
            o.bias = bias ? bias + row : no_bias;
            o.y = y + row * o.ldy + column;
            o.res = res ? res + row * o.ldy + column : NULL;
            if (here < width) {
                gemm_partial(gemm_panel[v][rows], o, rows, here, width, bias ? o.bias : NULL, 1);
            } else {
                gemm_panel[v][rows](&o);
                gemm_finish(&o, rows, width);
            }
            row += rows;
        }
        column += here;
    }
}
#endif

#endif
