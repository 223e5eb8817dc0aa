/* Activations, and the epilogue that all convolution and product kernels share: (acc + bias) + residual, then act. */
#ifndef PLAIT_ACT_H
#define PLAIT_ACT_H

#include "isa.h"
#include "vmath.h"

/* The values of the field `act`; kernels_pyx/__init__.py has the same list. */
enum act {
    ACT_NONE,
    ACT_RELU,
    ACT_CLIP,         /* min(max(x, a), b) */
    ACT_HARD_SWISH,   /* x * min(max(x / 6 + 1/2, 0), 1) */
    ACT_HARD_SIGMOID, /* min(max(a x + b, 0), 1) */
    ACT_SIGMOID,
    ACT_SILU,         /* x sigmoid(x) */
    ACT_LEAKY_RELU,   /* x < 0 ? a x : x */
    ACT_TANH,
    ACT_ELU,          /* x < 0 ? a (e^x - 1) : x */
    ACT_GELU,         /* x / 2 (1 + erf(x / sqrt 2)) */
};

INLINE vf vhard_swish(vf x)
{
    return x * vmin(vset(1), vmax(vzero(), x * (1.0f / 6) + 0.5f));
}

INLINE vf vact(vf x, int64_t act, float a, float b)
{
    switch (act) {
    case ACT_RELU: return vmax(vzero(), x);
    case ACT_CLIP: return vmin(vset(b), vmax(vset(a), x));
    case ACT_HARD_SWISH: return vhard_swish(x);
    case ACT_HARD_SIGMOID: return vmin(vset(1), vmax(vzero(), x * a + b));
    case ACT_SIGMOID: return vsigmoid(x);
    case ACT_SILU: return x * vsigmoid(x);
    case ACT_LEAKY_RELU: return vselect(x < 0.0f, x * a, x);
    case ACT_TANH: return vtanh(x);
    case ACT_ELU: return vselect(x < 0.0f, (vexp(x) - 1.0f) * a, x);
    case ACT_GELU: return 0.5f * x * (1.0f + verf(x * 0.70710678f));
    default: return x;
    }
}

#define ACT_LOOP(kind)                                               \
    case kind:                                                       \
        for (i = 0; i + VF <= count; i += VF)                        \
            vstore(y + i, vact(vload(x + i), kind, a, b));           \
        if (i < count)                                               \
            vstore_part(y + i, vact(vload_part(x + i, count - i), kind, a, b), count - i); \
        break;

/* y[i] = act(x[i]); x == y is allowed.  The switch stands outside of the loops. */
static __attribute__((noinline, unused)) void act_apply(float *y, const float *x, int64_t count, int64_t act, float a,
                                                        float b)
{
    int64_t i;
    switch (act) {
        ACT_LOOP(ACT_RELU)
        ACT_LOOP(ACT_CLIP)
        ACT_LOOP(ACT_HARD_SWISH)
        ACT_LOOP(ACT_HARD_SIGMOID)
        ACT_LOOP(ACT_SIGMOID)
        ACT_LOOP(ACT_SILU)
        ACT_LOOP(ACT_LEAKY_RELU)
        ACT_LOOP(ACT_TANH)
        ACT_LOOP(ACT_ELU)
        ACT_LOOP(ACT_GELU)
    default:
        if (x != y)
            memcpy(y, x, count * sizeof(float));
    }
}

/* How a tile ends.  What takes a few instructions is done on the accumulators; the dearer activations, whose many
 * instructions hide a load and a store, run over the stored tile while it is in L1, which keeps the tiles small. */
enum epilogue_kind { EPILOGUE_NONE, EPILOGUE_CLAMP, EPILOGUE_HARD_SWISH, EPILOGUE_LATE };

struct epilogue {
    enum epilogue_kind kind;
    float low, high;
    int64_t act;
    float a, b;
};

INLINE struct epilogue epilogue_make(int64_t act, float a, float b)
{
    struct epilogue e = {.act = act, .a = a, .b = b, .low = 0, .high = INFINITY};
    switch (act) {
    case ACT_NONE: break;
    case ACT_RELU: e.kind = EPILOGUE_CLAMP; break;
    case ACT_CLIP:
        e.kind = EPILOGUE_CLAMP;
        e.low = a;
        e.high = b;
        break;
    case ACT_HARD_SWISH: e.kind = EPILOGUE_HARD_SWISH; break;
    default: e.kind = EPILOGUE_LATE;
    }
    return e;
}

/* The activation of a vector that is in a register. */
INLINE vf epilogue_now(const struct epilogue *e, vf x)
{
    if (e->kind == EPILOGUE_CLAMP)
        return vmin(vset(e->high), vmax(vset(e->low), x));
    return e->kind == EPILOGUE_HARD_SWISH ? vhard_swish(x) : x;
}

INLINE void epilogue_late(const struct epilogue *e, float *y, int64_t count)
{
    if (e->kind == EPILOGUE_LATE)
        act_apply(y, y, count, e->act, e->a, e->b);
}

/* y = act(acc + bias + res) for `count` results at a time when a tile could not do it itself. `acc` is overwritten;
 * bias_step is 0 for one bias, 1 for a bias each; res may be NULL. */
static __attribute__((noinline, unused)) void epilogue_row(const struct epilogue *e, float *acc, int64_t count,
                                                           const float *bias, int bias_step, const float *res, float *y)
{
    if (bias)
        for (int64_t i = 0; i < count; i++)
            acc[i] += bias[i * bias_step];
    if (res)
        for (int64_t i = 0; i < count; i++)
            acc[i] += res[i];
    act_apply(y, acc, count, e->act, e->a, e->b);
}

/* Stands in for an absent bias, so that tiles need no branch. */
static const float no_bias[64] __attribute__((unused));

#endif
