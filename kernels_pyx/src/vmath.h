/* exp, tanh, erf and their kin over vectors; relative error about 2e-7 unless said otherwise. */
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
