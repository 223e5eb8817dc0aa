/* Floats to bytes and back, a run at a time. */
#ifndef PLAIT_ADAPT_Q8_H
#define PLAIT_ADAPT_Q8_H

#include "quant.h"

#define QUANTIZE_FIELDS(X, S) X(S, FLOAT, scale) REQUANT_FIELDS(X, S) X(S, OPTION, nan) X(S, OPTION, turn)
#define DEQUANTIZE_FIELDS(X, S) X(S, FLOAT, scale) X(S, INT, zero) X(S, OPTION, turn)

enum { TOP_BIT = 0x80 };

struct quantize {
    struct requant to;
    vf scale, inverse;
    vi nan, turn;
    int slow, turned;
};

struct dequantize {
    vf scale;
    vi zero, turn;
};

/* Scales from which quotients within the bounds, and what is left over in computing them, are normal numbers. */
INLINE int is_ordinary(float scale)
{
    return scale > 0x1p-60f && scale < 0x1p60f;
}

INLINE struct quantize quantize_make(float scale, int64_t zero, int64_t low, int64_t high, int64_t nan, int64_t turn)
{
    return (struct quantize){
        requant_make(zero, low, high), vset(scale), vset(1 / scale), viset((int32_t)nan), viset(turn ? TOP_BIT : 0),
        !is_ordinary(scale), turn != 0,
    };
}

#define QUANTIZE(a) quantize_make((a)->scale, (a)->zero, (a)->low, (a)->high, (a)->nan, (a)->turn)
#define DEQUANTIZE(a) {vset((a)->scale), viset((int32_t)(a)->zero), viset((a)->turn ? TOP_BIT : 0)}

/* x / scale, rounded once.  Divisions take twice as long as all the rest, so where there are fused operations the
 * quotient is made from the reciprocal: the first correction brings it within one unit in the last place, and then, by
 * Markstein's theorem (IBM J. Res. Dev. 34, 1990), the second makes it the rounded one.  Numbers whose quotient is
 * out of the bytes' range by far are cut before, so that nothing overflows; in small quotients nothing but the rounding
 * to 0 is wanted. */
INLINE vf quotient(const struct quantize *q, vf x, int slow)
{
#if VF >= 8
    if (!slow) {
        vf most = 1024.0f * q->scale;
        x = vmin(most, vmax(-most, x));
        vf y = x * q->inverse;
#if VF == 16
        y = _mm512_fmadd_ps(_mm512_fnmadd_ps(y, q->scale, x), q->inverse, y);
        return _mm512_fmadd_ps(_mm512_fnmadd_ps(y, q->scale, x), q->inverse, y);
#else
        y = _mm256_fmadd_ps(_mm256_fnmadd_ps(y, q->scale, x), q->inverse, y);
        return _mm256_fmadd_ps(_mm256_fnmadd_ps(y, q->scale, x), q->inverse, y);
#endif
    }
#endif
    return x / q->scale;
}

INLINE vi quantize_vector(const struct quantize *q, vf x, int slow)
{
    vi bytes = requantize(quotient(q, x, slow), &q->to);
    return (vi)vselect(x != x, (vf)q->nan, (vf)bytes) ^ q->turn;
}

#if VF == 16
/* Four vectors by products with the reciprocal alone: for numbers within reach of the bytes these are off by less than
 * 2^-13 steps, which changes nothing unless they lie that close to the middle between two bytes.  Then, and for NaN, 0. */
INLINE int quantize_four(const struct quantize *q, uint8_t *y, const float *x)
{
    vf v[4];
    __mmask16 near = 0;
    for (int i = 0; i < 4; i++) {
        v[i] = vload(x + i * VF) * q->inverse;
        vf rest = _mm512_abs_ps(_mm512_reduce_ps(v[i], _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC));
        near |= _mm512_cmp_ps_mask(rest, vset(0.5f - 0x1p-12f), _CMP_NLT_UQ);
        v[i] = below_high(v[i], &q->to);
    }
    if (near)
        return 0;
    requantize_store4(y, &q->to, 4, v[0], v[1], v[2], v[3]);
    return 1;
}
#endif

INLINE void quantize_run_of(const struct quantize *q, uint8_t *y, const float *x, int64_t count, int slow)
{
    int64_t i = 0;
#if VF == 16
    for (; !slow && !q->turned && i + 4 * VF <= count; i += 4 * VF)
        if (!quantize_four(q, y + i, x + i))
            for (int j = 0; j < 4; j++)
                q8_store(y + i + j * VF, quantize_vector(q, vload(x + i + j * VF), 0));
#endif
    for (; i + VF <= count; i += VF)
        q8_store(y + i, quantize_vector(q, vload(x + i), slow));
    if (i < count)
        q8_store_part(y + i, quantize_vector(q, vload_part(x + i, count - i), slow), count - i);
}

static __attribute__((noinline, unused)) void quantize(const struct quantize *q, uint8_t *y, const float *x,
                                                       int64_t count)
{
    if (q->slow)
        quantize_run_of(q, y, x, count, 1);
    else
        quantize_run_of(q, y, x, count, 0);
}

INLINE vf dequantize_vector(const struct dequantize *d, vi x)
{
    return to_float((x ^ d->turn) - d->zero) * d->scale;
}

static __attribute__((noinline, unused)) void dequantize(const struct dequantize *d, float *y, const uint8_t *x,
                                                         int64_t count)
{
    int64_t i = 0;
    for (; i + VF <= count; i += VF)
        vstore(y + i, dequantize_vector(d, q8_load(x + i)));
    if (i < count)
        vstore_part(y + i, dequantize_vector(d, q8_load_part(x + i, count - i)), count - i);
}

#endif
