/* Integers of 8 bits in vectors of int32 and float32, and the change of scale that ends kernels on them.
 *
 * Stored activations are unsigned bytes, weights signed ones (docs/design/quantization.md).  A result is
 *     v = f32(acc) * scale [+ f32(r - zr) * res_scale],   y = clip(rint(v), low - zero, high - zero) + zero
 * with each operation rounded by itself: files that include this are compiled with -ffp-contract=off.  Bounds are whole
 * numbers, so it is the same to clip before rint, or after the zero point was added.  Layers in fixed point have the field
 * `shifts`: their `scale` has int32 multipliers, and so many elements behind them the shifts (fixed_point.h). */
#ifndef PLAIT_QUANT_H
#define PLAIT_QUANT_H

#include "broadcast.h"
#include "fixed_point.h"

typedef uint8_t vb __attribute__((vector_size(VF)));
typedef uint8_t vb_unaligned __attribute__((vector_size(VF), aligned(1), may_alias));
typedef int32_t vi_unaligned __attribute__((vector_size(VF * 4), aligned(4), may_alias));
typedef int16_t vh __attribute__((vector_size(VF * 4)));
typedef uint16_t vu16 __attribute__((vector_size(VF * 4)));

INLINE vi viload(const int32_t *p)
{
    return *(const vi_unaligned *)p;
}

/* Four bytes of each of VF channels; bytes may lie anywhere. */
INLINE vi load_quads(const int8_t *p)
{
    typedef int32_t quads __attribute__((vector_size(VF * 4), aligned(1), may_alias));
    return *(const quads *)p;
}

INLINE void vistore(int32_t *p, vi v)
{
    *(vi_unaligned *)p = v;
}

INLINE vi viset(int32_t s)
{
    return s - (vi){};
}

INLINE vf to_float(vi x)
{
    return __builtin_convertvector(x, vf);
}

/* The nearest integers, ties to even, of numbers that an int32 holds. */
INLINE vi vrint(vf x)
{
#if VF == 16
    return (vi)_mm512_cvtps_epi32(x);
#elif VF == 8
    return (vi)_mm256_cvtps_epi32(x);
#elif defined __SSE2__
    return (vi)_mm_cvtps_epi32(x);
#else /* of less than 2^22: the last bit is worth one when 3 * 2^22 is added */
    return __builtin_convertvector((x + 12582912.0f) - 12582912.0f, vi);
#endif
}

/* VF stored bytes as int32, and back.  GCC would convert bytes from memory one by one. */
INLINE vi q8_load(const uint8_t *p)
{
#if VF == 16
    return (vi)_mm512_cvtepu8_epi32(_mm_loadu_si128((const __m128i_u *)p));
#elif VF == 8
    return (vi)_mm256_cvtepu8_epi32(_mm_loadl_epi64((const __m128i_u *)p));
#elif defined __SSE2__
    __m128i zero = _mm_setzero_si128(), bytes = _mm_cvtsi32_si128(*(const quad *)p);
    return (vi)_mm_unpacklo_epi16(_mm_unpacklo_epi8(bytes, zero), zero);
#else
    return __builtin_convertvector(*(const vb_unaligned *)p, vi);
#endif
}

INLINE vi q8_load_part(const uint8_t *p, int64_t count)
{
#if MASKED(16)
    return (vi)_mm512_cvtepu8_epi32(_mm_maskz_loadu_epi8((__mmask16)((1u << count) - 1), p));
#else
    if (count >= VF)
        return q8_load(p);
    uint8_t part[VF] = {0};
    for (int64_t i = 0; i < VF - 1; i++)
        if (i < count)
            part[i] = p[i];
    return q8_load(part);
#endif
}

/* q in [0, 255] */
INLINE void q8_store(uint8_t *y, vi q)
{
#if VF == 16
    _mm_storeu_si128((__m128i_u *)y, _mm512_cvtepi32_epi8((__m512i)q));
#elif VF == 8
    __m128i words = _mm_packs_epi32(_mm256_castsi256_si128((__m256i)q), _mm256_extracti128_si256((__m256i)q, 1));
    _mm_storel_epi64((__m128i_u *)y, _mm_packus_epi16(words, words));
#elif defined __SSE2__
    __m128i words = _mm_packs_epi32((__m128i)q, (__m128i)q);
    *(quad *)y = _mm_cvtsi128_si32(_mm_packus_epi16(words, words));
#else
    *(vb_unaligned *)y = __builtin_convertvector(q, vb);
#endif
}

INLINE void q8_store_part(uint8_t *y, vi q, int64_t count)
{
#if MASKED(16)
    _mm512_mask_cvtepi32_storeu_epi8(y, (__mmask16)((1u << count) - 1), (__m512i)q);
#else
    if (count >= VF) {
        q8_store(y, q);
        return;
    }
    uint8_t part[VF];
    q8_store(part, q);
    for (int64_t i = 0; i < VF - 1; i++)
        if (i < count)
            y[i] = part[i];
#endif
}

/* Fields of every kernel with 8-bit results: zero point, and the bounds of what is stored. */
#define REQUANT_FIELDS(X, S) X(S, INT, zero) X(S, INT, low) X(S, INT, high)
/* A residual in the layout of the result: its zero point, and its scale over that of the result, as float32. */
#define RESIDUAL_FIELDS(X, S) X(S, INT, res_zero) X(S, FLOAT, res_scale)
/* How scales change: 0 for floats in `scale`; else see above. */
#define SHIFTS_FIELD(X, S) X(S, OPTION, shifts)

struct requant {
    float low, high; /* bounds of rint(v) */
    int plain;       /* zero is 0, and bytes are the only bounds */
    int32_t zero, stored_low, stored_high;
    int32_t res_zero;
    float res_scale;
    int64_t shifts; /* see SHIFTS_FIELD */
};

INLINE struct requant requant_make(int64_t zero, int64_t low, int64_t high)
{
    return (struct requant){
        .low = (float)(low - zero), .high = (float)(high - zero), .plain = zero == 0 && low == 0 && high == 255,
        .zero = (int32_t)zero, .stored_low = (int32_t)low, .stored_high = (int32_t)high,
    };
}

INLINE vf add_residual(vf v, const struct requant *r, vi stored)
{
    return v + to_float(stored - r->res_zero) * r->res_scale;
}

/* What to store for v, as int32. */
INLINE vi requantize(vf v, const struct requant *r)
{
    return vrint(vmin(vset(r->high), vmax(vset(r->low), v))) + r->zero;
}

/* The same of whole numbers. */
INLINE vi requantize_steps(vi steps, const struct requant *r)
{
    vi low = viset(r->stored_low - r->zero), high = viset(r->stored_high - r->zero);
    steps = choose(steps < low, low, steps);
    return choose(steps > high, high, steps) + r->zero;
}

/* The processor's int32 of numbers too small is the least one, of those too large as well: an upper bound comes first. */
INLINE vf below_high(vf v, const struct requant *r)
{
    return vmin(vset(r->high), v);
}

/* Whether no v of these channels is too large for an int32, however large the sums are: most changes of scale make
 * numbers smaller, and then nothing is bounded twice. */
static __attribute__((noinline, unused)) int scales_shrink(const float *scale, int64_t count, float res_scale)
{
    int large = !(res_scale < 1 << 20);
    for (int64_t i = 0; i < count; i++)
        large |= !(scale[i] < 0.5f);
    return !large;
}

/* Results that are worth storing at once: four vectors of numbers of less than 2^31 (see below_high), in 4 * VF bytes, of
 * which the first `count` vectors are written (a constant where this is inlined). */
INLINE void requantize_store4(uint8_t *y, const struct requant *r, int count, vf a, vf b, vf c, vf d)
{
#if VF >= 8
#if VF == 16
#define PACKED(name) _mm512_##name
    typedef __m512i packed;
    const packed order = _mm512_setr_epi32(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15);
#else
#define PACKED(name) _mm256_##name
    typedef __m256i packed;
    const packed order = _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7);
#endif
    packed ab = PACKED(packs_epi32)((packed)vrint(a), (packed)vrint(b));
    packed cd = PACKED(packs_epi32)((packed)vrint(c), (packed)vrint(d));
    packed all;
    if (r->plain) {
        all = PACKED(packus_epi16)(ab, cd);
    } else {
        packed zero = PACKED(set1_epi16)((int16_t)r->zero);
        all = PACKED(packus_epi16)(PACKED(adds_epi16)(ab, zero), PACKED(adds_epi16)(cd, zero));
        all = PACKED(max_epu8)(all, PACKED(set1_epi8)((char)r->stored_low));
        all = PACKED(min_epu8)(all, PACKED(set1_epi8)((char)r->stored_high));
    }
#if VF == 16
    all = _mm512_permutexvar_epi32(order, all);
    if (count == 4)
        _mm512_storeu_si512(y, all);
    else if (count > 1)
        _mm256_storeu_si256((__m256i_u *)y, _mm512_castsi512_si256(all));
    else
        _mm_storeu_si128((__m128i_u *)y, _mm512_castsi512_si128(all));
    if (count == 3)
        _mm_storeu_si128((__m128i_u *)(y + 32), _mm512_extracti32x4_epi32(all, 2));
#else
    all = _mm256_permutevar8x32_epi32(all, order);
    if (count == 4)
        _mm256_storeu_si256((__m256i_u *)y, all);
    else if (count > 1)
        _mm_storeu_si128((__m128i_u *)y, _mm256_castsi256_si128(all));
    else
        _mm_storel_epi64((__m128i_u *)y, _mm256_castsi256_si128(all));
    if (count == 3)
        _mm_storel_epi64((__m128i_u *)(y + 16), _mm256_extracti128_si256(all, 1));
#endif
#undef PACKED
#else
    q8_store(y, requantize(a, r));
    if (count > 1)
        q8_store(y + VF, requantize(b, r));
    if (count > 2)
        q8_store(y + 2 * VF, requantize(c, r));
    if (count > 3)
        q8_store(y + 3 * VF, requantize(d, r));
#endif
}

/* The factors in fixed point of VF channels. */
INLINE struct fixed_factor load_factors(const struct requant *r, const float *scale)
{
    const int32_t *multiplier = (const int32_t *)scale;
    return fixed_factor_make(viload(multiplier), viload(multiplier + r->shifts));
}

/* Pixels of 16 channels whose sums lie in memory, in fixed point. */
static __attribute__((noinline, unused)) void store_fixed(const struct requant *r, const int32_t *sums, int64_t pixels,
                                                          const float *scale, uint8_t *y)
{
    for (int i = 0; i < 16; i += VF) {
        struct fixed_factor f = load_factors(r, scale + i);
        for (int64_t at = i; at < pixels * 16; at += 16)
            q8_store(y + at, requantize_steps(fixed_product(viload(sums + at), f), r));
    }
}

/* A row of results, one by one (see requantize_row). */
static __attribute__((noinline, unused)) void fixed_row(const struct requant *r, const int32_t *acc, int64_t count,
                                                        const int32_t *bias, const float *scale, int step, uint8_t *y)
{
    const int32_t *multiplier = (const int32_t *)scale, *shift = multiplier + r->shifts;
    for (int64_t i = 0; i < count; i += VF) {
        int64_t here = min64(VF, count - i);
        vi sums = {0}, multipliers = sums, shifts = sums;
        for (int64_t j = 0; j < here; j++) {
            int64_t c = step ? i + j : 0;
            sums[j] = acc[i + j] + bias[c];
            multipliers[j] = multiplier[c];
            shifts[j] = shift[c];
        }
        vi steps = fixed_product(sums, fixed_factor_make(multipliers, shifts));
        q8_store_part(y + i, requantize_steps(steps, r), here);
    }
}

/* `count` results whose sums lie in memory.  Bias and scale: one each (step 1), or one for all (step 0).  res may be
 * NULL. */
static __attribute__((noinline, unused)) void requantize_row(const struct requant *r, const int32_t *acc, int64_t count,
                                                             const int32_t *bias, const float *scale, int step,
                                                             const uint8_t *res, uint8_t *y)
{
    if (r->shifts) {
        fixed_row(r, acc, count, bias, scale, step, y);
        return;
    }
    int64_t i = 0;
    for (; i + VF <= count; i += VF) {
        vi sums = viload(acc + i) + (step ? viload(bias + i) : viset(*bias));
        vf v = to_float(sums) * (step ? vload(scale + i) : vset(*scale));
        if (res)
            v = add_residual(v, r, q8_load(res + i));
        q8_store(y + i, requantize(v, r));
    }
    if (i < count) {
        int64_t left = count - i;
        int32_t sums[VF] = {0}, biases[VF] = {0};
        memcpy(sums, acc + i, (size_t)left * sizeof *acc);
        if (step)
            memcpy(biases, bias + i, (size_t)left * sizeof *bias);
        vf v = to_float(viload(sums) + (step ? viload(biases) : viset(*bias)));
        v *= step ? vload_part(scale + i, left) : vset(*scale);
        if (res)
            v = add_residual(v, r, q8_load_part(res + i, left));
        q8_store_part(y + i, requantize(v, r), left);
    }
}

/* Products of four unsigned bytes of a pixel with four signed weights of each of VF channels, added to int32:
 *     acc[c] += x[0] w[c][0] + x[1] w[c][1] + x[2] w[c][2] + x[3] w[c][3]
 * One instruction with VNNI.  Without it the bytes are widened to 16 bits, even and odd ones apart, and no product or sum
 * of two overflows; vpmaddubsw would saturate. */
#if defined __AVX512VNNI__ && VF == 16
typedef vi dot_pixel, dot_weights;

INLINE dot_pixel dot_broadcast(const uint8_t *x)
{
    return broadcast_quad(x);
}

INLINE dot_weights dot_load(const int8_t *w)
{
    return load_quads(w);
}

INLINE vi dot(vi acc, dot_pixel x, dot_weights w)
{
    __asm__("vpdpbusd %2, %1, %0" : "+v"(acc) : "v"(x), "v"(w));
    return acc;
}
#else
typedef struct {
    vi even, odd;
} dot_pixel, dot_weights;

INLINE dot_pixel dot_broadcast(const uint8_t *x)
{
    vi v = viset(*(const quad *)x);
    return (dot_pixel){v & 0x00ff00ff, (vi)((vu16)v >> 8)};
}

INLINE dot_weights dot_load(const int8_t *w)
{
    vh v = (vh)load_quads(w);
    return (dot_weights){(vi)((v << 8) >> 8), (vi)(v >> 8)};
}

/* Products of 16 bits, neighbours added. */
INLINE vi pair_products(vi x, vi w)
{
#if VF == 16
    return (vi)_mm512_madd_epi16((__m512i)x, (__m512i)w);
#elif VF == 8
    return (vi)_mm256_madd_epi16((__m256i)x, (__m256i)w);
#elif defined __SSE2__
    return (vi)_mm_madd_epi16((__m128i)x, (__m128i)w);
#else
    return (x & 0xffff) * ((vi)((vu32)w << 16) >> 16) + (x >> 16) * (w >> 16);
#endif
}

INLINE vi dot(vi acc, dot_pixel x, dot_weights w)
{
    return acc + pair_products(x.even, w.even) + pair_products(x.odd, w.odd);
}
#endif

#endif
