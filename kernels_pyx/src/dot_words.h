/* Products of two words (int16) of a pixel with two weights of each of VF channels, added to int32, which may wrap around:
 *     acc[c] += x[0] w[c][0] + x[1] w[c][1]
 * One instruction with VNNI, two without it. */
#ifndef PLAIT_DOT_WORDS_H
#define PLAIT_DOT_WORDS_H

#include "quant.h"

typedef vi words_pixel, words_weights;

INLINE words_weights words_load(const int8_t *w)
{
    return load_quads(w);
}

#if defined __AVX512VNNI__ && VF == 16
INLINE words_pixel words_broadcast(const uint8_t *x)
{
    return broadcast_quad(x);
}

INLINE vi words_dot(vi acc, words_pixel x, words_weights w)
{
    __asm__("vpdpwssd %2, %1, %0" : "+v"(acc) : "v"(x), "v"(w));
    return acc;
}
#else
INLINE words_pixel words_broadcast(const uint8_t *x)
{
    return viset(*(const quad *)x);
}

INLINE vi words_dot(vi acc, words_pixel x, words_weights w)
{
#if VF == 16
    vi sums = (vi)_mm512_madd_epi16((__m512i)x, (__m512i)w);
#elif VF == 8
    vi sums = (vi)_mm256_madd_epi16((__m256i)x, (__m256i)w);
#elif defined __SSE2__
    vi sums = (vi)_mm_madd_epi16((__m128i)x, (__m128i)w);
#else
    vi sums = ((vi)((vu32)x << 16) >> 16) * ((vi)((vu32)w << 16) >> 16) + (x >> 16) * (w >> 16);
#endif
    return (vi)((vu32)acc + (vu32)sums);
}
#endif

#endif
