/* Tables of 256 bytes: y[i] = table[x[i]].
 *
 * With VBMI the table lies in four registers.  With byte shuffles alone, of 16 entries each: a shuffle gives 0 for bytes
 * whose top bit is set, so eight shuffles by x, x - 16, x - 32, ... of tables each combined (xor) with the one before leave
 * the right entry for x < 128, and eight more by x - 128 the others. */
#ifndef PLAIT_LOOKUP_H
#define PLAIT_LOOKUP_H

#include "quant.h"

#if defined __AVX512VBMI__

struct lookup_table {
    const uint8_t *bytes;
    __m512i part[4];
};
enum { LOOKUP_WIDTH = 64 };
typedef __m512i lookup_vector;

INLINE struct lookup_table lookup_make(const uint8_t *table)
{
    struct lookup_table t = {.bytes = table};
    for (int i = 0; i < 4; i++)
        t.part[i] = _mm512_loadu_si512(table + 64 * i);
    return t;
}

INLINE __m512i lookup_in_vector(const struct lookup_table *t, __m512i x)
{
    __m512i low = _mm512_permutex2var_epi8(t->part[0], x, t->part[1]);
    __m512i high = _mm512_permutex2var_epi8(t->part[2], x, t->part[3]);
    return _mm512_mask_mov_epi8(low, _mm512_movepi8_mask(x), high);
}

INLINE void lookup_whole(const struct lookup_table *t, uint8_t *y, const uint8_t *x)
{
    _mm512_storeu_si512(y, lookup_in_vector(t, _mm512_loadu_si512(x)));
}

#elif VF >= 8

#if VF == 16
enum { LOOKUP_WIDTH = 64 };
typedef __m512i lookup_vector;
#define LOOKUP(name) _mm512_##name
#define LOOKUP_XOR _mm512_xor_si512
#define LOOKUP_REPEAT(v) _mm512_broadcast_i32x4(v)
#else
enum { LOOKUP_WIDTH = 32 };
typedef __m256i lookup_vector;
#define LOOKUP(name) _mm256_##name
#define LOOKUP_XOR _mm256_xor_si256
#define LOOKUP_REPEAT(v) _mm256_broadcastsi128_si256(v)
#endif

struct lookup_table {
    const uint8_t *bytes;
    __m128i part[16];
};

INLINE struct lookup_table lookup_make(const uint8_t *table)
{
    struct lookup_table t = {.bytes = table};
    for (int i = 0; i < 16; i++) {
        t.part[i] = _mm_loadu_si128((const __m128i *)(table + 16 * i));
        if (i % 8)
            t.part[i] = _mm_xor_si128(t.part[i], _mm_loadu_si128((const __m128i *)(table + 16 * (i - 1))));
    }
    return t;
}

INLINE lookup_vector lookup_half(const __m128i *part, lookup_vector x)
{
    lookup_vector y = LOOKUP(shuffle_epi8)(LOOKUP_REPEAT(part[0]), x), sixteen = LOOKUP(set1_epi8)(16);
    for (int i = 1; i < 8; i++) {
        x = LOOKUP(subs_epi8)(x, sixteen);
        y = LOOKUP_XOR(y, LOOKUP(shuffle_epi8)(LOOKUP_REPEAT(part[i]), x));
    }
    return y;
}

INLINE void lookup_whole(const struct lookup_table *t, uint8_t *y, const uint8_t *x)
{
    lookup_vector v;
    memcpy(&v, x, sizeof v);
    lookup_vector turned = LOOKUP_XOR(v, LOOKUP(set1_epi8)((char)0x80));
    v = LOOKUP_XOR(lookup_half(t->part, v), lookup_half(t->part + 8, turned));
    memcpy(y, &v, sizeof v);
}

#else

struct lookup_table {
    const uint8_t *bytes;
};
enum { LOOKUP_WIDTH = 4 };

INLINE struct lookup_table lookup_make(const uint8_t *table)
{
    return (struct lookup_table){table};
}

INLINE void lookup_whole(const struct lookup_table *t, uint8_t *y, const uint8_t *x)
{
    uint8_t a = t->bytes[x[0]], b = t->bytes[x[1]], c = t->bytes[x[2]], d = t->bytes[x[3]];
    y[0] = a;
    y[1] = b;
    y[2] = c;
    y[3] = d;
}

#endif

static __attribute__((noinline, unused)) void lookup_bytes(const struct lookup_table *t, uint8_t *y, const uint8_t *x,
                                                           int64_t count)
{
    int64_t i = 0;
    for (; i + LOOKUP_WIDTH <= count; i += LOOKUP_WIDTH)
        lookup_whole(t, y + i, x + i);
    for (; i < count; i++)
        y[i] = t->bytes[x[i]];
}

#endif
