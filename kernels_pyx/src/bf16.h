/* bfloat16 is the upper half of a float32, so it is widened by a shift and made by rounding, to nearest, ties to even.  NaN
 * stays one; where the processor rounds (AVX512-BF16), subnormal results become zeros of their sign. */
#ifndef PLAIT_BF16_H
#define PLAIT_BF16_H

#include "words.h"

INLINE vf bf16_load(const uint16_t *p)
{
    return (vf)(load_words(p) << 16);
}

#if VF == 16
INLINE vf bf16_of(__m256i words)
{
    return (vf)_mm512_slli_epi32(_mm512_cvtepu16_epi32(words), 16);
}
#endif

/* The bits of the nearest bfloat16, in the low halves. */
INLINE vi bf16_round(vf x)
{
    vu32 bits = (vu32)x, rounded = bits + 0x7fff + ((bits >> 16) & 1);
    return (vi)((vu32)vselect(x != x, (vf)(bits | 0x400000), (vf)rounded) >> 16);
}

INLINE void bf16_store(uint16_t *y, vf x)
{
#if defined __AVX512BF16__ && VF == 16
    _mm256_storeu_si256((__m256i_u *)y, (__m256i)_mm512_cvtneps_pbh(x));
#else
    store_words(y, bf16_round(x));
#endif
}

/* Two vectors that lie side by side. */
INLINE void bf16_store2(uint16_t *y, vf a, vf b)
{
#if defined __AVX512BF16__ && VF == 16
    _mm512_storeu_si512(y, (__m512i)_mm512_cvtne2ps_pbh(b, a));
#else
    bf16_store(y, a);
    bf16_store(y + VF, b);
#endif
}

NARROW_FORMAT(bf16)

#endif
