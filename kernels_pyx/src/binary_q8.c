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
    struct requant to;
    int64_t fixed_point;
    struct fixed_factor a, b, sum;
};

#define BINARY(a)                                                                                                   \
    {(a)->op, (int32_t)(a)->a_zero, (int32_t)(a)->b_zero, (a)->a_scale, (a)->b_scale,                               \
     requant_make((a)->zero, (a)->low, (a)->high), (a)->fixed_point,                                                \
     fixed_factor_of((a)->a_multiplier, (a)->a_shift), fixed_factor_of((a)->b_multiplier, (a)->b_shift),           \
     fixed_factor_of((a)->multiplier, (a)->shift)}

/* Numbers without zero points are of at most 9 bits, so their products are exact in floats. */
INLINE vf combined(int op, const struct binary *o, vi a, vi b)
{
    vf p = to_float(a - o->a_zero), q = to_float(b - o->b_zero);
    if (op == OP_MUL)
        return p * q * o->a_scale;
    p *= o->a_scale;
    q *= o->b_scale;
    return op == OP_ADD ? p + q : p - q;
}

INLINE void combine(int op, const struct binary *o, uint8_t *y, const uint8_t *a, const uint8_t *b, int64_t count)
{
    int64_t i = 0;
    for (; i + 4 * VF <= count; i += 4 * VF) {
        vf v[4];
        for (int j = 0; j < 4; j++)
            v[j] = below_high(combined(op, o, q8_load(a + i + j * VF), q8_load(b + i + j * VF)), &o->to);
        requantize_store4(y + i, &o->to, 4, v[0], v[1], v[2], v[3]);
    }
    for (; i < count; i += VF) {
        int64_t here = min64(VF, count - i);
        vf v = combined(op, o, q8_load_part(a + i, here), q8_load_part(b + i, here));
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

static void combine_fixed(const struct binary *o, uint8_t *y, const uint8_t *a, const uint8_t *b, int64_t count)
{
    for (int64_t i = 0; i < count; i += VF) {
        int64_t here = min64(VF, count - i);
        vi steps = combined_fixed(o, q8_load_part(a + i, here), q8_load_part(b + i, here));
        q8_store_part(y + i, requantize_steps(steps, &o->to), here);
    }
}

static void binary_row(const struct binary *o, uint8_t *y, const uint8_t *a, const uint8_t *b, int64_t count)
{
    if (o->fixed_point) {
        combine_fixed(o, y, a, b, count);
        return;
    }
    switch (o->op) {
    case OP_ADD: combine(OP_ADD, o, y, a, b, count); break;
    case OP_SUB: combine(OP_SUB, o, y, a, b, count); break;
    default: combine(OP_MUL, o, y, a, b, count);
    }
}

static void binary_same(const void *args, char *const *bases, int tid, int nthreads)
{
    const struct same *a = args;
    const uint8_t *x = RESOLVE(const uint8_t, a->a), *b = RESOLVE(const uint8_t, a->b);
    uint8_t *y = RESOLVE(uint8_t, a->y);
    struct binary o = BINARY(a);
    struct spans s = share_spans(a->split, a->outer, a->rows, a->row, tid, nthreads);
    for (int64_t i = 0, at = s.first; i < s.count; i++, at += s.step)
        binary_row(&o, y + at, x + at, b + at, s.length);
}

enum { REPEATED = 64 }; /* pixels that the operand of a block is laid out for */

static void binary_channel(const void *args, char *const *bases, int tid, int nthreads)
{
    const struct channel *a = args;
    const uint8_t *x = RESOLVE(const uint8_t, a->a), *b = RESOLVE(const uint8_t, a->b);
    uint8_t *y = RESOLVE(uint8_t, a->y), repeated[REPEATED * BLOCK];
    struct binary o = BINARY(a);
    int64_t blocks = ceil_div(a->c, BLOCK);
    struct block_range part = share_block(a->split, a->n * blocks, a->h, a->w, tid, nthreads);
    for (int64_t nb = part.outer.begin; nb < part.outer.end; nb++) {
        for (int p = 0; p < REPEATED; p++)
            memcpy(repeated + p * BLOCK, b + nb / blocks * a->b_image + nb % blocks * BLOCK, BLOCK);
        for (int64_t r = part.rows.begin; r < part.rows.end; r++) {
            for (int64_t w = part.row.begin; w < part.row.end; w += REPEATED) {
                int64_t at = ((nb * a->h + r) * a->w + w) * BLOCK;
                binary_row(&o, y + at, x + at, repeated, min64(REPEATED, part.row.end - w) * BLOCK);
            }
        }
    }
}

static const struct kernel kernels[] = {
    KERNEL("q8_binary_same", binary_same, NULL, same),
    KERNEL("q8_binary_channel_nchw16c", binary_channel, NULL, channel),
};
FAMILY(binary_q8, kernels)
