/* Numbers of 16 bits in vectors of float32: bfloat16 is the upper half of a float32, so it is widened by a shift and made
 * by rounding, to nearest, ties to even.  NaN stays one; where the processor rounds (AVX512-BF16), subnormal results become
 * zeros of their sign. */
#ifndef PLAIT_BF16_H
#define PLAIT_BF16_H

#include "isa.h"

typedef uint16_t vu16x __attribute__((vector_size(VF * 2)));
typedef uint16_t vu16x_unaligned __attribute__((vector_size(VF * 2), aligned(2), may_alias));

/* VF words of 16 bits, without sign, as int32. */
INLINE vi load_words(const uint16_t *w)
{
#if VF == 16
    return (vi)_mm512_cvtepu16_epi32(_mm256_loadu_si256((const __m256i_u *)w));
#elif VF == 8
    return (vi)_mm256_cvtepu16_epi32(_mm_loadu_si128((const __m128i_u *)w));
#elif defined __SSE2__
    return (vi)_mm_unpacklo_epi16(_mm_loadl_epi64((const __m128i_u *)w), _mm_setzero_si128());
#else
    return __builtin_convertvector(*(const vu16x_unaligned *)w, vi);
#endif
}

/* The low 16 bits of each int32; the upper ones must be those of its sign or zero. */
INLINE void store_words(uint16_t *y, vi v)
{
#if VF == 16
    _mm256_storeu_si256((__m256i_u *)y, _mm512_cvtepi32_epi16((__m512i)v));
#elif VF == 8
    __m256i words = _mm256_packus_epi32((__m256i)(v & 0xffff), _mm256_setzero_si256());
    _mm_storeu_si128((__m128i_u *)y, _mm256_castsi256_si128(_mm256_permute4x64_epi64(words, 0x08)));
#elif defined __SSE2__
    __m128i words = (__m128i)((v << 16) >> 16);
    _mm_storel_epi64((__m128i_u *)y, _mm_packs_epi32(words, words));
#else
    *(vu16x_unaligned *)y = __builtin_convertvector(v, vu16x);
#endif
}

INLINE vf bf16_load(const uint16_t *p)
{
    return (vf)(load_words(p) << 16);
}

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

/* The first `count` <= VF numbers; other lanes are zero, or are not written. */
INLINE vf bf16_load_part(const uint16_t *p, int64_t count)
{
#if MASKED(16)
    return (vf)_mm512_slli_epi32(_mm512_cvtepu16_epi32(_mm256_maskz_loadu_epi16((__mmask16)((1u << count) - 1), p)), 16);
#else
    if (count >= VF)
        return bf16_load(p);
    uint16_t part[VF] = {0};
    for (int64_t i = 0; i < VF - 1; i++)
        if (i < count)
            part[i] = p[i];
    return bf16_load(part);
#endif
}

INLINE void bf16_store_part(uint16_t *y, vf x, int64_t count)
{
    if (count >= VF) {
        bf16_store(y, x);
        return;
    }
    uint16_t part[VF];
    bf16_store(part, x);
    for (int64_t i = 0; i < VF - 1; i++)
        if (i < count)
            y[i] = part[i];
}

/* `count` numbers, and back. */
static __attribute__((noinline, unused)) void bf16_widen(float *y, const uint16_t *x, int64_t count)
{
    int64_t i = 0;
    for (; i + VF <= count; i += VF)
        vstore(y + i, bf16_load(x + i));
    if (i < count)
        vstore_part(y + i, bf16_load_part(x + i, count - i), count - i);
}

static __attribute__((noinline, unused)) void bf16_narrow(uint16_t *y, const float *x, int64_t count)
{
    int64_t i = 0;
    for (; i + 2 * VF <= count; i += 2 * VF)
        bf16_store2(y + i, vload(x + i), vload(x + i + VF));
    for (; i + VF <= count; i += VF)
        bf16_store(y + i, vload(x + i));
    if (i < count)
        bf16_store_part(y + i, vload_part(x + i, count - i), count - i);
}

#endif
