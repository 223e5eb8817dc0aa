/* One-operand functions of every element: activations (f32_act) and mathematical functions (f32_unary).
 *
 * Any layout: the buffer is [outer][rows][row] floats, where naming the image rows lets threads cut the work as the
 * convolutions do (NCHW: outer n * c, rows h, row w; NHWC: n, h, w * c; blocks of b: n * c / b, h, w * b). x may be y. */
#include "element.h"

#define ROWS_FIELDS(X, S) X(S, REF, x) X(S, REF, y) X(S, INT, outer) X(S, INT, rows) X(S, INT, row) \
    SPLIT_FIELD(X, S)
#define ACT_KERNEL_FIELDS(X, S) ROWS_FIELDS(X, S) ACT_FIELDS(X, S)
#define UNARY_FIELDS(X, S) ROWS_FIELDS(X, S) X(S, INT, function)
KERNEL_ARGS(act_args, ACT_KERNEL_FIELDS)
KERNEL_ARGS(unary_args, UNARY_FIELDS)

/* The values of the field `function`; kernels_pyx/__init__.py has the same list. */
enum { FN_EXP, FN_SQRT, FN_NEG, FN_ABS, FN_LOG, FN_ERF, FN_RECIPROCAL, FN_FLOOR, FN_CEIL };

#define VECTOR_LOOP(expression)                              \
    for (; i + VF <= count; i += VF) {                       \
        vf v = vload(x + i);                                 \
        vstore(y + i, expression);                           \
    }                                                        \
    if (i < count) {                                         \
        vf v = vload_part(x + i, count - i);                 \
        vstore_part(y + i, expression, count - i);           \
    }                                                        \
    break;

static void unary_apply(float *y, const float *x, int64_t count, int64_t function)
{
    int64_t i = 0;
    switch (function) {
    case FN_EXP: VECTOR_LOOP(vexp(v))
    case FN_SQRT: VECTOR_LOOP(vsqrt(v))
    case FN_NEG: VECTOR_LOOP(-v)
    case FN_ABS: VECTOR_LOOP(vabs(v))
    case FN_ERF: VECTOR_LOOP(verf(v))
    case FN_RECIPROCAL: VECTOR_LOOP(1.0f / v)
    case FN_LOG: VECTOR_LOOP(vlog(v))
    case FN_FLOOR:
        for (; i < count; i++)
            y[i] = floorf(x[i]);
        break;
    case FN_CEIL:
        for (; i < count; i++)
            y[i] = ceilf(x[i]);
        break;
    }
}

/* `compute` makes `count` floats at `to` of those at `from`: whole spans, or what there is room for to widen. */
#define FOR_ROWS(s, compute)                                                                    \
    for (int64_t i = 0; i < s.count; i++) {                                                     \
        int64_t begin = s.first + i * s.step, end = begin + s.length, most = NARROW ? ROW_ROOM : s.length; \
        for (int64_t at = begin; at < end; at += most) {                                        \
            float room[2][ROW_ROOM];                                                            \
            int64_t count = min64(most, end - at);                                              \
            const float *from = row_in(room[0], x + at, 1, count);                              \
            float *to = row_for(room[1], y + at);                                               \
            compute;                                                                            \
            row_out(y + at, to, count);                                                         \
        }                                                                                       \
    }

static void act_run(const void *args, char *const *bases, int tid, int nthreads)
{
    const struct act_args *a = args;
    const element *x = RESOLVE(const element, a->x);
    element *y = RESOLVE(element, a->y);
    struct spans s = share_spans(a->split, a->outer, a->rows, a->row, tid, nthreads);
    FOR_ROWS(s, act_apply(to, from, count, a->act, a->act_a, a->act_b))
}

static void unary_run(const void *args, char *const *bases, int tid, int nthreads)
{
    const struct unary_args *a = args;
    const element *x = RESOLVE(const element, a->x);
    element *y = RESOLVE(element, a->y);
    struct spans s = share_spans(a->split, a->outer, a->rows, a->row, tid, nthreads);
    FOR_ROWS(s, unary_apply(to, from, count, a->function))
}

static const struct kernel kernels[] = {
    KERNEL(ELEMENT "_act", act_run, NULL, act_args),
    KERNEL(ELEMENT "_unary", unary_run, NULL, unary_args),
};
FAMILY(unary, kernels)
