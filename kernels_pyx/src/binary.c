/* Two-operand arithmetic with broadcasting, and an activation behind it.
 *
 *   f32_binary_same        a and b alike, [outer][rows][row] (see unary.c for how layouts map to it)
 *   f32_binary_scalar      b is one number
 *   f32_binary_channel_*   b is one number per channel, [n or 1][c]: b_image is its step between images (0: shared);
 *                          for blocks b is in blocks too, [n or 1][c / b][b]
 *   f32_binary_nd          row-major y of 6 dimensions d0..d5, a and b with free steps (0 where broadcast)
 *
 * `swap` computes b op a.  a may be y.  Threads cut rows. */
#include "element.h"

/* The values of the field `op`; kernels_pyx/__init__.py has the same list. */
enum { OP_ADD, OP_SUB, OP_MUL, OP_DIV, OP_MAX, OP_MIN, OP_POW, OPS };

INLINE float maximum(float a, float b)
{
    return a > b || a != a ? a : b; /* NaN wins, as in NumPy */
}

INLINE float minimum(float a, float b)
{
    return a < b || a != a ? a : b;
}

/* y[i] = a[i * a_step] op b[i * b_step]: loops for steps (1, 1), (1, 0), (0, 1) that vectorise, and any other. */
typedef void row_function(float *y, const float *a, int64_t a_step, const float *b, int64_t b_step, int64_t count);

#define ROW(name, expression)                                                                                   \
    static void row_##name(float *y, const float *a, int64_t a_step, const float *b, int64_t b_step, int64_t count) \
    {                                                                                                           \
        if (a_step == 1 && b_step == 1)                                                                         \
            for (int64_t i = 0; i < count; i++) {                                                               \
                float p = a[i], q = b[i];                                                                       \
                y[i] = expression;                                                                              \
            }                                                                                                   \
        else if (a_step == 1 && b_step == 0) {                                                                  \
            float q = *b;                                                                                       \
            for (int64_t i = 0; i < count; i++) {                                                               \
                float p = a[i];                                                                                 \
                y[i] = expression;                                                                              \
            }                                                                                                   \
        } else if (a_step == 0 && b_step == 1) {                                                                \
            float p = *a;                                                                                       \
            for (int64_t i = 0; i < count; i++) {                                                               \
                float q = b[i];                                                                                 \
                y[i] = expression;                                                                              \
            }                                                                                                   \
        } else                                                                                                  \
            for (int64_t i = 0; i < count; i++) {                                                               \
                float p = a[i * a_step], q = b[i * b_step];                                                     \
                y[i] = expression;                                                                              \
            }                                                                                                   \
    }

ROW(add, p + q)
ROW(sub, p - q)
ROW(mul, p *q)
ROW(div, p / q)
ROW(max, maximum(p, q))
ROW(min, minimum(p, q))

/* `count` <= VF numbers, step apart. */
INLINE vf load_strided(const float *p, int64_t step, int64_t count)
{
    if (step == 0)
        return vset(*p);
    if (step == 1)
        return count == VF ? vload(p) : vload_part(p, count);
    vf v = vzero();
    for (int64_t i = 0; i < count; i++)
        v[i] = p[i * step];
    return v;
}

/* The exponents that models use (squares, roots, reciprocals) need no logarithm. */
static void row_pow(float *y, const float *a, int64_t a_step, const float *b, int64_t b_step, int64_t count)
{
    float q = *b;
    if (b_step == 0 && q == 2)
        for (int64_t i = 0; i < count; i++)
            y[i] = a[i * a_step] * a[i * a_step];
    else if (b_step == 0 && q == 1)
        for (int64_t i = 0; i < count; i++)
            y[i] = a[i * a_step];
    else if (b_step == 0 && q == -1)
        for (int64_t i = 0; i < count; i++)
            y[i] = 1 / a[i * a_step];
    else if (b_step == 0 && q == 0.5f)
        for (int64_t i = 0; i < count; i++) {
            float p = a[i * a_step];
            y[i] = p == -INFINITY ? INFINITY : sqrtf(p) + 0.0f; /* as in C: -0 gives 0, -infinity infinity */
        }
    else
        for (int64_t i = 0; i < count; i += VF) {
            int64_t here = min64(VF, count - i);
            vf v = vpow(load_strided(a + i * a_step, a_step, here), load_strided(b + i * b_step, b_step, here));
            if (here == VF)
                vstore(y + i, v);
            else
                vstore_part(y + i, v, here);
        }
}

static row_function *const row_functions[OPS] = {row_add, row_sub, row_mul, row_div, row_max, row_min, row_pow};

struct binary {
    row_function *row;
    int swap;
    int64_t act;
    float act_a, act_b;
};

#define BINARY(a) {row_functions[(a)->op], (a)->swap != 0, (a)->act, (a)->act_a, (a)->act_b}

enum {
    CHUNK = 2048,   /* floats that stay in L1 between the operation and the activation */
    REPEATED = 1024 /* floats of a per-channel operand laid out for several pixels */
};

static void binary_row(const struct binary *o, element *y, const element *a, int64_t a_step, const element *b,
                       int64_t b_step, int64_t count)
{
    float room[3][ROW_ROOM];
    for (int64_t i = 0; i < count; i += CHUNK) {
        int64_t here = min64(CHUNK, count - i);
        const float *p = row_in(room[0], a + i * a_step, a_step, here), *q = row_in(room[1], b + i * b_step, b_step, here);
        float *to = row_for(room[2], y + i);
        if (o->swap)
            o->row(to, q, b_step, p, a_step, here);
        else
            o->row(to, p, a_step, q, b_step, here);
        if (o->act != ACT_NONE)
            act_apply(to, to, here, o->act, o->act_a, o->act_b);
        row_out(y + i, to, here);
    }
}

#define OPERANDS(X, S) X(S, REF, a) X(S, REF, b) X(S, REF, y) X(S, INT, op) X(S, INT, swap)
#define SAME_FIELDS(X, S) OPERANDS(X, S) X(S, INT, outer) X(S, INT, rows) X(S, INT, row) SPLIT_FIELD(X, S) ACT_FIELDS(X, S)
KERNEL_ARGS(same, SAME_FIELDS)

INLINE void binary_alike(const struct same *a, char *const *bases, int tid, int nthreads, int64_t b_step)
{
    const element *x = RESOLVE(const element, a->a), *b = RESOLVE(const element, a->b);
    element *y = RESOLVE(element, a->y);
    struct binary o = BINARY(a);
    struct spans s = share_spans(a->split, a->outer, a->rows, a->row, tid, nthreads);
    for (int64_t i = 0, at = s.first; i < s.count; i++, at += s.step)
        binary_row(&o, y + at, x + at, 1, b + at * b_step, b_step, s.length);
}

static void binary_same(const void *args, char *const *bases, int tid, int nthreads)
{
    binary_alike(args, bases, tid, nthreads, 1);
}

static void binary_scalar(const void *args, char *const *bases, int tid, int nthreads)
{
    binary_alike(args, bases, tid, nthreads, 0);
}

#define CHANNEL_FIELDS(X, S) \
    OPERANDS(X, S) X(S, INT, n) X(S, INT, c) X(S, INT, h) X(S, INT, w) X(S, INT, b_image) SPLIT_FIELD(X, S) \
    ACT_FIELDS(X, S)
KERNEL_ARGS(channel, CHANNEL_FIELDS)

#ifndef PLAIT_NARROW
static void binary_channel_nchw(const void *args, char *const *bases, int tid, int nthreads)
{
    const struct channel *a = args;
    const element *x = RESOLVE(const element, a->a), *b = RESOLVE(const element, a->b);
    element *y = RESOLVE(element, a->y);
    struct binary o = BINARY(a);
    struct block_range part = share_block(a->split, a->n * a->c, a->h, a->w, tid, nthreads);
    int64_t whole = part.row.end - part.row.begin == a->w;
    for (int64_t nc = part.outer.begin; nc < part.outer.end; nc++) {
        const element *scalar = b + nc / a->c * a->b_image + nc % a->c;
        if (whole) { /* whole rows lie side by side */
            int64_t at = (nc * a->h + part.rows.begin) * a->w;
            binary_row(&o, y + at, x + at, 1, scalar, 0, (part.rows.end - part.rows.begin) * a->w);
            continue;
        }
        for (int64_t r = part.rows.begin; r < part.rows.end; r++) {
            int64_t at = (nc * a->h + r) * a->w + part.row.begin;
            binary_row(&o, y + at, x + at, 1, scalar, 0, part.row.end - part.row.begin);
        }
    }
}

#endif

/* Images of [h][w][lanes] and a row of lanes for each: NHWC, or blocks of channels. */
static void by_lanes(const struct channel *a, char *const *bases, int tid, int nthreads, int64_t blocks, int64_t lanes)
{
    const element *x = RESOLVE(const element, a->a), *b = RESOLVE(const element, a->b);
    element *y = RESOLVE(element, a->y);
    struct binary o = BINARY(a);
    /* Short rows of lanes are repeated for several pixels, so that a call has enough to do. */
    element repeated[REPEATED];
    int64_t pixels = max64(1, min64(REPEATED / lanes, a->w));
    struct block_range part = share_block(a->split, a->n * blocks, a->h, a->w, tid, nthreads);
    for (int64_t nb = part.outer.begin; nb < part.outer.end; nb++) {
        const element *vector = b + nb / blocks * a->b_image + nb % blocks * lanes;
        if (pixels > 1) {
            for (int64_t p = 0; p < pixels; p++)
                memcpy(repeated + p * lanes, vector, (size_t)lanes * sizeof *vector);
            vector = repeated;
        }
        for (int64_t r = part.rows.begin; r < part.rows.end; r++) {
            for (int64_t w = part.row.begin; w < part.row.end; w += pixels) {
                int64_t at = ((nb * a->h + r) * a->w + w) * lanes;
                binary_row(&o, y + at, x + at, 1, vector, 1, min64(pixels, part.row.end - w) * lanes);
            }
        }
    }
}

static void binary_channel_nhwc(const void *args, char *const *bases, int tid, int nthreads)
{
    by_lanes(args, bases, tid, nthreads, 1, ((const struct channel *)args)->c);
}

static void binary_channel_blocked(const void *args, char *const *bases, int tid, int nthreads)
{
    by_lanes(args, bases, tid, nthreads, ceil_div(((const struct channel *)args)->c, BLOCK), BLOCK);
}

#ifndef PLAIT_NARROW
#define DIMS(X, S, p) X(S, INT, p##0) X(S, INT, p##1) X(S, INT, p##2) X(S, INT, p##3) X(S, INT, p##4) X(S, INT, p##5)
#define ND_FIELDS(X, S) OPERANDS(X, S) DIMS(X, S, d) DIMS(X, S, a_step) DIMS(X, S, b_step) ACT_FIELDS(X, S)
KERNEL_ARGS(nd, ND_FIELDS)

static void binary_nd(const void *args, char *const *bases, int tid, int nthreads)
{
    const struct nd *a = args;
    const element *x = RESOLVE(const element, a->a), *b = RESOLVE(const element, a->b);
    element *y = RESOLVE(element, a->y);
    struct binary o = BINARY(a);
    struct range rows = share(a->d0 * a->d1 * a->d2 * a->d3 * a->d4, tid, nthreads);
    for (int64_t r = rows.begin; r < rows.end; r++) {
        int64_t i4 = r % a->d4, i3 = r / a->d4 % a->d3, i2 = r / (a->d4 * a->d3) % a->d2;
        int64_t i1 = r / (a->d4 * a->d3 * a->d2) % a->d1, i0 = r / (a->d4 * a->d3 * a->d2 * a->d1);
        const element *from_a = x + i0 * a->a_step0 + i1 * a->a_step1 + i2 * a->a_step2 + i3 * a->a_step3 + i4 * a->a_step4;
        const element *from_b = b + i0 * a->b_step0 + i1 * a->b_step1 + i2 * a->b_step2 + i3 * a->b_step3 + i4 * a->b_step4;
        binary_row(&o, y + r * a->d5, from_a, a->a_step5, from_b, a->b_step5, a->d5);
    }
}

#endif

static const struct kernel kernels[] = {
#if PLAIT_BLOCK == 16
    KERNEL(ELEMENT "_binary_same", binary_same, NULL, same),
    KERNEL(ELEMENT "_binary_scalar", binary_scalar, NULL, same),
#endif
    PLAIN(KERNEL("f32_binary_channel_nchw", binary_channel_nchw, NULL, channel))
    PLAIN(KERNEL("f32_binary_channel_nhwc", binary_channel_nhwc, NULL, channel))
    KERNEL(ELEMENT "_binary_channel_" BLOCKED, binary_channel_blocked, NULL, channel),
    PLAIN(KERNEL("f32_binary_nd", binary_nd, NULL, nd))
};
FAMILY(binary, kernels)
