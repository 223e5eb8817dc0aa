/* F(4x4, 3x3) on bytes, exact: integers all the way.
 *
 * The transform of the image, B^T d B, has whole coefficients; of bytes it makes numbers below 2^15.  Rows of G, the filters'
 * side, are multiplied by 24/4, -24/4 ... until they are whole and small (packing_q8.py), so that products of rows are 24, 12,
 * 6 and 6 times what they should be.  A product of two transforms may be 36 times too large in each dimension, and a sum of
 * them may wrap around, which does no harm: all is exact modulo 2^32, where 9 has an inverse, and what is left of the factor
 * is a power of two, at most 64.  So a sum of products of less than 2^25 in size comes out right. */
#ifndef PLAIT_WINOGRAD_Q8_H
#define PLAIT_WINOGRAD_Q8_H

#include "quant.h"

enum { WINOGRAD_M = 4, WINOGRAD_SIZE = WINOGRAD_M + 2, WINOGRAD_POSITIONS = WINOGRAD_SIZE * WINOGRAD_SIZE };
enum { LANES = 2 * VF }; /* numbers of 16 bits in a vector */
#define INVERSE_OF_9 954437177u

/* r = B^T d */
INLINE void winograd_input(const vh *d, vh *r)
{
    vh even = d[4] - (d[2] << 2), odd = d[3] - (d[1] << 2), even2 = d[4] - d[2], odd2 = (d[3] - d[1]) << 1;
    r[0] = even2 + ((d[0] - d[2]) << 2);
    r[1] = even + odd;
    r[2] = even - odd;
    r[3] = even2 + odd2;
    r[4] = even2 - odd2;
    r[5] = d[5] - d[3] - (odd2 << 1);
}

/* s = A^T p, times 24, 12, 6, 6: 3 times 1 << winograd_shift[i]. */
INLINE void winograd_output(const vu32 *p, vu32 *s)
{
    vu32 plus = p[1] + p[2], minus = p[1] - p[2], plus2 = p[3] + p[4], minus2 = p[3] - p[4];
    s[0] = p[0] + (plus << 2) + plus2;
    s[1] = (minus << 1) + minus2;
    s[2] = plus + plus2;
    s[3] = minus + (minus2 << 1) + p[5];
}
static const int winograd_shift[WINOGRAD_M] = {3, 2, 1, 1};

/* Sixteen bytes as words; of vectors of 32 words the upper half comes from another place. */
INLINE vh load_words(const char *x, const char *next)
{
#if VF == 16
    __m256i both = _mm256_inserti128_si256(_mm256_castsi128_si256(_mm_loadu_si128((const __m128i_u *)x)),
                                           _mm_loadu_si128((const __m128i_u *)next), 1);
    return (vh)_mm512_cvtepu8_epi16(both);
#elif VF == 8
    return (vh)_mm256_cvtepu8_epi16(_mm_loadu_si128((const __m128i_u *)x));
#elif defined __SSE2__
    return (vh)_mm_unpacklo_epi8(_mm_loadl_epi64((const __m128i_u *)x), _mm_setzero_si128());
#else
    typedef uint8_t bytes __attribute__((vector_size(LANES), aligned(1), may_alias));
    return __builtin_convertvector(*(const bytes *)x, vh);
#endif
}

/* The inputs of a tile, or (next) of two, to the positions v[0], v[position], ... */
INLINE void winograd_input_tile(const char *x, int64_t row, const char *next, int64_t next_row, int16_t *v,
                                int64_t position)
{
    typedef int16_t unaligned __attribute__((vector_size(VF * 4), aligned(2), may_alias));
    vh half[WINOGRAD_SIZE][WINOGRAD_SIZE], d[WINOGRAD_SIZE], r[WINOGRAD_SIZE];
    for (int j = 0; j < WINOGRAD_SIZE; j++) {
#pragma GCC unroll 8
        for (int i = 0; i < WINOGRAD_SIZE; i++)
            d[i] = load_words(x + i * row + j * BLOCK, next + i * next_row + j * BLOCK);
        winograd_input(d, r);
#pragma GCC unroll 8
        for (int i = 0; i < WINOGRAD_SIZE; i++)
            half[i][j] = r[i];
    }
    for (int i = 0; i < WINOGRAD_SIZE; i++) {
        winograd_input(half[i], r);
#pragma GCC unroll 8
        for (int j = 0; j < WINOGRAD_SIZE; j++)
            *(unaligned *)(v + (i * WINOGRAD_SIZE + j) * position) = r[j];
    }
}

/* One vector of channels of the sums of a tile, from its products at p[0], p[position], ..., to y[0], y[BLOCK], ... */
INLINE void winograd_output_tile(const int32_t *p, int64_t position, int32_t *y)
{
    vu32 half[WINOGRAD_M][WINOGRAD_SIZE], d[WINOGRAD_SIZE], s[WINOGRAD_M];
    for (int j = 0; j < WINOGRAD_SIZE; j++) {
#pragma GCC unroll 8
        for (int i = 0; i < WINOGRAD_SIZE; i++)
            d[i] = (vu32)viload(p + (i * WINOGRAD_SIZE + j) * position);
        winograd_output(d, s);
#pragma GCC unroll 4
        for (int i = 0; i < WINOGRAD_M; i++)
            half[i][j] = s[i];
    }
#pragma GCC unroll 4
    for (int i = 0; i < WINOGRAD_M; i++) {
        winograd_output(half[i], s);
#pragma GCC unroll 4
        for (int j = 0; j < WINOGRAD_M; j++)
            vistore(y + (i * WINOGRAD_M + j) * BLOCK,
                    (vi)(s[j] * INVERSE_OF_9) >> (winograd_shift[i] + winograd_shift[j]));
    }
}

#endif
