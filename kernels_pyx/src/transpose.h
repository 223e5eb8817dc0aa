/* Transposition of matrices of 4-byte elements. */
#ifndef PLAIT_TRANSPOSE_H
#define PLAIT_TRANSPOSE_H

#include "isa.h"

/* v[j][i] = v[i][j]: pairs of rows, then pairs of pairs inside every quarter of a vector, then the quarters. */
INLINE void transpose_vectors(vf v[VF])
{
#if VF == 16
#define OF_PAIRS(word, a, b) \
    (vf) _mm512_castpd_ps(_mm512_##word##_pd(_mm512_castps_pd((__m512)a), _mm512_castps_pd((__m512)b)))
    vf t[VF];
    for (int i = 0; i < VF; i += 2) {
        t[i] = _mm512_unpacklo_ps(v[i], v[i + 1]);
        t[i + 1] = _mm512_unpackhi_ps(v[i], v[i + 1]);
    }
    for (int i = 0; i < VF; i += 4) {
        v[i] = OF_PAIRS(unpacklo, t[i], t[i + 2]);
        v[i + 1] = OF_PAIRS(unpackhi, t[i], t[i + 2]);
        v[i + 2] = OF_PAIRS(unpacklo, t[i + 1], t[i + 3]);
        v[i + 3] = OF_PAIRS(unpackhi, t[i + 1], t[i + 3]);
    }
    for (int j = 0; j < 4; j++) {
        vf even = _mm512_shuffle_f32x4(v[j], v[4 + j], 0x88), odd = _mm512_shuffle_f32x4(v[j], v[4 + j], 0xdd);
        vf even_low = _mm512_shuffle_f32x4(v[8 + j], v[12 + j], 0x88);
        vf odd_low = _mm512_shuffle_f32x4(v[8 + j], v[12 + j], 0xdd);
        v[j] = _mm512_shuffle_f32x4(even, even_low, 0x88);
        v[8 + j] = _mm512_shuffle_f32x4(even, even_low, 0xdd);
        v[4 + j] = _mm512_shuffle_f32x4(odd, odd_low, 0x88);
        v[12 + j] = _mm512_shuffle_f32x4(odd, odd_low, 0xdd);
    }
#undef OF_PAIRS
#elif VF == 8
#define OF_PAIRS(word, a, b) \
    (vf) _mm256_castpd_ps(_mm256_##word##_pd(_mm256_castps_pd((__m256)a), _mm256_castps_pd((__m256)b)))
    vf t[VF];
    for (int i = 0; i < VF; i += 2) {
        t[i] = _mm256_unpacklo_ps(v[i], v[i + 1]);
        t[i + 1] = _mm256_unpackhi_ps(v[i], v[i + 1]);
    }
    for (int j = 0; j < 4; j++) {
        vf upper = j % 2 ? OF_PAIRS(unpackhi, t[j / 2], t[j / 2 + 2]) : OF_PAIRS(unpacklo, t[j / 2], t[j / 2 + 2]);
        vf lower = j % 2 ? OF_PAIRS(unpackhi, t[4 + j / 2], t[6 + j / 2])
                         : OF_PAIRS(unpacklo, t[4 + j / 2], t[6 + j / 2]);
        v[j] = _mm256_permute2f128_ps(upper, lower, 0x20);
        v[4 + j] = _mm256_permute2f128_ps(upper, lower, 0x31);
    }
#undef OF_PAIRS
#else
    vf low = __builtin_shuffle(v[0], v[1], (vi){0, 4, 1, 5}), high = __builtin_shuffle(v[0], v[1], (vi){2, 6, 3, 7});
    vf low2 = __builtin_shuffle(v[2], v[3], (vi){0, 4, 1, 5}), high2 = __builtin_shuffle(v[2], v[3], (vi){2, 6, 3, 7});
    v[0] = __builtin_shuffle(low, low2, (vi){0, 1, 4, 5});
    v[1] = __builtin_shuffle(low, low2, (vi){2, 3, 6, 7});
    v[2] = __builtin_shuffle(high, high2, (vi){0, 1, 4, 5});
    v[3] = __builtin_shuffle(high, high2, (vi){2, 3, 6, 7});
#endif
}

/* One square of `rows` x `columns` <= VF x VF; `width` >= rows elements of each row of y are written, the last ones
 * zero. */
INLINE void transpose_square(const float *x, int64_t x_step, float *y, int64_t y_step, int64_t rows, int64_t columns,
                             int64_t width)
{
    vf v[VF];
    for (int i = 0; i < VF; i++)
        v[i] = i < rows ? load_lanes(x + i * x_step, columns) : vzero();
    transpose_vectors(v);
    for (int j = 0; j < VF; j++)
        if (j < columns)
            store_lanes(y + j * y_step, v[j], width);
}

enum { LINE = 16 }; /* floats of a cache line */
#define OUTLINE static __attribute__((noinline, unused))

/* LINE x LINE elements.  `ahead`: whether to fetch those to the right. */
OUTLINE void transpose_lines(const float *x, int64_t x_step, float *y, int64_t y_step, int ahead)
{
    if (ahead)
        for (int i = 0; i < LINE; i++)
            __builtin_prefetch(x + i * x_step + LINE);
    for (int j = 0; j < LINE; j += VF)
        for (int i = 0; i < LINE; i += VF)
            transpose_square(x + i * x_step + j, x_step, y + j * y_step + i, y_step, VF, VF, VF);
}

/* Fewer elements than that, `width` of each row of y. */
OUTLINE void transpose_edge(const float *x, int64_t x_step, float *y, int64_t y_step, int64_t rows, int64_t columns,
                            int64_t width)
{
    for (int64_t j = 0; j < columns; j += VF)
        for (int64_t i = 0; i < width; i += VF)
            transpose_square(x + i * x_step + j, x_step, y + j * y_step + i, y_step, max64(0, min64(VF, rows - i)),
                             min64(VF, columns - j), min64(VF, width - i));
}

/* Where LINE elements from `i` on start: the last ones overlap those before, as whole lines are faster than parts. */
INLINE int64_t line_start(int64_t i, int64_t total)
{
    return i + LINE <= total || total < LINE ? i : total - LINE;
}

/* y[j][i] = x[i][j] for i < rows, and 0 for rows <= i < width; j < columns. */
OUTLINE void transpose_padded(const float *x, int64_t x_step, float *y, int64_t y_step, int64_t rows, int64_t columns,
                              int64_t width)
{
    /* Along the rows of x.  But where rows of y lie a multiple of 1 KB apart, they share few sets of the caches and
     * evict one another: then along the rows of y. */
    int64_t height = y_step % 256 ? LINE : 256;
    /* Processors follow few streams by themselves; what fits L2 is near enough. */
    int ahead = rows * columns >= 1 << 17;
    for (int64_t strip = 0; strip < width; strip += height) {
        for (int64_t column = 0; column < columns; column += LINE) {
            int64_t j = line_start(column, columns);
            for (int64_t row = strip; row < min64(strip + height, width); row += LINE) {
                int64_t i = line_start(row, width);
                const float *from = x + i * x_step + j;
                float *to = y + j * y_step + i;
                if (i + LINE <= rows && j + LINE <= columns)
                    transpose_lines(from, x_step, to, y_step, ahead);
                else
                    transpose_edge(from, x_step, to, y_step, min64(LINE, rows - i), min64(LINE, columns - j),
                                   min64(LINE, width - i));
            }
        }
    }
}

/* y[j][i] = x[i][j] for i < rows, j < columns. */
INLINE void transpose(const float *x, int64_t x_step, float *y, int64_t y_step, int64_t rows, int64_t columns)
{
    if (rows >= VF / 2) {
        transpose_padded(x, x_step, y, y_step, rows, columns, rows);
        return;
    }
    for (int64_t j = 0; j < columns; j++)
        for (int64_t i = 0; i < rows; i++)
            y[j * y_step + i] = x[i * x_step + j];
}

#endif
