/* Numbers of 16 bits in vectors of float32: what the formats of them (bf16.h, half.h) have in common. */
#ifndef PLAIT_WORDS_H
#define PLAIT_WORDS_H

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

#if MASKED(16)
#define LOAD_SOME(format, p, count) format##_of(_mm256_maskz_loadu_epi16((__mmask16)((1u << (count)) - 1), p))
#else
#define LOAD_SOME(format, p, count) format##_load(some_words((uint16_t[VF]){0}, p, count))
#endif

INLINE const uint16_t *some_words(uint16_t *part, const uint16_t *p, int64_t count)
{
    if (count >= VF)
        return p;
    for (int64_t i = 0; i < VF - 1; i++)
        if (i < count)
            part[i] = p[i];
    return part;
}

/* Functions of a format that follow from its `load`, `store`, `store2` (and `of`, for masked loads): the first `count` <= VF
 * numbers, of which other lanes are zero, or are not written; and any number of them. */
#define NARROW_FORMAT(format)                                                                                       \
    INLINE vf format##_load_part(const uint16_t *p, int64_t count)                                                  \
    {                                                                                                               \
        return LOAD_SOME(format, p, count);                                                                         \
    }                                                                                                               \
    INLINE void format##_store_part(uint16_t *y, vf x, int64_t count)                                               \
    {                                                                                                               \
        if (count >= VF) {                                                                                          \
            format##_store(y, x);                                                                                   \
            return;                                                                                                 \
        }                                                                                                           \
        uint16_t part[VF];                                                                                          \
        format##_store(part, x);                                                                                    \
        for (int64_t i = 0; i < VF - 1; i++)                                                                        \
            if (i < count)                                                                                          \
                y[i] = part[i];                                                                                     \
    }                                                                                                               \
    static __attribute__((noinline, unused)) void format##_widen(float *y, const uint16_t *x, int64_t count)        \
    {                                                                                                               \
        int64_t i = 0;                                                                                              \
        for (; i + VF <= count; i += VF)                                                                            \
            vstore(y + i, format##_load(x + i));                                                                    \
        if (i < count)                                                                                              \
            vstore_part(y + i, format##_load_part(x + i, count - i), count - i);                                    \
    }                                                                                                               \
    static __attribute__((noinline, unused)) void format##_narrow(uint16_t *y, const float *x, int64_t count)       \
    {                                                                                                               \
        int64_t i = 0;                                                                                              \
        for (; i + 2 * VF <= count; i += 2 * VF)                                                                    \
            format##_store2(y + i, vload(x + i), vload(x + i + VF));                                                \
        for (; i + VF <= count; i += VF)                                                                            \
            format##_store(y + i, vload(x + i));                                                                    \
        if (i < count)                                                                                              \
            format##_store_part(y + i, vload_part(x + i, count - i), count - i);                                    \
    }

#endif
