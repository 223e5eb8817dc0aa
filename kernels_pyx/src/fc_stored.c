/* Fully connected layers of floats whose weights are stored in fewer bits: at one row their time is that of reading the
 * weights from memory.
 *
 *   f32_fc_bf16, f32_fc_f16  weights [n / 64][k][64] of 16 bits
 *   f32_fc_s8                signed bytes, times scale[n]
 *   bf16_fc, f16_fc          x and y of 16 bits too (element.h); res is none
 *
 * y[m][n] = act((x[m][k] w^T) scale + bias + res), weights zero beyond n, scale in whole panels.  Weights are widened as
 * they are read.  Threads cut the panels of 64 outputs. */
#include "bf16.h"
#include "element.h"
#include "half.h"
#include "quant.h"

#define FC_FIELDS(X, S)                                                                                          \
    X(S, REF, x) X(S, REF, w) X(S, REF, bias) X(S, REF, res) X(S, REF, y) X(S, INT, m) X(S, INT, k) X(S, INT, n) \
    ACT_FIELDS(X, S)
#define FC_SCALED_FIELDS(X, S) FC_FIELDS(X, S) X(S, REF, scale)
KERNEL_ARGS(fc, FC_FIELDS)
KERNEL_ARGS(fc_scaled, FC_SCALED_FIELDS)

enum stored { BF16, F16, S8 };
enum { PANEL = 64, VECTORS = PANEL / VF, AHEAD = 2048 };

/* Signed bytes as int32. */
INLINE vi load_signed(const int8_t *w)
{
#if VF == 16
    return (vi)_mm512_cvtepi8_epi32(_mm_loadu_si128((const __m128i_u *)w));
#elif VF == 8
    return (vi)_mm256_cvtepi8_epi32(_mm_loadl_epi64((const __m128i_u *)w));
#else
    return (q8_load((const uint8_t *)w) << 24) >> 24;
#endif
}

INLINE vf load_weights(enum stored stored, const void *w)
{
    switch (stored) {
    case BF16: return bf16_load(w);
    case F16: return half_load(w);
    default: return to_float(load_signed(w));
    }
}

INLINE vf multiply_add(vf a, vf b, vf c)
{
#if VF == 16
    return _mm512_fmadd_ps(a, b, c);
#elif VF == 8
    return _mm256_fmadd_ps(a, b, c);
#else
    return a * b + c;
#endif
}

/* The sums of a panel for one row. */
INLINE void sum_panel(enum stored stored, const element *x, const char *w, int64_t k, float *sums)
{
    int64_t bytes = stored == S8 ? 1 : 2;
    vf s[VECTORS];
    for (int v = 0; v < VECTORS; v++)
        s[v] = vzero();
    for (int64_t i = 0; i < k; i++, w += PANEL * bytes) {
        vf row = vset(element_at(x + i));
        for (int64_t line = 0; line < PANEL * bytes; line += 64)
            __builtin_prefetch(w + AHEAD + line);
        for (int v = 0; v < VECTORS; v++)
            s[v] = multiply_add(load_weights(stored, w + v * VF * bytes), row, s[v]);
    }
    for (int v = 0; v < VECTORS; v++)
        vstore(sums + v * VF, s[v]);
}

INLINE void fc_run(enum stored stored, const struct fc *a, const float *scale, char *const *bases, int tid, int nthreads)
{
    const element *x = RESOLVE(const element, a->x);
    const float *bias = RESOLVE(const float, a->bias), *res = RESOLVE(const float, a->res);
    const char *w = RESOLVE(const char, a->w);
    element *y = RESOLVE(element, a->y);
    float sums[PANEL] __attribute__((aligned(64)));
    struct epilogue e = epilogue_make(a->act, a->act_a, a->act_b);
    struct range panels = share(ceil_div(a->n, PANEL), tid, nthreads);
    for (int64_t panel = panels.begin; panel < panels.end; panel++) {
        int64_t first = panel * PANEL, outputs = min64(PANEL, a->n - first);
        const char *from = w + first * a->k * (stored == S8 ? 1 : 2);
        for (int64_t row = 0; row < a->m; row++) {
            int64_t at = row * a->n + first;
            sum_panel(stored, x + row * a->k, from, a->k, sums);
            for (int64_t c = 0; c < PANEL && scale; c++)
                sums[c] *= scale[first + c];
            epilogue_row(&e, sums, outputs, bias ? bias + first : NULL, 1, res ? res + at : NULL,
                         row_for(sums, y + at));
            row_out(y + at, sums, outputs);
        }
    }
}

#define FC(name, stored)                                                          \
    static void name(const void *args, char *const *bases, int tid, int nthreads) \
    {                                                                             \
        fc_run(stored, args, NULL, bases, tid, nthreads);                         \
    }

#ifndef PLAIT_F16
FC(fc_bf16, BF16)
#endif
#ifndef PLAIT_BF16
FC(fc_f16, F16)
#endif
#ifndef PLAIT_NARROW
static void fc_s8(const void *args, char *const *bases, int tid, int nthreads)
{
    const struct fc_scaled *a = args; /* the fields of `fc` come first */
    fc_run(S8, args, RESOLVE(const float, a->scale), bases, tid, nthreads);
}
#endif

static const struct kernel kernels[] = {
#ifdef PLAIT_BF16
    KERNEL("bf16_fc", fc_bf16, NULL, fc),
#elif defined PLAIT_F16
    KERNEL("f16_fc", fc_f16, NULL, fc),
#else
    KERNEL("f32_fc_bf16", fc_bf16, NULL, fc),
    KERNEL("f32_fc_f16", fc_f16, NULL, fc),
    KERNEL("f32_fc_s8", fc_s8, NULL, fc_scaled),
#endif
};
FAMILY(fc_stored, kernels)
