/* Squeeze and excitation (Hu et al. 2018): a gate for each channel, made from the means of all of them.
 *
 *     squeeze   sums[n][h][c]: the sum of every row of the image
 *     excite    y[n][o] = act(w (scale * sums, added up over rows) + bias): to the few channels, and back to the gates
 *
 * The product with the image is binary.c's.  Sums are kept by row, whoever makes them: so threads cut rows, as the
 * convolution before and the product after do, and results do not depend on their number.
 * Weights [o / 16][k][16], zero beyond the last output, are elements (element.h): they often come from memory.  Bias and y are
 * float32, padded likewise.  Threads cut these panels. */
#include "element.h"

#define SQUEEZE_FIELDS(X, S) X(S, REF, x) X(S, REF, y) X(S, INT, n) X(S, INT, c) X(S, INT, h) X(S, INT, w) \
    SPLIT_FIELD(X, S)
KERNEL_ARGS(squeeze, SQUEEZE_FIELDS)

/* The sum of `count` pixels, `step` floats apart; always in this order, so that it does not matter which lane a channel
 * has. */
INLINE vf sum_vector(const element *x, int64_t count, int64_t step, int64_t lanes)
{
    vf s0 = vzero(), s1 = vzero();
    int64_t i = 0;
    for (; i + 2 <= count; i += 2) {
        s0 += eload_lanes(x + i * step, lanes);
        s1 += eload_lanes(x + (i + 1) * step, lanes);
    }
    if (i < count)
        s0 += eload_lanes(x + i * step, lanes);
    return s0 + s1;
}

/* The same of `channels` side by side. */
static void sum_pixels(const element *x, int64_t count, int64_t step, int64_t channels, float *y)
{
    int64_t c = 0;
    for (; c + VF <= channels; c += VF)
        vstore(y + c, sum_vector(x + c, count, step, VF));
    if (c < channels)
        vstore_part(y + c, sum_vector(x + c, count, step, channels - c), channels - c);
}

static void squeeze_blocked(const void *args, char *const *bases, int tid, int nthreads)
{
    const struct squeeze *a = args;
    const element *x = RESOLVE(const element, a->x);
    float *y = RESOLVE(float, a->y);
    int64_t blocks = ceil_div(a->c, BLOCK);
    struct block_range part = share_block(a->split, a->n * blocks, a->h, 1, tid, nthreads);
    if (part.row.begin == part.row.end)
        return;
    for (int64_t nb = part.outer.begin; nb < part.outer.end; nb++)
        for (int64_t row = part.rows.begin; row < part.rows.end; row++)
            sum_pixels(x + (nb * a->h + row) * a->w * BLOCK, a->w, BLOCK, BLOCK,
                       y + ((nb / blocks * a->h + row) * blocks + nb % blocks) * BLOCK);
}

static void squeeze_nhwc(const void *args, char *const *bases, int tid, int nthreads)
{
    const struct squeeze *a = args;
    const element *x = RESOLVE(const element, a->x);
    float *y = RESOLVE(float, a->y);
    struct range rows = {0, a->n * a->h}, channels = {0, a->c};
    if (cut_rows(a->split, 1))
        rows = share(rows.end, tid, nthreads);
    else
        channels = share(channels.end, tid, nthreads);
    for (int64_t row = rows.begin; row < rows.end; row++)
        sum_pixels(x + row * a->w * a->c + channels.begin, a->w, a->c, channels.end - channels.begin,
                   y + row * a->c + channels.begin);
}

#define EXCITE_FIELDS(X, S)                                                                             \
    X(S, REF, x) X(S, REF, w) X(S, REF, bias) X(S, REF, y) X(S, REF, work) X(S, INT, n) X(S, INT, rows) \
    X(S, INT, x_row) X(S, INT, k) X(S, INT, o) X(S, FLOAT, scale) ACT_FIELDS(X, S)
KERNEL_ARGS(excite, EXCITE_FIELDS)

enum { PANEL = 16 };

static int64_t excite_workspace(const void *args, int nthreads)
{
    return round_up(((const struct excite *)args)->k, PANEL) * (int64_t)sizeof(float) * nthreads;
}

/* scale * the sum of the rows; k numbers. */
static void add_up(const struct excite *a, const float *x, float *sums)
{
    for (int64_t k = 0; k < a->k; k += VF) {
        int64_t lanes = min64(VF, a->k - k);
        vf s = vzero();
        for (int64_t row = 0; row < a->rows; row++)
            s += vload_part(x + row * a->x_row + k, lanes);
        vstore_part(sums + k, s * vset(a->scale), lanes);
    }
}

/* VF outputs; four chains of sums hide the latency of multiply-add. */
static vf dot_panel(const float *x, const element *w, int64_t k)
{
    vf s0 = vzero(), s1 = s0, s2 = s0, s3 = s0;
    int64_t i = 0;
    for (; i + 4 <= k; i += 4, w += 4 * PANEL) {
        s0 += vset(x[i]) * eload(w);
        s1 += vset(x[i + 1]) * eload(w + PANEL);
        s2 += vset(x[i + 2]) * eload(w + 2 * PANEL);
        s3 += vset(x[i + 3]) * eload(w + 3 * PANEL);
    }
    for (; i < k; i++, w += PANEL)
        s0 += vset(x[i]) * eload(w);
    return (s0 + s1) + (s2 + s3);
}

static void excite_run(const void *args, char *const *bases, int tid, int nthreads)
{
    const struct excite *a = args;
    const float *x = RESOLVE(const float, a->x), *bias = RESOLVE(const float, a->bias);
    const element *w = RESOLVE(const element, a->w);
    float *y = RESOLVE(float, a->y), *sums = RESOLVE(float, a->work) + round_up(a->k, PANEL) * tid;
    int64_t count = ceil_div(a->o, PANEL);
    struct range panels = share(count, tid, nthreads);
    if (panels.begin == panels.end)
        return;
    for (int64_t image = 0; image < a->n; image++, y += count * PANEL) {
        add_up(a, x + image * a->rows * a->x_row, sums);
        for (int64_t at = panels.begin * PANEL; at < panels.end * PANEL; at += VF) {
            vf sum = dot_panel(sums, w + at / PANEL * a->k * PANEL + at % PANEL, a->k);
            vstore(y + at, bias ? sum + vload(bias + at) : sum);
        }
        act_apply(y + panels.begin * PANEL, y + panels.begin * PANEL, (panels.end - panels.begin) * PANEL, a->act,
                  a->act_a, a->act_b);
    }
}

static const struct kernel kernels[] = {
    KERNEL(ELEMENT "_squeeze_" BLOCKED, squeeze_blocked, NULL, squeeze),
    PLAIN(KERNEL("f32_squeeze_nhwc", squeeze_nhwc, NULL, squeeze))
#ifdef PLAIT_NARROW
    KERNEL(ELEMENT "_excite", excite_run, excite_workspace, excite),
#else
    PLAIN(KERNEL("f32_excite", excite_run, excite_workspace, excite))
#endif
};
FAMILY(squeeze_excite, kernels)
