/* exp, log, pow, tanh, erf and their kin over vectors; relative error about 2e-7 unless said otherwise. */
#ifndef PLAIT_VMATH_H
#define PLAIT_VMATH_H

#include "isa.h"

/* 2^n for n in the exponent's range, from the bits. */
INLINE vf vpow2(vi n)
{
    return (vf)((n + 127) << 23);
}

/* x = n ln 2 + r with |r| <= ln 2 / 2; e^r by its Taylor series (next term 5e-9); 2^n in two factors, so that results
 * reach down to denormals and up to infinity without a branch. */
INLINE vf vexp(vf x)
{
    x = vmin(vset(89.0f), vmax(vset(-104.0f), x));
    const float shift = 12582912.0f; /* 1.5 * 2^23: adding it rounds to the nearest integer */
    vf n = (x * 1.44269504f + shift) - shift;
    vf r = x - n * 0.693359375f + n * 2.12194440e-4f;
    vf p = vset(1.0f / 5040);
    p = p * r + 1.0f / 720;
    p = p * r + 1.0f / 120;
    p = p * r + 1.0f / 24;
    p = p * r + 1.0f / 6;
    p = p * r + 0.5f;
    p = p * r + 1.0f;
    p = p * r + 1.0f;
    vi whole = __builtin_convertvector(n, vi);
    vi half = whole >> 1;
    return p * vpow2(half) * vpow2(whole - half);
}

/* x = 2^e m with m in [sqrt(1/2), sqrt(2)); log m from a polynomial in m - 1, which is exact, so that the relative error
 * stays small near 1 (Cephes' logf).  0 gives -infinity, below 0 NaN. */
INLINE vf vlog(vf x)
{
    vi small = x < 1.17549435e-38f; /* denormals are scaled to normal numbers */
    vf scaled = vselect(small, x * 8388608.0f, x);
    /* Of negative numbers, whose result is NaN in any case, the differences of bits may wrap: hence unsigned. */
    vi e = (vi)((vu32)scaled - 0x3f3504f3u) >> 23;
    vf f = (vf)((vu32)scaled - ((vu32)e << 23)) - 1.0f;
    vf n = __builtin_convertvector(e, vf) - (vf)(small & (vi)vset(23.0f));
    vf p = vset(7.0376836292e-2f);
    p = p * f + -1.1514610310e-1f;
    p = p * f + 1.1676998740e-1f;
    p = p * f + -1.2420140846e-1f;
    p = p * f + 1.4249322787e-1f;
    p = p * f + -1.6668057665e-1f;
    p = p * f + 2.0000714765e-1f;
    p = p * f + -2.4999993993e-1f;
    p = p * f + 3.3333331174e-1f;
    vf s = f * f;
    vf y = s * f * p + n * -2.12194440e-4f - s * 0.5f;
    y = (f + y) + n * 0.693359375f;
    y = vselect((x > 0.0f) & (x < INFINITY), y, x + x); /* infinity, NaN */
    y = vselect(x < 0.0f, vset(NAN), y);
    return vselect(x == 0.0f, vset(-INFINITY), y);
}

/* pow needs more digits than a float between its logarithm and its exponential, so it works on double vectors, each half
 * as many numbers. */
typedef float vf_half __attribute__((vector_size(VF * 2)));
typedef double vd __attribute__((vector_size(VF * 4)));
typedef int64_t vl __attribute__((vector_size(VF * 4)));
typedef uint64_t vu __attribute__((vector_size(VF * 4)));

INLINE vd vd_select(vl mask, vd yes, vd no)
{
    return (vd)(((vl)yes & mask) | ((vl)no & ~mask));
}

/* x^y for x >= 0 as e^(y log x), error 1e-9 before it is rounded to float; NaN for 0^0. */
INLINE vf_half vpow_half(vf_half base, vf_half exponent)
{
    vd x = __builtin_convertvector(base, vd), y = __builtin_convertvector(exponent, vd);
    /* x = 2^e m, m in [sqrt(1/2), sqrt(2)); log m = 2 artanh s. */
    vu biased = ((vu)x + 0x00095f619980c433) >> 52;
    vd m = (vd)((vu)x - (biased << 52) + 0x3ff0000000000000);
    vd e = (vd)(biased | 0x4330000000000000) - (4503599627370496.0 + 1023);
    vd s = (m - 1.0) / (m + 1.0), q = s * s;
    vd p = q * (1.0 / 11) + 1.0 / 9;
    p = p * q + 1.0 / 7;
    p = p * q + 1.0 / 5;
    p = p * q + 1.0 / 3;
    p = p * q + 1.0;
    vd l = 2.0 * s * p + e * 0.69314718055994531;
    l = vd_select((x > 0.0) & (x < (double)INFINITY), l, x); /* infinity, NaN */
    l = vd_select(x == 0.0, (vd){} - (double)INFINITY, l);
    vd t = y * l; /* clamped to where floats are infinite or zero; NaN passes */
    t = vd_select(t > 100.0, (vd){} + 100.0, t);
    t = vd_select(t < -120.0, (vd){} - 120.0, t);
    const double shift = 6755399441055744.0; /* 1.5 * 2^52: adding it rounds to the nearest integer */
    vd shifted = t * 1.4426950408889634 + shift;
    vd r = t - (shifted - shift) * 0.69314718055994531;
    vd f = r * (1.0 / 362880) + 1.0 / 40320;
    f = f * r + 1.0 / 5040;
    f = f * r + 1.0 / 720;
    f = f * r + 1.0 / 120;
    f = f * r + 1.0 / 24;
    f = f * r + 1.0 / 6;
    f = f * r + 0.5;
    f = f * r + 1.0;
    f = f * r + 1.0;
    return __builtin_convertvector(f * (vd)(((vu)shifted + 1023) << 52), vf_half);
}

/* x^y as C defines it: a negative base is right with an integer exponent and NaN with another; 0 gives 0 or infinity;
 * x^0 = 1^y = 1. */
INLINE vf vpow(vf x, vf y)
{
    union halves {
        vf whole;
        vf_half half[2];
    } base = {vabs(x)}, exponent = {y}, result;
    result.half[0] = vpow_half(base.half[0], exponent.half[0]);
    result.half[1] = vpow_half(base.half[1], exponent.half[1]);
    vf power = result.whole;
    /* Floats from 2^24 on are even integers. */
    vi large = vabs(y) >= 16777216.0f;
    vi whole = __builtin_convertvector(vselect(large, vzero(), y), vi);
    vi integer = __builtin_convertvector(whole, vf) == y;
    vi negative = (vi)x < 0;
    power = (vf)((vi)power ^ ((negative & integer & ~large) & (whole << 31)));
    power = vselect((x < 0.0f) & (x > -INFINITY) & ~(integer | large), vset(NAN), power);
    vi minus_one_to_infinity = (x == -1.0f) & (vabs(y) == INFINITY);
    return vselect((y == 0.0f) | (x == 1.0f) | minus_one_to_infinity, vset(1), power);
}

INLINE vf vsigmoid(vf x)
{
    return 1.0f / (1.0f + vexp(-x));
}

/* Near zero an odd polynomial, so that the relative error stays small there too; else 1 - 2 / (e^2x + 1). */
INLINE vf vtanh(vf x)
{
    vf a = vabs(x), s = x * x;
    vf p = vset(-5.70498872745e-3f);
    p = p * s + 2.06390887954e-2f;
    p = p * s + -5.37397155531e-2f;
    p = p * s + 1.33314422036e-1f;
    p = p * s + -3.33332819422e-1f;
    vf near = x + x * s * p;
    vf far = 1.0f - 2.0f / (vexp(a + a) + 1.0f);
    vi sign = (vi)x & (int32_t)0x80000000;
    return vselect(a < 0.625f, near, (vf)((vi)far | sign));
}

/* |x| < 1: x times a polynomial in x^2; beyond: 1 - exp(polynomial in |x|), fitted to log erfc on [1, 4]. */
INLINE vf verf(vf x)
{
    vf a = vabs(x), s = x * x;
    vf p = vset(7.933422602945939e-05f);
    p = p * s + -0.0008034828351810575f;
    p = p * s + 0.0051912167109549046f;
    p = p * s + -0.02685539796948433f;
    p = p * s + 0.11283625662326813f;
    p = p * s + -0.3761262893676758f;
    p = p * s + 1.128379225730896f;
    vf near = x * p;
    vf b = vmin(vset(4.0f), a);
    vf q = vset(1.6140494381033932e-06f);
    q = q * b + -4.559039371088147e-05f;
    q = q * b + 0.0005927677266299725f;
    q = q * b + -0.004740214440971613f;
    q = q * b + 0.026364697143435478f;
    q = q * b + -0.10997821390628815f;
    q = q * b + -0.6319371461868286f;
    q = q * b + -1.1301666498184204f;
    q = q * b + 0.0003032090899068862f;
    vf far = 1.0f - vexp(q);
    vi sign = (vi)x & (int32_t)0x80000000;
    return vselect(a < 1.0f, near, (vf)((vi)far | sign));
}

#endif
