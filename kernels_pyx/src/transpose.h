/* Transposition of matrices of 4-byte elements. */
#ifndef PLAIT_TRANSPOSE_H
#define PLAIT_TRANSPOSE_H

#include "isa.h"

typedef float quad __attribute__((vector_size(16)));
typedef float quad_unaligned __attribute__((vector_size(16), aligned(4), may_alias));
typedef int32_t quad_index __attribute__((vector_size(16)));

/* Measured faster than squares of wider vectors, whose shuffles across lanes cost more than the loads they save. */
INLINE void transpose_4x4(const float *x, int64_t x_step, float *y, int64_t y_step)
{
    quad a = *(const quad_unaligned *)x, b = *(const quad_unaligned *)(x + x_step);
    quad c = *(const quad_unaligned *)(x + 2 * x_step), d = *(const quad_unaligned *)(x + 3 * x_step);
    quad ab_low = __builtin_shuffle(a, b, (quad_index){0, 4, 1, 5});
    quad ab_high = __builtin_shuffle(a, b, (quad_index){2, 6, 3, 7});
    quad cd_low = __builtin_shuffle(c, d, (quad_index){0, 4, 1, 5});
    quad cd_high = __builtin_shuffle(c, d, (quad_index){2, 6, 3, 7});
    *(quad_unaligned *)y = __builtin_shuffle(ab_low, cd_low, (quad_index){0, 1, 4, 5});
    *(quad_unaligned *)(y + y_step) = __builtin_shuffle(ab_low, cd_low, (quad_index){2, 3, 6, 7});
    *(quad_unaligned *)(y + 2 * y_step) = __builtin_shuffle(ab_high, cd_high, (quad_index){0, 1, 4, 5});
    *(quad_unaligned *)(y + 3 * y_step) = __builtin_shuffle(ab_high, cd_high, (quad_index){2, 3, 6, 7});
}

/* One square of at most 16 x 16: whole cache lines on both sides. */
INLINE void transpose_square(const float *x, int64_t x_step, float *y, int64_t y_step, int64_t rows, int64_t columns)
{
    int64_t j = 0;
    for (; j + 4 <= columns; j += 4) {
        int64_t i = 0;
        for (; i + 4 <= rows; i += 4)
            transpose_4x4(x + i * x_step + j, x_step, y + j * y_step + i, y_step);
        for (; i < rows; i++)
            for (int64_t k = j; k < j + 4; k++)
                y[k * y_step + i] = x[i * x_step + k];
    }
    for (; j < columns; j++)
        for (int64_t i = 0; i < rows; i++)
            y[j * y_step + i] = x[i * x_step + j];
}

/* y[j][i] = x[i][j] for i < rows, j < columns. */
static __attribute__((unused)) void transpose(const float *x, int64_t x_step, float *y, int64_t y_step, int64_t rows,
                                              int64_t columns)
{
    if (rows < 4) {
        for (int64_t j = 0; j < columns; j++)
            for (int64_t i = 0; i < rows; i++)
                y[j * y_step + i] = x[i * x_step + j];
        return;
    }
    /* Fewer rows of y at a time where they are far apart: stores to many such lines evict one another. */
    int64_t height = y_step > x_step ? 64 : 16;
    for (int64_t strip = 0; strip < rows; strip += height) {
        for (int64_t j = 0; j < columns; j += 16) {
            for (int64_t i = strip; i < min64(strip + height, rows); i += 16) {
                const float *from = x + i * x_step + j;
                float *to = y + j * y_step + i;
                if (i + 16 <= rows && j + 16 <= columns)
                    transpose_square(from, x_step, to, y_step, 16, 16);
                else
                    transpose_square(from, x_step, to, y_step, min64(16, rows - i), min64(16, columns - j));
            }
        }
    }
}

#endif
