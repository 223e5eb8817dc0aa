/* float16 has 5 bits of exponent and 10 of mantissa: it is widened exactly, also subnormal numbers, and made by rounding, to
 * nearest, ties to even; what is too large becomes infinite, NaN stays one.  Processors with AVX2 convert (F16C). */
#ifndef PLAIT_HALF_H
#define PLAIT_HALF_H

#include "words.h"

/* From the bits, in the low halves.  An exponent becomes a float's by adding 112; that of infinities and NaN is all ones in
 * both.  Subnormal halves are put behind the leading one of 2^-14, which is then taken off again. */
INLINE vf half_widened(vi h)
{
    vi magnitude = (h & 0x7fff) << 13;
    vf small = (vf)(magnitude + (113 << 23)) - 0x1p-14f;
    vi special = magnitude >= (0x7c00 << 13);
    vi normal = (magnitude + (112 << 23)) | (special & 0x7f800000);
    return (vf)((vi)vselect(magnitude < (0x400 << 13), small, (vf)normal) | ((h & 0x8000) << 16));
}

/* The bits of the nearest half, in the low halves.  Below 2^-14 the last bit of a half is 2^-24, as is that of a float at 1/2,
 * so adding 1/2 rounds. */
INLINE vi half_rounded(vf x)
{
    vi magnitude = (vi)x & 0x7fffffff;
    vi small = (vi)((vf)magnitude + 0.5f) - (126 << 23);
    vi normal = (magnitude - (112 << 23) + 0xfff + ((magnitude >> 13) & 1)) >> 13;
    vi half = (vi)vselect(magnitude < (113 << 23), (vf)small, (vf)normal);
    half = (vi)vselect(magnitude >= (143 << 23), (vf)((vi){} + 0x7c00), (vf)half);
    half = (vi)vselect(x != x, (vf)((vi){} + 0x7e00), (vf)half);
    return half | (((vi)x >> 16) & 0x8000);
}

INLINE vf half_load(const uint16_t *p)
{
#if VF == 16
    return _mm512_cvtph_ps(_mm256_loadu_si256((const __m256i_u *)p));
#elif VF == 8
    return _mm256_cvtph_ps(_mm_loadu_si128((const __m128i_u *)p));
#else
    return half_widened(load_words(p));
#endif
}

#if VF == 16
INLINE vf half_of(__m256i words)
{
    return _mm512_cvtph_ps(words);
}
#endif

INLINE void half_store(uint16_t *y, vf x)
{
#if VF == 16
    _mm256_storeu_si256((__m256i_u *)y, _mm512_cvtps_ph(x, _MM_FROUND_TO_NEAREST_INT));
#elif VF == 8
    _mm_storeu_si128((__m128i_u *)y, _mm256_cvtps_ph(x, _MM_FROUND_TO_NEAREST_INT));
#else
    store_words(y, half_rounded(x));
#endif
}

INLINE void half_store2(uint16_t *y, vf a, vf b)
{
    half_store(y, a);
    half_store(y + VF, b);
}

NARROW_FORMAT(half)

#endif
