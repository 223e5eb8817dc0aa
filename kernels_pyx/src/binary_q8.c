/* Sums, differences and products of two tensors of bytes.
 *
 *   q8_binary_same              a and b alike, [outer][rows][row] (see unary.c for how layouts map to it)
 *   q8_binary_channel_nchw16c   b is one byte per channel, [n or 1][c / 16][16]: b_image is its step between images
 *
 * add, sub: (a - a_zero) * a_scale +- (b - b_zero) * b_scale; mul: (a - a_zero) (b - b_zero) * a_scale, whose a_scale is the
 * product of both.  Scales are over that of the result.  With `fixed_point` they are multipliers and shifts (fixed_point.h): add and
 * sub bring (a - a_zero) 2^20 and (b - b_zero) 2^20 to one scale by those of their own, sums and products go to that of the
 * result by `multiplier` and `shift`.  y may be a or b.  Threads cut rows. */
#include "quant.h"

/* The values of the field `op`, those of binary.c. */
enum { OP_ADD, OP_SUB, OP_MUL };

#define OPERANDS(X, S)                                                                                        \
    X(S, REF, a) X(S, REF, b) X(S, REF, y) X(S, INT, op) X(S, INT, a_zero) X(S, INT, b_zero) X(S, FLOAT, a_scale) \
    X(S, FLOAT, b_scale) REQUANT_FIELDS(X, S) X(S, OPTION, fixed_point) X(S, OPTION, a_multiplier) X(S, OPTION, a_shift)   \
    X(S, OPTION, b_multiplier) X(S, OPTION, b_shift) X(S, OPTION, multiplier) X(S, OPTION, shift)
#define SAME_FIELDS(X, S) OPERANDS(X, S) X(S, INT, outer) X(S, INT, rows) X(S, INT, row) SPLIT_FIELD(X, S)
#define CHANNEL_FIELDS(X, S) \
    OPERANDS(X, S) X(S, INT, n) X(S, INT, c) X(S, INT, h) X(S, INT, w) X(S, INT, b_image) SPLIT_FIELD(X, S)
KERNEL_ARGS(same, SAME_FIELDS)
KERNEL_ARGS(channel, CHANNEL_FIELDS)

struct binary {
    int64_t op;
    int32_t a_zero, b_zero;
    float a_scale, b_scale;
    int large; /* a result may be too large for an int32 */
    struct requant to;
    int64_t fixed_point;
    struct fixed_factor a, b, sum;
};

#define BINARY(a)                                                                                                   \
    {(a)->op, (int32_t)(a)->a_zero, (int32_t)(a)->b_zero, (a)->a_scale, (a)->b_scale,                               \
     !((a)->a_scale < 1 << 14 && (a)->b_scale < 1 << 14), requant_make((a)->zero, (a)->low, (a)->high),             \
     (a)->fixed_point,                                                                                              \
     fixed_factor_of((a)->a_multiplier, (a)->a_shift), fixed_factor_of((a)->b_multiplier, (a)->b_shift),           \
     fixed_factor_of((a)->multiplier, (a)->shift)}

/* Numbers without zero points are of at most 9 bits, so their products are exact in floats. */
INLINE vf combined(int op, const struct binary *o, vf p, vf q)
{
    if (op == OP_MUL)
        return p * q * o->a_scale;
    p *= o->a_scale;
    q *= o->b_scale;
    return op == OP_ADD ? p + q : p - q;
}

/* Four vectors of stored bytes as numbers without their zero point. */
struct four {
    vf part[4];
};

INLINE struct four load_four(const uint8_t *x, int32_t zero)
{
    struct four f;
#if defined __AVX512VBMI__
    /* A byte in the last place of 2^23 is 2^23 more as a float. */
    __m512i bytes = _mm512_loadu_si512(x), order = _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
    __m512i magic = _mm512_set1_epi32(0x4b000000);
    for (int i = 0; i < 4; i++) {
        __m512i from = _mm512_add_epi32(order, _mm512_set1_epi32(i * VF));
        f.part[i] = (vf)_mm512_mask_permutexvar_epi8(magic, 0x1111111111111111, from, bytes) - (8388608.0f + (float)zero);
    }
#else
    for (int i = 0; i < 4; i++)
        f.part[i] = to_float(q8_load(x + i * VF) - zero);
#endif
    return f;
}

INLINE void store_combined(int op, const struct binary *o, int large, uint8_t *y, struct four p, struct four q)
{
    vf v[4];
    for (int i = 0; i < 4; i++) {
        v[i] = combined(op, o, p.part[i], q.part[i]);
        v[i] = large ? below_high(v[i], &o->to) : v[i];
    }
    requantize_store4(y, &o->to, 4, v[0], v[1], v[2], v[3]);
}

/* `b` are as many bytes as `a`, or, if they are repeated, of 4 * VF. */
INLINE void combine(int op, const struct binary *o, int large, int repeated, uint8_t *y, const uint8_t *a, const uint8_t *b,
                    int64_t count)
{
    int64_t i = 0;
    if (count >= 4 * VF) {
        struct four q = load_four(b, o->b_zero);
        for (; i + 4 * VF <= count; i += 4 * VF)
            store_combined(op, o, large, y + i, load_four(a + i, o->a_zero), repeated ? q : load_four(b + i, o->b_zero));
    }
    for (; i < count; i += VF) {
        int64_t here = min64(VF, count - i);
        vi other = q8_load_part(b + (repeated ? i % (4 * VF) : i), here);
        vf v = combined(op, o, to_float(q8_load_part(a + i, here) - o->a_zero), to_float(other - o->b_zero));
        q8_store_part(y + i, requantize(v, &o->to), here);
    }
}

enum { FRACTION = 20 }; /* bits behind the point of the terms of sums in fixed point */

INLINE vi combined_fixed(const struct binary *o, vi a, vi b)
{
    a -= o->a_zero;
    b -= o->b_zero;
    if (o->op == OP_MUL)
        return fixed_product(a * b, o->sum);
    vi p = fixed_product(a << FRACTION, o->a), q = fixed_product(b << FRACTION, o->b);
    return fixed_product(o->op == OP_ADD ? p + q : p - q, o->sum);
}

static void combine_fixed(const struct binary *o, int repeated, uint8_t *y, const uint8_t *a, const uint8_t *b,
                          int64_t count)
{
    for (int64_t i = 0; i < count; i += VF) {
        int64_t here = min64(VF, count - i);
        vi other = q8_load_part(b + (repeated ? i % (4 * VF) : i), here);
        vi steps = combined_fixed(o, q8_load_part(a + i, here), other);
        q8_store_part(y + i, requantize_steps(steps, &o->to), here);
    }
}

INLINE void binary_row(const struct binary *o, int repeated, uint8_t *y, const uint8_t *a, const uint8_t *b, int64_t count)
{
    if (o->fixed_point)
        combine_fixed(o, repeated, y, a, b, count);
    else if (o->large || o->op == OP_SUB)
        combine((int)o->op, o, 1, repeated, y, a, b, count);
    else if (o->op == OP_ADD)
        combine(OP_ADD, o, 0, repeated, y, a, b, count);
    else
        combine(OP_MUL, o, 0, repeated, y, a, b, count);
}

static void binary_same(const void *args, char *const *bases, int tid, int nthreads)
{
    const struct same *a = args;
    const uint8_t *x = RESOLVE(const uint8_t, a->a), *b = RESOLVE(const uint8_t, a->b);
    uint8_t *y = RESOLVE(uint8_t, a->y);
    struct binary o = BINARY(a);
    struct spans s = share_spans(a->split, a->outer, a->rows, a->row, tid, nthreads);
    for (int64_t i = 0, at = s.first; i < s.count; i++, at += s.step)
        binary_row(&o, 0, y + at, x + at, b + at, s.length);
}

static void binary_channel(const void *args, char *const *bases, int tid, int nthreads)
{
    const struct channel *a = args;
    const uint8_t *x = RESOLVE(const uint8_t, a->a), *b = RESOLVE(const uint8_t, a->b);
    uint8_t *y = RESOLVE(uint8_t, a->y), repeated[4 * VF > BLOCK ? 4 * VF : BLOCK];
    struct binary o = BINARY(a);
    int64_t blocks = ceil_div(a->c, BLOCK);
    struct block_range part = share_block(a->split, a->n * blocks, a->h, a->w, tid, nthreads);
    for (int64_t nb = part.outer.begin; nb < part.outer.end; nb++) {
        for (size_t p = 0; p < sizeof repeated; p += BLOCK)
            memcpy(repeated + p, b + nb / blocks * a->b_image + nb % blocks * BLOCK, BLOCK);
        int64_t width = part.row.end - part.row.begin, whole = width == a->w;
        int64_t end = whole ? part.rows.begin + 1 : part.rows.end, rows = part.rows.end - part.rows.begin;
        for (int64_t r = part.rows.begin; r < end; r++) {
            int64_t at = ((nb * a->h + r) * a->w + part.row.begin) * BLOCK;
            binary_row(&o, 1, y + at, x + at, repeated, (whole ? rows : 1) * width * BLOCK);
        }
    }
}

static const struct kernel kernels[] = {
    KERNEL("q8_binary_same", binary_same, NULL, same),
    KERNEL("q8_binary_channel_nchw16c", binary_channel, NULL, channel),
};
FAMILY(binary_q8, kernels)
