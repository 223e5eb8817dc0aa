/* Normalisations: per-channel affine (batch normalisation at inference), softmax, local response normalisation.
 *
 * f32_affine_*: y = act(x * scale[c] + shift[c]); scale and shift are padded to whole blocks for NCHW16c.
 * f32_softmax: over the middle axis of [outer][n][inner].  f32_lrn_nchw: across channels,
 * y = x / (bias + alpha / size * sum of squares of `size` neighbouring channels) ^ beta. */
#include "act.h"

#define AFFINE_FIELDS(X, S)                                                                                     \
    X(S, REF, x) X(S, REF, scale) X(S, REF, shift) X(S, REF, y) X(S, INT, n) X(S, INT, c) X(S, INT, h) X(S, INT, w) \
    ACT_FIELDS(X, S)
KERNEL_ARGS(affine, AFFINE_FIELDS)

static void affine_nchw(const void *args, char *const *bases, int tid, int nthreads)
{
    const struct affine *a = args;
    const float *x = RESOLVE(const float, a->x), *scale = RESOLVE(const float, a->scale);
    const float *shift = RESOLVE(const float, a->shift);
    float *y = RESOLVE(float, a->y);
    struct block_range part = share_block(a->n * a->c, a->h, 1, tid, nthreads);
    if (part.row.begin == part.row.end)
        return;
    for (int64_t nc = part.outer.begin; nc < part.outer.end; nc++) {
        float s = scale[nc % a->c], t = shift[nc % a->c];
        for (int64_t r = part.rows.begin; r < part.rows.end; r++) {
            const float *from = x + (nc * a->h + r) * a->w;
            float *to = y + (nc * a->h + r) * a->w;
            for (int64_t i = 0; i < a->w; i++)
                to[i] = from[i] * s + t;
            if (a->act != ACT_NONE)
                act_apply(to, to, a->w, a->act, a->act_a, a->act_b);
        }
    }
}

/* Images of [h][w][lanes] with a scale and a shift per lane: NHWC, or the blocks of NCHW16c. */
static void affine_lanes(const struct affine *a, char *const *bases, int tid, int nthreads, int64_t blocks,
                         int64_t lanes)
{
    const float *x = RESOLVE(const float, a->x), *scale = RESOLVE(const float, a->scale);
    const float *shift = RESOLVE(const float, a->shift);
    float *y = RESOLVE(float, a->y);
    struct block_range part = share_block(a->n * blocks, a->h, 1, tid, nthreads);
    if (part.row.begin == part.row.end)
        return;
    for (int64_t nb = part.outer.begin; nb < part.outer.end; nb++) {
        const float *s = scale + nb % blocks * lanes, *t = shift + nb % blocks * lanes;
        for (int64_t r = part.rows.begin; r < part.rows.end; r++) {
            int64_t row = (nb * a->h + r) * a->w * lanes;
            for (int64_t p = 0; p < a->w; p++) {
                const float *from = x + row + p * lanes;
                float *to = y + row + p * lanes;
                int64_t i = 0;
                for (; i + VF <= lanes; i += VF)
                    vstore(to + i, vload(from + i) * vload(s + i) + vload(t + i));
                for (; i < lanes; i++)
                    to[i] = from[i] * s[i] + t[i];
            }
            if (a->act != ACT_NONE)
                act_apply(y + row, y + row, a->w * lanes, a->act, a->act_a, a->act_b);
        }
    }
}

static void affine_nhwc(const void *args, char *const *bases, int tid, int nthreads)
{
    affine_lanes(args, bases, tid, nthreads, 1, ((const struct affine *)args)->c);
}

static void affine_nchw16c(const void *args, char *const *bases, int tid, int nthreads)
{
    affine_lanes(args, bases, tid, nthreads, ceil_div(((const struct affine *)args)->c, BLOCK), BLOCK);
}

#define SOFTMAX_FIELDS(X, S) X(S, REF, x) X(S, REF, y) X(S, INT, outer) X(S, INT, n) X(S, INT, inner)
KERNEL_ARGS(softmax, SOFTMAX_FIELDS)

/* A row of contiguous numbers. */
static void softmax_row(const float *x, float *y, int64_t n)
{
    float top = -INFINITY, sum = 0;
    for (int64_t i = 0; i < n; i++)
        top = x[i] > top ? x[i] : top;
    int64_t i = 0;
    vf sums = vzero();
    for (; i + VF <= n; i += VF) {
        vf e = vexp(vload(x + i) - top);
        sums += e;
        vstore(y + i, e);
    }
    if (i < n)
        vstore_part(y + i, vexp(vload_part(x + i, n - i) - top), n - i);
    sum = vsum(sums);
    for (; i < n; i++)
        sum += y[i];
    for (i = 0; i < n; i++)
        y[i] *= 1 / sum;
}

/* `lanes` <= VF neighbouring columns, each step = inner apart along the axis. */
static void softmax_columns(const float *x, float *y, int64_t n, int64_t inner, int64_t lanes)
{
    vf top = vset(-INFINITY), sum = vzero();
    for (int64_t i = 0; i < n; i++)
        top = vmax(top, vload_part(x + i * inner, lanes));
    for (int64_t i = 0; i < n; i++) {
        vf e = vexp(vload_part(x + i * inner, lanes) - top);
        sum += e;
        vstore_part(y + i * inner, e, lanes);
    }
    vf scale = 1.0f / sum;
    for (int64_t i = 0; i < n; i++)
        vstore_part(y + i * inner, vload_part(y + i * inner, lanes) * scale, lanes);
}

static void softmax_run(const void *args, char *const *bases, int tid, int nthreads)
{
    const struct softmax *a = args;
    const float *x = RESOLVE(const float, a->x);
    float *y = RESOLVE(float, a->y);
    if (a->inner == 1) {
        struct range rows = share(a->outer, tid, nthreads);
        for (int64_t r = rows.begin; r < rows.end; r++)
            softmax_row(x + r * a->n, y + r * a->n, a->n);
        return;
    }
    int64_t groups = ceil_div(a->inner, VF);
    struct range work = share(a->outer * groups, tid, nthreads);
    for (int64_t g = work.begin; g < work.end; g++) {
        int64_t column = g % groups * VF, at = g / groups * a->n * a->inner + column;
        softmax_columns(x + at, y + at, a->n, a->inner, min64(VF, a->inner - column));
    }
}

#define LRN_FIELDS(X, S)                                                                         \
    X(S, REF, x) X(S, REF, y) X(S, INT, n) X(S, INT, c) X(S, INT, h) X(S, INT, w) X(S, INT, size) \
    X(S, FLOAT, alpha) X(S, FLOAT, beta) X(S, FLOAT, bias)
KERNEL_ARGS(lrn, LRN_FIELDS)

static void lrn_nchw(const void *args, char *const *bases, int tid, int nthreads)
{
    const struct lrn *a = args;
    const float *x = RESOLVE(const float, a->x);
    float *y = RESOLVE(float, a->y);
    int64_t plane = a->h * a->w;
    struct range rows = share(a->n * a->h, tid, nthreads);
    for (int64_t r = rows.begin; r < rows.end; r++) {
        int64_t at = r / a->h * a->c * plane + r % a->h * a->w;
        for (int64_t c = 0; c < a->c; c++) {
            int64_t first = max64(0, c - (a->size - 1) / 2), last = min64(a->c - 1, c + a->size / 2);
            for (int64_t i = 0; i < a->w; i++) {
                float squares = 0;
                for (int64_t k = first; k <= last; k++)
                    squares += x[at + k * plane + i] * x[at + k * plane + i];
                y[at + c * plane + i] =
                    x[at + c * plane + i] * powf(a->bias + a->alpha / (float)a->size * squares, -a->beta);
            }
        }
    }
}

static const struct kernel kernels[] = {
    KERNEL("f32_affine_nchw", affine_nchw, NULL, affine),
    KERNEL("f32_affine_nhwc", affine_nhwc, NULL, affine),
    KERNEL("f32_affine_nchw16c", affine_nchw16c, NULL, affine),
    KERNEL("f32_softmax", softmax_run, NULL, softmax),
    KERNEL("f32_lrn_nchw", lrn_nchw, NULL, lrn),
};
FAMILY(norm, kernels)
