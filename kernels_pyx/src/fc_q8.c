/* Fully connected layers of bytes: rows x[m][k] of unsigned bytes, weights packed [n / 64][k / 4][64][4], signed, zero
 * beyond n and k; bias (int32, x's zero point folded in) and scale (float32) of each output, in whole panels.
 *
 *   q8_fc      y[m][n] bytes
 *   q8_fc_f32  y[m][n] floats: the sum times scale
 *
 * The weights stream from memory once, in order, for at most four rows at a time.  Threads cut the panels of 64 outputs. */
#include "quant.h"

#define FC_FIELDS(X, S) \
    X(S, REF, x) X(S, REF, w) X(S, REF, bias) X(S, REF, scale) X(S, REF, y) X(S, INT, m) X(S, INT, k) X(S, INT, n)
#define FC_BYTES_FIELDS(X, S) FC_FIELDS(X, S) REQUANT_FIELDS(X, S) SHIFTS_FIELD(X, S)
KERNEL_ARGS(fc, FC_FIELDS)
KERNEL_ARGS(fc_bytes, FC_BYTES_FIELDS)

enum { PANEL = 64, VECTORS = 2, GROUP = VECTORS * VF, AHEAD = 2048 };

/* Four bytes of x, zeros beyond the last. */
INLINE dot_pixel row_taps(const uint8_t *x, int64_t left)
{
    uint8_t taps[4] = {0};
    for (int64_t i = 0; i < left; i++)
        taps[i] = x[i];
    return dot_broadcast(taps);
}

/* The sums of GROUP outputs: even and odd steps apart, so that one sum need not wait for the other. */
INLINE void sum_group(const uint8_t *x, const int8_t *w, int64_t k, vi sums[VECTORS])
{
    vi a0 = viset(0), a1 = a0, b0 = a0, b1 = a0;
    int64_t i = 0;
    for (; i + 8 <= k; i += 8, w += 2 * PANEL * 4) {
        dot_pixel p = dot_broadcast(x + i), q = dot_broadcast(x + i + 4);
        __builtin_prefetch(w + AHEAD);
        a0 = dot(a0, p, dot_load(w));
        a1 = dot(a1, p, dot_load(w + VF * 4));
        b0 = dot(b0, q, dot_load(w + PANEL * 4));
        b1 = dot(b1, q, dot_load(w + PANEL * 4 + VF * 4));
    }
    for (; i < k; i += 4, w += PANEL * 4) {
        dot_pixel p = row_taps(x + i, min64(4, k - i));
        a0 = dot(a0, p, dot_load(w));
        a1 = dot(a1, p, dot_load(w + VF * 4));
    }
    sums[0] = a0 + b0;
    sums[1] = a1 + b1;
}

#if VF == 16
/* All 64 outputs of a panel: the weights are read in the order they lie. */
INLINE void sum_panel(const uint8_t *x, const int8_t *w, int64_t k, int32_t *sums)
{
    vi a0 = viset(0), a1 = a0, a2 = a0, a3 = a0, b0 = a0, b1 = a0, b2 = a0, b3 = a0;
    int64_t i = 0;
    for (; i + 8 <= k; i += 8, w += 512) {
        dot_pixel p = dot_broadcast(x + i), q = dot_broadcast(x + i + 4);
        for (int line = 0; line < 512; line += 64)
            __builtin_prefetch(w + AHEAD + line);
        a0 = dot(a0, p, dot_load(w));
        a1 = dot(a1, p, dot_load(w + 64));
        a2 = dot(a2, p, dot_load(w + 128));
        a3 = dot(a3, p, dot_load(w + 192));
        b0 = dot(b0, q, dot_load(w + 256));
        b1 = dot(b1, q, dot_load(w + 320));
        b2 = dot(b2, q, dot_load(w + 384));
        b3 = dot(b3, q, dot_load(w + 448));
    }
    for (; i < k; i += 4, w += 256) {
        dot_pixel p = row_taps(x + i, min64(4, k - i));
        a0 = dot(a0, p, dot_load(w));
        a1 = dot(a1, p, dot_load(w + 64));
        a2 = dot(a2, p, dot_load(w + 128));
        a3 = dot(a3, p, dot_load(w + 192));
    }
    const vi all[4] = {a0 + b0, a1 + b1, a2 + b2, a3 + b3};
    memcpy(sums, all, sizeof all);
}
#else
INLINE void sum_panel(const uint8_t *x, const int8_t *w, int64_t k, int32_t *sums)
{
    for (int64_t c = 0; c < PANEL; c += GROUP) {
        vi group[VECTORS];
        sum_group(x, w + c * 4, k, group);
        memcpy(sums + c, group, sizeof group);
    }
}
#endif

INLINE void fc_run(const struct fc *a, char *const *bases, int tid, int nthreads, const struct requant *to)
{
    const uint8_t *x = RESOLVE(const uint8_t, a->x);
    const int8_t *w = RESOLVE(const int8_t, a->w);
    const int32_t *bias = RESOLVE(const int32_t, a->bias);
    const float *scale = RESOLVE(const float, a->scale);
    void *y = RESOLVE(void, a->y);
    struct range panels = share(ceil_div(a->n, PANEL), tid, nthreads);
    for (int64_t panel = panels.begin; panel < panels.end; panel++) {
        int64_t first = panel * PANEL, outputs = min64(PANEL, a->n - first);
        for (int64_t row = 0; row < a->m; row++) {
            int32_t sums[PANEL] __attribute__((aligned(64)));
            int64_t at = row * a->n + first;
            sum_panel(x + row * a->k, w + first * round_up(a->k, 4), a->k, sums);
            if (to)
                requantize_row(to, sums, outputs, bias + first, scale + first, 1, NULL, (uint8_t *)y + at);
            else
                for (int64_t c = 0; c < outputs; c++)
                    ((float *)y)[at + c] = (float)(sums[c] + bias[first + c]) * scale[first + c];
        }
    }
}

static void fc_to_bytes(const void *args, char *const *bases, int tid, int nthreads)
{
    const struct fc_bytes *a = args;
    struct requant to = requant_make(a->zero, a->low, a->high);
    to.shifts = a->shifts;
    fc_run(args, bases, tid, nthreads, &to); /* the fields of `fc` come first */
}

static void fc_to_floats(const void *args, char *const *bases, int tid, int nthreads)
{
    fc_run(args, bases, tid, nthreads, NULL);
}

static const struct kernel kernels[] = {
    KERNEL("q8_fc", fc_to_bytes, NULL, fc_bytes),
    KERNEL("q8_fc_f32", fc_to_floats, NULL, fc),
};
FAMILY(fc_q8, kernels)
