/* Sums of products of bytes, four neighbouring pixels at a time: 16 channels of 4 pixels of nchw16c, the 4 bytes of a channel
 * side by side, as vpdpbusd wants them.  Filters (signed) are stored in that order. */
#ifndef PLAIT_TAPS_H
#define PLAIT_TAPS_H

#include "quant.h"

enum { PARTS = 16 / VF, TAPS = 4, TAPS_BYTES = 64 };

/* int32 sums of 16 channels. */
struct sums {
    vi part[PARTS];
};

struct pixel_taps {
    dot_pixel part[PARTS];
};

struct filter_taps {
    dot_weights part[PARTS];
};

/* The pixels of a kernel row that four taps meet: their bytes as they lie in memory. */
#if VF == 16
typedef __m512i four_pixels;
#else
typedef const uint8_t *four_pixels;
#endif

INLINE dot_pixel pixel_part(vi v)
{
#if defined __AVX512VNNI__ && VF == 16
    return v;
#else
    return (dot_pixel){v & 0x00ff00ff, (vi)((vu16)v >> 8)};
#endif
}

INLINE dot_weights filter_part(vi v)
{
#if defined __AVX512VNNI__ && VF == 16
    return v;
#else
    return (dot_weights){(vi)(((vh)v << 8) >> 8), (vi)((vh)v >> 8)};
#endif
}

INLINE struct pixel_taps pixel_taps_of(four_pixels x)
{
    vi parts[PARTS];
#if VF == 16
#if defined __AVX512VBMI__
    static const uint8_t order[TAPS_BYTES] = {
        0, 16, 32, 48, 1, 17, 33, 49, 2,  18, 34, 50, 3,  19, 35, 51, 4,  20, 36, 52, 5,  21, 37, 53, 6,  22, 38, 54, 7,  23, 39, 55,
        8, 24, 40, 56, 9, 25, 41, 57, 10, 26, 42, 58, 11, 27, 43, 59, 12, 28, 44, 60, 13, 29, 45, 61, 14, 30, 46, 62, 15, 31, 47, 63,
    };
    parts[0] = (vi)_mm512_permutexvar_epi8(_mm512_loadu_si512(order), x);
#else
    x = _mm512_permutexvar_epi32(_mm512_setr_epi32(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15), x);
    parts[0] = (vi)_mm512_shuffle_epi8(x, _mm512_set4_epi32(0x0f0b0703, 0x0e0a0602, 0x0d090501, 0x0c080400));
#endif
#elif VF == 8
    __m256i order = _mm256_setr_epi32(0, 4, 2, 6, 1, 5, 3, 7);
    __m256i a = _mm256_permutevar8x32_epi32(_mm256_loadu_si256((const __m256i *)x), order);
    __m256i b = _mm256_permutevar8x32_epi32(_mm256_loadu_si256((const __m256i *)(x + 32)), order);
    __m256i turn = _mm256_broadcastsi128_si256(_mm_setr_epi32(0x0c080400, 0x0d090501, 0x0e0a0602, 0x0f0b0703));
    parts[0] = (vi)_mm256_shuffle_epi8(_mm256_unpacklo_epi64(a, b), turn);
    parts[1] = (vi)_mm256_shuffle_epi8(_mm256_unpackhi_epi64(a, b), turn);
#elif defined __SSE2__
    __m128i p[TAPS];
    for (int i = 0; i < TAPS; i++)
        p[i] = _mm_loadu_si128((const __m128i *)(x + 16 * i));
    __m128i low = _mm_unpacklo_epi8(p[0], p[1]), high = _mm_unpackhi_epi8(p[0], p[1]);
    __m128i low2 = _mm_unpacklo_epi8(p[2], p[3]), high2 = _mm_unpackhi_epi8(p[2], p[3]);
    parts[0] = (vi)_mm_unpacklo_epi16(low, low2);
    parts[1] = (vi)_mm_unpackhi_epi16(low, low2);
    parts[2] = (vi)_mm_unpacklo_epi16(high, high2);
    parts[3] = (vi)_mm_unpackhi_epi16(high, high2);
#else
    uint8_t bytes[TAPS_BYTES];
    for (int c = 0; c < 16; c++)
        for (int p = 0; p < TAPS; p++)
            bytes[TAPS * c + p] = x[16 * p + c];
    memcpy(parts, bytes, sizeof bytes);
#endif
    struct pixel_taps t;
    for (int i = 0; i < PARTS; i++)
        t.part[i] = pixel_part(parts[i]);
    return t;
}

INLINE struct filter_taps load_filter_taps(const int8_t *w)
{
    struct filter_taps t;
    for (int i = 0; i < PARTS; i++)
        t.part[i] = dot_load(w + i * VF * TAPS);
    return t;
}

INLINE struct sums dot_taps(struct sums s, struct pixel_taps x, struct filter_taps w)
{
    for (int i = 0; i < PARTS; i++)
        s.part[i] = dot(s.part[i], x.part[i], w.part[i]);
    return s;
}

/* Which of four neighbouring pixels lie inside a row of `width` pixels, when the first is at `column`. */
struct presence {
    int64_t first, last;
    uint64_t mask; /* a bit for each byte */
};

INLINE struct presence presence_of(int64_t column, int64_t width)
{
    struct presence p = {max64(0, min64(TAPS, -column)), max64(0, min64(TAPS, width - column)), 0};
    if (p.first < p.last)
        p.mask = (~(uint64_t)0 >> (64 - 16 * p.last)) & (~(uint64_t)0 << (16 * p.first));
    return p;
}

INLINE struct pixel_taps load_pixel_taps(const uint8_t *x)
{
#if VF == 16
    return pixel_taps_of(_mm512_loadu_si512(x));
#else
    return pixel_taps_of(x);
#endif
}

/* The same with `zeros` (four pixels of them) in place of those that are not there. */
INLINE struct pixel_taps load_present_taps(const uint8_t *x, const struct presence *p, int inside, const uint8_t *zeros)
{
#if MASKED(16)
    return pixel_taps_of(_mm512_mask_loadu_epi8(_mm512_loadu_si512(zeros), inside ? p->mask : 0, x));
#else
    uint8_t pixels[TAPS_BYTES];
    memcpy(pixels, zeros, sizeof pixels);
    for (int64_t i = p->first; i < p->last && inside; i++)
        memcpy(pixels + 16 * i, x + 16 * i, 16);
    return load_pixel_taps(pixels);
#endif
}

/* How sums become bytes.  `bounded`: no number is too large for an int32 (scales_shrink), or IN_FIXED_POINT. */
enum { IN_FIXED_POINT = 2 };
struct stored_sums {
    struct requant to;
    vf scale[PARTS];
    const float *factors; /* the field `scale` of these channels */
    int bounded;
};

INLINE vf steps_of(const struct stored_sums *s, int bounded, struct sums sums, int part, const uint8_t *res)
{
    vf v = to_float(sums.part[part]) * s->scale[part];
    if (res)
        v = add_residual(v, &s->to, q8_load(res + part * VF));
    return bounded ? v : below_high(v, &s->to);
}

#if VF == 16
/* Rows whose width is no multiple of four end so. */
static __attribute__((noinline)) void store_few(const struct requant *to, int64_t count, uint8_t *y, vf a, vf b, vf c)
{
    if (count == 3)
        requantize_store4(y, to, 3, a, b, c, c);
    else if (count == 2)
        requantize_store4(y, to, 2, a, b, b, b);
    else
        requantize_store4(y, to, 1, a, a, a, a);
}
#endif

/* The first `count` of four neighbouring pixels. */
INLINE void store_four(const struct stored_sums *s, int bounded, int64_t count, struct sums a, struct sums b, struct sums c,
                       struct sums d, const uint8_t *res, uint8_t *y)
{
    struct sums all[4] = {a, b, c, d};
    if (bounded == IN_FIXED_POINT) {
        store_fixed(&s->to, (const int32_t *)all, count, s->factors, y);
        return;
    }
#if VF == 16
    if (!res) {
        vf v0 = steps_of(s, bounded, a, 0, NULL), v1 = steps_of(s, bounded, b, 0, NULL);
        vf v2 = steps_of(s, bounded, c, 0, NULL);
        if (count == 4)
            requantize_store4(y, &s->to, 4, v0, v1, v2, steps_of(s, bounded, d, 0, NULL));
        else
            store_few(&s->to, count, y, v0, v1, v2);
        return;
    }
#endif
    for (int64_t p = 0; p < count; p++)
        for (int i = 0; i < PARTS; i++)
            q8_store(y + 16 * p + i * VF, requantize(steps_of(s, 1, all[p], i, res ? res + 16 * p : NULL), &s->to));
}

#endif
