/* Changes of scale in fixed point, as TensorFlow Lite has them (ir/fixed_point.py says the same in NumPy): an int32 times
 * multiplier / 2^31 * 2^shift.  Multipliers are 0 or at least 2^30, so that no product of two is too large. */
#ifndef PLAIT_FIXED_POINT_H
#define PLAIT_FIXED_POINT_H

#include "isa.h"

INLINE vi ints(int32_t s)
{
    return s - (vi){};
}

INLINE vi choose(vi mask, vi yes, vi no)
{
    return (yes & mask) | (no & ~mask);
}

/* A real number, for each lane; one of both shifts is 0. */
struct fixed_factor {
    vi multiplier, left, right;
};

INLINE struct fixed_factor fixed_factor_make(vi multiplier, vi shift)
{
    vi left = shift & (shift > 0);
    return (struct fixed_factor){multiplier, left, left - shift};
}

INLINE struct fixed_factor fixed_factor_of(int64_t multiplier, int64_t shift)
{
    return fixed_factor_make(ints((int32_t)multiplier), ints((int32_t)shift));
}

/* (2 a b + 2^31) / 2^32, rounded down: the upper half of the doubled product to the nearest, halves upwards. */
INLINE vi doubling_high(vi a, vi b)
{
#if VF == 16
    __m512i half = _mm512_set1_epi64(1 << 30), x = (__m512i)a, y = (__m512i)b;
    __m512i even = _mm512_add_epi64(_mm512_mul_epi32(x, y), half);
    __m512i odd = _mm512_add_epi64(_mm512_mul_epi32(_mm512_srli_epi64(x, 32), _mm512_srli_epi64(y, 32)), half);
    return (vi)_mm512_mask_blend_epi32(0xaaaa, _mm512_srli_epi64(even, 31), _mm512_slli_epi64(odd, 1));
#elif VF == 8
    __m256i half = _mm256_set1_epi64x(1 << 30), x = (__m256i)a, y = (__m256i)b;
    __m256i even = _mm256_add_epi64(_mm256_mul_epi32(x, y), half);
    __m256i odd = _mm256_add_epi64(_mm256_mul_epi32(_mm256_srli_epi64(x, 32), _mm256_srli_epi64(y, 32)), half);
    return (vi)_mm256_blend_epi32(_mm256_srli_epi64(even, 31), _mm256_slli_epi64(odd, 1), 0xaa);
#else
    vi high;
    for (int i = 0; i < VF; i++)
        high[i] = (int32_t)(((int64_t)a[i] * b[i] + (1 << 30)) >> 31);
    return high;
#endif
}

/* The product: shifted to the left with saturation, or to the right to the nearest, halves away from zero. */
INLINE vi fixed_product(vi x, struct fixed_factor f)
{
    vi shifted = (vi)((vu32)x << (vu32)f.left), limit = (x >> 31) ^ 0x7fffffff;
    vi high = doubling_high(choose((shifted >> f.left) == x, shifted, limit), f.multiplier);
    vi mask = (vi)(((vu32)ints(1) << (vu32)f.right) - 1);
    vi threshold = (mask >> 1) - (high >> 31);
    return (high >> f.right) - ((high & mask) > threshold);
}

/* A mean: a sum over a positive count, to the nearest, halves away from zero. */
INLINE int32_t fixed_mean(int64_t total, int64_t count)
{
    int64_t half = count / 2;
    return (int32_t)(total > 0 ? (total + half) / count : -((half - total) / count));
}

INLINE vi fixed_means(vi totals, int64_t count)
{
    for (int i = 0; i < VF; i++)
        totals[i] = fixed_mean(totals[i], count);
    return totals;
}

#endif
