/* Normalisations: per-channel affine (batch normalisation at inference), softmax, layer and local response normalisation.
 *
 *   f32_affine_*     y = act(x * scale[c] + shift[c]); scale and shift are padded to whole blocks for blocks
 *   f32_softmax      over the middle axis of [outer][n][inner]
 *   f32_layer_norm   y = act((x - mean) / sqrt(variance + epsilon) * scale + bias) over rows of [outer][n]; scale and
 *                    bias are [n] or null
 *   f32_lrn_*        across channels, y = x / (bias + alpha / size * sum of squares of `size` neighbours) ^ beta */
#include "act.h"

#define AFFINE_FIELDS(X, S)                                                                                     \
    X(S, REF, x) X(S, REF, scale) X(S, REF, shift) X(S, REF, y) X(S, INT, n) X(S, INT, c) X(S, INT, h) X(S, INT, w) \
    SPLIT_FIELD(X, S) ACT_FIELDS(X, S)
KERNEL_ARGS(affine, AFFINE_FIELDS)

static void affine_nchw(const void *args, char *const *bases, int tid, int nthreads)
{
    const struct affine *a = args;
    const float *x = RESOLVE(const float, a->x), *scale = RESOLVE(const float, a->scale);
    const float *shift = RESOLVE(const float, a->shift);
    float *y = RESOLVE(float, a->y);
    struct block_range part = share_block(a->split, a->n * a->c, a->h, 1, tid, nthreads);
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

/* Images of [h][w][lanes] with a scale and a shift per lane: NHWC, or blocks of channels. */
static void affine_lanes(const struct affine *a, char *const *bases, int tid, int nthreads, int64_t blocks,
                         int64_t lanes)
{
    const float *x = RESOLVE(const float, a->x), *scale = RESOLVE(const float, a->scale);
    const float *shift = RESOLVE(const float, a->shift);
    float *y = RESOLVE(float, a->y);
    struct block_range part = share_block(a->split, a->n * blocks, a->h, 1, tid, nthreads);
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

static void affine_blocked(const void *args, char *const *bases, int tid, int nthreads)
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

#define LAYER_NORM_FIELDS(X, S)                                                                               \
    X(S, REF, x) X(S, REF, scale) X(S, REF, bias) X(S, REF, y) X(S, INT, outer) X(S, INT, n) X(S, FLOAT, epsilon) \
    ACT_FIELDS(X, S)
KERNEL_ARGS(layer_norm, LAYER_NORM_FIELDS)

/* x - (high + low), where high is the mean rounded to float: the difference keeps its digits when x is far from zero. */
struct mean {
    float high, low;
};

INLINE vf centre(vf x, struct mean m)
{
    return (x - m.high) - m.low;
}

/* The sum over a row of x - m, or of its square: short runs are summed plainly and the runs with compensation. */
INLINE double row_sum(const float *x, int64_t n, struct mean m, int squared)
{
    enum { RUN = 8 };
    vf total = vzero(), lost = vzero();
    for (int64_t i = 0; i < n; i += RUN * VF) {
        vf s0 = vzero(), s1 = vzero();
        if (i + RUN * VF <= n) {
            for (int k = 0; k < RUN; k += 2) {
                vf v0 = centre(vload(x + i + k * VF), m), v1 = centre(vload(x + i + (k + 1) * VF), m);
                s0 += squared ? v0 * v0 : v0;
                s1 += squared ? v1 * v1 : v1;
            }
        } else {
            for (int64_t k = i; k < n; k += VF) {
                vf v = vzero();
                if (k + VF <= n)
                    v = centre(vload(x + k), m);
                else
                    for (int64_t l = k; l < n; l++)
                        v[l - k] = (x[l] - m.high) - m.low;
                s0 += squared ? v * v : v;
            }
        }
        vf term = (s0 + s1) - lost, sum = total + term;
        lost = (sum - total) - term;
        total = sum;
    }
    double sum = 0;
    for (int k = 0; k < VF; k++)
        sum += (double)total[k];
    return sum;
}

static void layer_norm_row(const float *x, const float *scale, const float *bias, float *y, int64_t n, float epsilon)
{
    /* Summed as distances from the first element, which are small where all numbers are far from zero. */
    double mean = x[0] + row_sum(x, n, (struct mean){x[0], 0}, 0) / (double)n;
    struct mean m = {(float)mean, 0};
    m.low = (float)(mean - (double)m.high);
    float factor = (float)(1 / sqrt(row_sum(x, n, m, 1) / (double)n + (double)epsilon));
    int64_t i = 0;
    for (; i + VF <= n; i += VF) {
        vf v = centre(vload(x + i), m) * factor;
        v = scale ? v * vload(scale + i) : v;
        vstore(y + i, bias ? v + vload(bias + i) : v);
    }
    for (; i < n; i++) {
        float v = ((x[i] - m.high) - m.low) * factor;
        v = scale ? v * scale[i] : v;
        y[i] = bias ? v + bias[i] : v;
    }
}

static void layer_norm_run(const void *args, char *const *bases, int tid, int nthreads)
{
    const struct layer_norm *a = args;
    const float *x = RESOLVE(const float, a->x), *scale = RESOLVE(const float, a->scale);
    const float *bias = RESOLVE(const float, a->bias);
    float *y = RESOLVE(float, a->y);
    struct range rows = share(a->outer, tid, nthreads);
    for (int64_t r = rows.begin; r < rows.end; r++) {
        layer_norm_row(x + r * a->n, scale, bias, y + r * a->n, a->n, a->epsilon);
        if (a->act != ACT_NONE)
            act_apply(y + r * a->n, y + r * a->n, a->n, a->act, a->act_a, a->act_b);
    }
}

#define LRN_FIELDS(X, S)                                                                                           \
    X(S, REF, x) X(S, REF, y) X(S, REF, work) X(S, INT, n) X(S, INT, c) X(S, INT, h) X(S, INT, w) X(S, INT, size)  \
    X(S, FLOAT, alpha) X(S, FLOAT, beta) X(S, FLOAT, bias)
KERNEL_ARGS(lrn, LRN_FIELDS)

/* The windows of neighbouring channels, cut at the first and last channel by the caller. */
static int64_t channels_before(const struct lrn *a)
{
    return min64((a->size - 1) / 2, a->c);
}

static int64_t channels_after(const struct lrn *a)
{
    return min64(a->size / 2, a->c);
}

/* x * t^-beta; the exponents that networks use are square roots. */
enum root { ROOT_HALF, ROOT_THREE_QUARTERS, ROOT_ANY };

static enum root root_of(const struct lrn *a)
{
    return a->beta == 0.5f ? ROOT_HALF : a->beta == 0.75f ? ROOT_THREE_QUARTERS : ROOT_ANY;
}

INLINE vf lrn_result(const struct lrn *a, vf x, vf squares, enum root root)
{
    vf t = a->bias + a->alpha / (float)a->size * squares;
    if (root == ROOT_ANY)
        return x * vexp(vlog(t) * -a->beta);
    vf half = vsqrt(t);
    return x / (root == ROOT_HALF ? half : half * vsqrt(half));
}

/* Some neighbouring pixels of all planes: whole windows are read again for each channel, from L1. */
enum { LRN_PIXELS = 1024 };

INLINE void lrn_planes(const struct lrn *a, const float *x, float *y, int64_t plane, int64_t pixels, enum root root)
{
    int64_t before = channels_before(a), after = channels_after(a);
    for (int64_t c = 0; c < a->c; c++) {
        const float *first = x + max64(0, c - before) * plane, *last = x + min64(a->c - 1, c + after) * plane;
        for (int64_t i = 0; i < pixels; i += VF) {
            int64_t lanes = min64(VF, pixels - i);
            vf squares = vzero(), v;
            for (const float *k = first; k <= last; k += plane) {
                v = lanes == VF ? vload(k + i) : vload_part(k + i, lanes);
                squares += v * v;
            }
            const float *from = x + c * plane + i;
            float *to = y + c * plane + i;
            if (lanes == VF)
                vstore(to, lrn_result(a, vload(from), squares, root));
            else
                vstore_part(to, lrn_result(a, vload_part(from, lanes), squares, root), lanes);
        }
    }
}

static void lrn_nchw(const void *args, char *const *bases, int tid, int nthreads)
{
    const struct lrn *a = args;
    const float *x = RESOLVE(const float, a->x);
    float *y = RESOLVE(float, a->y);
    int64_t plane = a->h * a->w;
    enum root root = root_of(a);
    struct range rows = share(a->n * a->h, tid, nthreads);
    for (int64_t p = rows.begin * a->w, end = rows.end * a->w, pixels; p < end; p += pixels) {
        int64_t at = p / plane * a->c * plane + p % plane;
        pixels = min64(min64(end - p, plane - p % plane), LRN_PIXELS);
        switch (root) {
        case ROOT_HALF: lrn_planes(a, x + at, y + at, plane, pixels, ROOT_HALF); break;
        case ROOT_THREE_QUARTERS: lrn_planes(a, x + at, y + at, plane, pixels, ROOT_THREE_QUARTERS); break;
        case ROOT_ANY: lrn_planes(a, x + at, y + at, plane, pixels, ROOT_ANY); break;
        }
    }
}

/* Pixels of `lanes` channels side by side in `blocks` blocks.  The squares of a group of pixels go to the workspace, with
 * zeros around, where a window is a few neighbouring vectors. */
enum { LRN_GROUP = 8 };

struct squares {
    int64_t before, pixel; /* zeros before the first channel; floats of a pixel */
};

static struct squares squares_of(const struct lrn *a)
{
    int64_t before = round_up(channels_before(a), BLOCK);
    return (struct squares){before, round_up(before + round_up(a->c, BLOCK) + channels_after(a), BLOCK)};
}

static int64_t lrn_workspace(const void *args, int nthreads)
{
    return squares_of(args).pixel * LRN_GROUP * (int64_t)sizeof(float) * nthreads;
}

INLINE void lrn_pixels(const struct lrn *a, const float *x, float *y, float *work, int64_t pixels, int64_t lanes,
                       int64_t block_step, enum root root)
{
    struct squares s = squares_of(a);
    int64_t before = channels_before(a), window = before + channels_after(a) + 1;
    for (int64_t p = 0; p < pixels; p++) {
        float *to = work + p * s.pixel + s.before;
        for (int64_t c = 0; c < a->c; c += lanes) {
            const float *from = x + c / lanes * block_step + p * lanes;
            int64_t count = min64(lanes, a->c - c), i = 0;
            for (; i + VF <= count; i += VF)
                vstore(to + c + i, vload(from + i) * vload(from + i));
            for (; i < count; i++)
                to[c + i] = from[i] * from[i];
        }
    }
    for (int64_t p = 0; p < pixels; p++) {
        const float *sums = work + p * s.pixel + s.before - before;
        for (int64_t c = 0; c < a->c; c += lanes) {
            int64_t at = c / lanes * block_step + p * lanes;
            for (int64_t i = 0; i < lanes; i += VF) {
                vf squares = vzero();
                for (int64_t k = 0; k < window; k++)
                    squares += vload(sums + c + i + k);
                int64_t here = min64(VF, lanes - i);
                if (here == VF)
                    vstore(y + at + i, lrn_result(a, vload(x + at + i), squares, root));
                else
                    vstore_part(y + at + i, lrn_result(a, vload_part(x + at + i, here), squares, root), here);
            }
        }
    }
}

INLINE void lrn_lanes(const struct lrn *a, char *const *bases, int tid, int nthreads, int64_t blocks, int64_t lanes)
{
    const float *x = RESOLVE(const float, a->x);
    struct squares s = squares_of(a);
    float *y = RESOLVE(float, a->y), *work = RESOLVE(float, a->work) + s.pixel * LRN_GROUP * tid;
    zero_floats(work, s.pixel * LRN_GROUP);
    int64_t plane = a->h * a->w;
    enum root root = root_of(a);
    struct range rows = share(a->n * a->h, tid, nthreads);
    for (int64_t p = rows.begin * a->w, end = rows.end * a->w, pixels; p < end; p += pixels) {
        int64_t at = (p / plane * blocks * plane + p % plane) * lanes;
        pixels = min64(min64(end - p, plane - p % plane), LRN_GROUP);
        switch (root) {
        case ROOT_HALF: lrn_pixels(a, x + at, y + at, work, pixels, lanes, plane * lanes, ROOT_HALF); break;
        case ROOT_THREE_QUARTERS:
            lrn_pixels(a, x + at, y + at, work, pixels, lanes, plane * lanes, ROOT_THREE_QUARTERS);
            break;
        case ROOT_ANY: lrn_pixels(a, x + at, y + at, work, pixels, lanes, plane * lanes, ROOT_ANY); break;
        }
    }
}

static void lrn_nhwc(const void *args, char *const *bases, int tid, int nthreads)
{
    lrn_lanes(args, bases, tid, nthreads, 1, ((const struct lrn *)args)->c);
}

static void lrn_blocked(const void *args, char *const *bases, int tid, int nthreads)
{
    lrn_lanes(args, bases, tid, nthreads, ceil_div(((const struct lrn *)args)->c, BLOCK), BLOCK);
}

static const struct kernel kernels[] = {
    PLAIN(KERNEL("f32_affine_nchw", affine_nchw, NULL, affine))
    PLAIN(KERNEL("f32_affine_nhwc", affine_nhwc, NULL, affine))
    KERNEL("f32_affine_" BLOCKED, affine_blocked, NULL, affine),
    PLAIN(KERNEL("f32_softmax", softmax_run, NULL, softmax))
    PLAIN(KERNEL("f32_layer_norm", layer_norm_run, NULL, layer_norm))
    PLAIN(KERNEL("f32_lrn_nchw", lrn_nchw, NULL, lrn))
    PLAIN(KERNEL("f32_lrn_nhwc", lrn_nhwc, lrn_workspace, lrn))
    KERNEL("f32_lrn_" BLOCKED, lrn_blocked, lrn_workspace, lrn),
};
FAMILY(norm, kernels)
