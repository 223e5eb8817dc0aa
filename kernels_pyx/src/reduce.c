/* Sum, mean, maximum, minimum over the middle axis of [outer][n][inner].
 *
 * With inner = 1 rows are contiguous, else vectors run along inner.  Threads cut outer, or inner where outer is small;
 * the reduced axis is never cut. */
#include "isa.h"

#define REDUCE_FIELDS(X, S) \
    X(S, REF, x) X(S, REF, y) X(S, INT, outer) X(S, INT, n) X(S, INT, inner) X(S, INT, op)
KERNEL_ARGS(reduce, REDUCE_FIELDS)

/* The values of the field `op`; kernels_pyx/__init__.py has the same list. */
enum { REDUCE_SUM, REDUCE_MEAN, REDUCE_MAX, REDUCE_MIN };

INLINE vf combine(vf acc, vf x, int64_t op)
{
    return op == REDUCE_MAX ? vmax(acc, x) : op == REDUCE_MIN ? vmin(acc, x) : acc + x;
}

INLINE float combine_one(float acc, float x, int64_t op)
{
    /* NaN wins, as in NumPy. */
    return op == REDUCE_MAX   ? (acc > x || acc != acc ? acc : x)
           : op == REDUCE_MIN ? (acc < x || acc != acc ? acc : x)
                              : acc + x;
}

INLINE float start_value(int64_t op)
{
    return op == REDUCE_MAX ? -INFINITY : op == REDUCE_MIN ? INFINITY : 0;
}

INLINE float reduce_row(const float *x, int64_t n, int64_t op)
{
    vf v0 = vset(start_value(op)), v1 = v0;
    nan_mask seen = no_nan;
    int extreme = op == REDUCE_MAX || op == REDUCE_MIN;
    int64_t i = 0;
    for (; i + 2 * VF <= n; i += 2 * VF) {
        vf x0 = vload(x + i), x1 = vload(x + i + VF);
        v0 = combine(v0, x0, op);
        v1 = combine(v1, x1, op);
        seen |= nan_in(x0, x1);
    }
    v0 = combine(v0, v1, op);
    v0 = extreme ? nan_where(seen, v0) : v0;
    float acc = v0[0];
    for (int k = 1; k < VF; k++)
        acc = combine_one(acc, v0[k], op);
    for (; i < n; i++)
        acc = combine_one(acc, x[i], op);
    return acc;
}

INLINE void reduce_with(const struct reduce *a, const float *x, float *y, int64_t op, int tid, int nthreads)
{
    float scale = a->op == REDUCE_MEAN ? 1.0f / (float)a->n : 1.0f;
    if (a->inner == 1) {
        struct range rows = share(a->outer, tid, nthreads);
        for (int64_t r = rows.begin; r < rows.end; r++)
            y[r] = reduce_row(x + r * a->n, a->n, op) * scale;
        return;
    }
    int64_t groups = ceil_div(a->inner, VF);
    struct range work = share(a->outer * groups, tid, nthreads);
    for (int64_t g = work.begin; g < work.end; g++) {
        int64_t column = g % groups * VF, lanes = min64(VF, a->inner - column);
        const float *from = x + g / groups * a->n * a->inner + column;
        vf acc = vset(start_value(op));
        nan_mask seen = no_nan;
        for (int64_t i = 0; i < a->n; i++) {
            vf v = lanes == VF ? vload(from + i * a->inner) : vload_part(from + i * a->inner, lanes);
            acc = combine(acc, v, op);
            seen |= nan_in(v, v);
        }
        acc = op == REDUCE_MAX || op == REDUCE_MIN ? nan_where(seen, acc) : acc;
        vstore_part(y + g / groups * a->inner + column, acc * scale, lanes);
    }
}

static void reduce_run(const void *args, char *const *bases, int tid, int nthreads)
{
    const struct reduce *a = args;
    const float *x = RESOLVE(const float, a->x);
    float *y = RESOLVE(float, a->y);
    switch (a->op) {
    case REDUCE_MAX: reduce_with(a, x, y, REDUCE_MAX, tid, nthreads); break;
    case REDUCE_MIN: reduce_with(a, x, y, REDUCE_MIN, tid, nthreads); break;
    default: reduce_with(a, x, y, REDUCE_SUM, tid, nthreads);
    }
}

static const struct kernel kernels[] = {
    KERNEL("f32_reduce", reduce_run, NULL, reduce),
};
FAMILY(reduce, kernels)
