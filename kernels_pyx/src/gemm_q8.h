/* Matrix products of bytes from generated register tiles (gen/tiles_q8_rows.py):
 *     sums[m][n] = sum over k of a[m][k] b[k][n] + bias[n] - zeros[n] * row_sums[m]
 * and then the change of scale (quant.h), or nothing.  `a` has rows of unsigned bytes, `b` is packed in panels of 64
 * columns, [taps][k / 4][64][4] signed bytes, zeros beyond the last k and n; bias, zeros and scale are numbers of columns,
 * in whole panels.
 *
 * Rows lie row_step apart, or (offsets; row_step is 0) are `taps` runs of k bytes, at a + offsets[tap][row], or `outside` where the offset
 * is negative.  Sums are exact: whatever wraps around on the way, the sum itself fits into an int32. */
#ifndef PLAIT_GEMM_Q8_H
#define PLAIT_GEMM_Q8_H

#include "quant.h"

enum { Q8_PANEL = 64, GEMM_Q8_QUAD = Q8_PANEL * 4 };

struct gemm_q8 {
    int64_t taps, whole, rest; /* of each run: bytes in whole quads, and of the last one that is not (0: none) */
    const uint8_t *a;
    int64_t row_step;
    const int32_t *offsets; /* of the tile's first row, or NULL */
    int64_t offsets_step;
    const uint8_t *outside;
    const int8_t *b;
    const int32_t *bias;
    const int32_t *zeros, *row_sums; /* zero points of the columns, and sums of the bytes of rows; or NULL */
    const float *scale;
    const uint8_t *res; /* NULL, or laid out as y */
    uint8_t *y;         /* bytes, or int32 where `to` is NULL */
    int64_t ldy;        /* in bytes */
    int64_t columns;    /* of the tile that exist */
    int shrinks;        /* see scales_shrink */
    int plain;          /* bytes in whole vectors, by scales in float32, no residual */
    const struct requant *to;
};
typedef void gemm_q8_tile(const struct gemm_q8 *o);

INLINE const uint8_t *gemm_q8_row(const struct gemm_q8 *o, int64_t tap, int row)
{
    if (!o->offsets)
        return o->a + row * o->row_step;
    int64_t offset = o->offsets[tap * o->offsets_step + row];
    return offset < 0 ? o->outside : o->a + offset;
}

/* The last bytes of a row, fewer than four. */
INLINE dot_pixel gemm_q8_rest(const uint8_t *x, int64_t rest)
{
    uint32_t v = x[0];
    if (rest > 1)
        v |= (uint32_t)x[1] << 8;
    if (rest > 2)
        v |= (uint32_t)x[2] << 16;
    uint8_t bytes[4];
    memcpy(bytes, &v, sizeof v);
    return dot_broadcast(bytes);
}

/* Results of a vector of sums. */
INLINE vi gemm_q8_stored(const struct gemm_q8 *o, vi sums, int64_t column, const uint8_t *res, int64_t lanes)
{
    if (o->to->shifts)
        return requantize_steps(fixed_product(sums, load_factors(o->to, o->scale + column)), o->to);
    vf v = to_float(sums) * vload(o->scale + column);
    if (res)
        v = add_residual(v, o->to, q8_load_part(res + column, lanes));
    return requantize(v, o->to);
}

/* The end of a tile whose sums lie in memory. */
static __attribute__((noinline)) void gemm_q8_finish(const struct gemm_q8 *o, const int32_t *sums, int64_t rows,
                                                     int64_t width)
{
    for (int64_t r = 0; r < rows; r++, sums += width) {
        uint8_t *y = o->y + r * o->ldy;
        if (!o->to) {
            memcpy(y, sums, (size_t)o->columns * sizeof *sums);
            continue;
        }
        const uint8_t *res = o->res ? o->res + r * o->ldy : NULL;
        for (int64_t column = 0; column < o->columns; column += VF) {
            int64_t lanes = min64(VF, o->columns - column);
            q8_store_part(y + column, gemm_q8_stored(o, viload(sums + column), column, res, lanes), lanes);
        }
    }
}

#if defined __AVX512VNNI__ && VF == 16
#include "gemm_q8_tiles_avx512vnni.h"
#elif VF == 16
#include "gemm_q8_tiles_avx512.h"
#elif VF == 8
#include "gemm_q8_tiles_avx2.h"
#else
#include "gemm_q8_tiles_baseline.h"
#endif

/* Rows of the next tile, so that tiles are of like size. */
INLINE int64_t gemm_q8_next_rows(int64_t left, int64_t most)
{
    return ceil_div(left, ceil_div(left, most));
}

INLINE void gemm_q8_run_of(struct gemm_q8 *o, int64_t k)
{
    o->whole = k / 4 * 4;
    o->rest = k % 4;
}

/* m rows times the n <= 64 first columns of a panel. */
static __attribute__((noinline)) void gemm_q8_by_panel(struct gemm_q8 all, int64_t m, int64_t n)
{
    struct gemm_q8 o = all;
    int64_t size = all.to ? 1 : (int64_t)sizeof(int32_t);
    for (int64_t column = 0; column < n; column += o.columns) {
        int vectors = n - column > 2 * VF && GEMM_Q8_MOST_VECTORS > 2 ? 4 : n - column > VF ? 2 : 1;
        o.columns = min64(vectors * VF, n - column);
        o.b = all.b + column * 4;
        o.bias = all.bias + column;
        o.zeros = all.zeros ? all.zeros + column : NULL;
        o.scale = all.scale ? all.scale + column : NULL;
        o.plain = all.to && !all.to->shifts && !all.res && o.columns == vectors * VF;
        for (int64_t row = 0; row < m;) {
            int64_t rows = gemm_q8_next_rows(m - row, gemm_q8_most_rows[vectors]);
            o.a = all.a + row * all.row_step;
            o.offsets = all.offsets ? all.offsets + row : NULL;
            o.row_sums = all.row_sums ? all.row_sums + row : NULL;
            o.y = all.y + row * all.ldy + column * size;
            o.res = all.res ? all.res + row * all.ldy + column : NULL;
            gemm_q8_tiles[vectors][rows](&o);
            row += rows;
        }
    }
}

#endif
