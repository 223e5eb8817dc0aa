/* Squares of 16 x 16 bytes. */
#ifndef PLAIT_TRANSPOSE_BYTES_H
#define PLAIT_TRANSPOSE_BYTES_H

#include "isa.h"

/* y[j][i] = x[i][j]; steps between rows in bytes. */
INLINE void transpose_16x16(const uint8_t *x, int64_t x_step, uint8_t *y, int64_t y_step)
{
#if defined __SSE2__
    /* Four rounds that each put row i beside row i + 8, a byte of one after a byte of the other. */
    __m128i a[16], b[16];
    for (int i = 0; i < 16; i++)
        a[i] = _mm_loadu_si128((const __m128i *)(x + i * x_step));
#define ROUND(from, to)                                          \
    for (int i = 0; i < 8; i++) {                                \
        to[2 * i] = _mm_unpacklo_epi8(from[i], from[i + 8]);     \
        to[2 * i + 1] = _mm_unpackhi_epi8(from[i], from[i + 8]); \
    }
    ROUND(a, b)
    ROUND(b, a)
    ROUND(a, b)
    ROUND(b, a)
#undef ROUND
    for (int i = 0; i < 16; i++)
        _mm_storeu_si128((__m128i *)(y + i * y_step), a[i]);
#else
    for (int i = 0; i < 16; i++)
        for (int j = 0; j < 16; j++)
            y[j * y_step + i] = x[i * x_step + j];
#endif
}

/* `count` <= 16 bytes. */
INLINE void copy_bytes(uint8_t *to, const uint8_t *from, int64_t count)
{
    if (count == 16)
        memcpy(to, from, 16);
    else
        for (int64_t i = 0; i < count; i++)
            to[i] = from[i];
}

#endif
