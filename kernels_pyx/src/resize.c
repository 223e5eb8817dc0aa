/* Images in another size: nearest neighbour and linear interpolation, in NCHW, NHWC and the blocked layout.
 *
 * Which pixels a result comes from follows from sizes and attributes alone; the plan holds it in tables, one for rows
 * and one for columns.  Nearest: a number for each.  Linear: two numbers for each (all the first ones, then all the
 * second ones) and the weights of the second ones.
 *
 *   y[h][w] = top + (bottom - top) * row_weight[h],  top = a + (b - a) * column_weight[w] of the two rows
 *
 * Channels lie side by side but in NCHW; there the two rows are mixed first, into scratch memory, and the columns
 * gathered from it.  Threads cut rows of the result, or images where rows are few. */
#include "isa.h"

#define NEAREST_FIELDS(X, S)                                                                     \
    X(S, REF, x) X(S, REF, y) X(S, REF, rows) X(S, REF, columns)                                 \
    X(S, INT, n) X(S, INT, c) X(S, INT, ih) X(S, INT, iw) X(S, INT, oh) X(S, INT, ow)                 \
    SPLIT_FIELD(X, S)
KERNEL_ARGS(nearest, NEAREST_FIELDS)

#define LINEAR_FIELDS(X, S)                                                                      \
    X(S, REF, x) X(S, REF, y) X(S, REF, work) X(S, REF, rows) X(S, REF, row_weights)             \
    X(S, REF, columns) X(S, REF, column_weights)                                                 \
    X(S, INT, n) X(S, INT, c) X(S, INT, ih) X(S, INT, iw) X(S, INT, oh) X(S, INT, ow)                 \
    SPLIT_FIELD(X, S)
KERNEL_ARGS(linear, LINEAR_FIELDS)

/* VF elements of x, anywhere. */
INLINE vf vgather(const float *x, const int32_t *at)
{
#if VF == 16
    return _mm512_i32gather_ps(_mm512_loadu_si512(at), x, 4);
#elif VF == 8
    return _mm256_i32gather_ps(x, _mm256_loadu_si256((const __m256i *)at), 4);
#else
    return (vf){x[at[0]], x[at[1]], x[at[2]], x[at[3]]};
#endif
}

/* VF elements of a row of `size`, at places that never fall: two loads and a permutation where they lie close together,
 * as they do for all scales from 1/2 up. */
INLINE vf vpick(const float *x, int64_t size, const int32_t *at)
{
#if VF >= 8
    int64_t low = at[0];
    if (at[VF - 1] - low < 2 * VF) {
        vf a = vload_part(x + low, min64(VF, size - low));
        vf b = vload_part(x + low + VF, max64(0, min64(VF, size - low - VF)));
#if VF == 16
        __m512i index = _mm512_sub_epi32(_mm512_loadu_si512(at), _mm512_set1_epi32((int32_t)low));
        return _mm512_permutex2var_ps(a, index, b);
#else
        __m256i index = _mm256_sub_epi32(_mm256_loadu_si256((const __m256i *)at), _mm256_set1_epi32((int32_t)low));
        return vselect((vi)index > 7, _mm256_permutevar8x32_ps(b, index), _mm256_permutevar8x32_ps(a, index));
#endif
    }
#endif
    return vgather(x, at);
}

/* --- nearest --- */

static void nearest_row(const float *x, int64_t size, const int32_t *columns, int64_t count, float *y)
{
    int64_t i = 0;
    for (; i + VF <= count; i += VF)
        vstore(y + i, vpick(x, size, columns + i));
    for (; i < count; i++)
        y[i] = x[columns[i]];
}

static void nearest_nchw(const void *args, char *const *bases, int tid, int nthreads)
{
    const struct nearest *a = args;
    const float *x = RESOLVE(const float, a->x);
    float *y = RESOLVE(float, a->y);
    const int32_t *rows = RESOLVE(const int32_t, a->rows), *columns = RESOLVE(const int32_t, a->columns);
    struct block_range part = share_block(a->split, a->n * a->c, a->oh, 1, tid, nthreads);
    if (part.row.begin == part.row.end)
        return;
    for (int64_t plane = part.outer.begin; plane < part.outer.end; plane++) {
        for (int64_t h = part.rows.begin; h < part.rows.end; h++) {
            float *to = y + (plane * a->oh + h) * a->ow;
            if (h > part.rows.begin && rows[h] == rows[h - 1])
                copy_floats(to, to - a->ow, a->ow);
            else
                nearest_row(x + (plane * a->ih + rows[h]) * a->iw, a->iw, columns, a->ow, to);
        }
    }
}

/* Images of [h][w][lanes]: all of NHWC, or one block of channels. */
INLINE void nearest_images(const void *args, char *const *bases, int64_t images, int64_t lanes, int tid, int nthreads)
{
    const struct nearest *a = args;
    const float *x = RESOLVE(const float, a->x);
    float *y = RESOLVE(float, a->y);
    const int32_t *rows = RESOLVE(const int32_t, a->rows), *columns = RESOLVE(const int32_t, a->columns);
    struct block_range part = share_block(a->split, images, a->oh, 1, tid, nthreads);
    if (part.row.begin == part.row.end)
        return;
    for (int64_t image = part.outer.begin; image < part.outer.end; image++) {
        for (int64_t h = part.rows.begin; h < part.rows.end; h++) {
            const float *from = x + (image * a->ih + rows[h]) * a->iw * lanes;
            float *to = y + (image * a->oh + h) * a->ow * lanes;
            for (int64_t w = 0; w < a->ow; w++)
                copy_floats(to + w * lanes, from + columns[w] * lanes, lanes);
        }
    }
}

static void nearest_nhwc(const void *args, char *const *bases, int tid, int nthreads)
{
    const struct nearest *a = args;
    nearest_images(args, bases, a->n, a->c, tid, nthreads);
}

static void nearest_blocked(const void *args, char *const *bases, int tid, int nthreads)
{
    const struct nearest *a = args;
    nearest_images(args, bases, a->n * ceil_div(a->c, BLOCK), BLOCK, tid, nthreads);
}

/* --- linear --- */

static int64_t linear_workspace(const void *args, int nthreads)
{
    const struct linear *a = args;
    return round_up(a->iw, BLOCK) * (int64_t)sizeof(float) * nthreads;
}

/* `count` elements of two rows mixed. */
static void mix_rows(const float *x0, const float *x1, float weight, int64_t count, float *y)
{
    int64_t i = 0;
    for (; i + VF <= count; i += VF) {
        vf a = vload(x0 + i);
        vstore(y + i, a + (vload(x1 + i) - a) * weight);
    }
    for (; i < count; i++)
        y[i] = x0[i] + (x1[i] - x0[i]) * weight;
}

static void mix_columns(const float *x, int64_t size, const int32_t *first, const int32_t *second,
                        const float *weights, int64_t count, float *y)
{
    int64_t i = 0;
    for (; i + VF <= count; i += VF) {
        vf a = vpick(x, size, first + i);
        vstore(y + i, a + (vpick(x, size, second + i) - a) * vload(weights + i));
    }
    for (; i < count; i++)
        y[i] = x[first[i]] + (x[second[i]] - x[first[i]]) * weights[i];
}

static void linear_nchw(const void *args, char *const *bases, int tid, int nthreads)
{
    const struct linear *a = args;
    const float *x = RESOLVE(const float, a->x);
    const int32_t *rows = RESOLVE(const int32_t, a->rows), *columns = RESOLVE(const int32_t, a->columns);
    const float *row_weights = RESOLVE(const float, a->row_weights);
    const float *column_weights = RESOLVE(const float, a->column_weights);
    float *y = RESOLVE(float, a->y), *mixed = RESOLVE(float, a->work) + round_up(a->iw, BLOCK) * tid;
    struct block_range part = share_block(a->split, a->n * a->c, a->oh, 1, tid, nthreads);
    if (part.row.begin == part.row.end)
        return;
    for (int64_t plane = part.outer.begin; plane < part.outer.end; plane++) {
        const float *from = x + plane * a->ih * a->iw;
        for (int64_t h = part.rows.begin; h < part.rows.end; h++) {
            mix_rows(from + rows[h] * a->iw, from + rows[a->oh + h] * a->iw, row_weights[h], a->iw, mixed);
            mix_columns(mixed, a->iw, columns, columns + a->ow, column_weights, a->ow, y + (plane * a->oh + h) * a->ow);
        }
    }
}

/* One pixel of `lanes` channels from four. */
INLINE void linear_pixel(const float *const corners[4], int64_t lanes, float across, float down, float *y)
{
    int64_t c = 0;
    for (; c + VF <= lanes; c += VF) {
        vf top = vload(corners[0] + c), bottom = vload(corners[2] + c);
        top += (vload(corners[1] + c) - top) * across;
        bottom += (vload(corners[3] + c) - bottom) * across;
        vstore(y + c, top + (bottom - top) * down);
    }
    for (; c < lanes; c++) {
        float top = corners[0][c] + (corners[1][c] - corners[0][c]) * across;
        float bottom = corners[2][c] + (corners[3][c] - corners[2][c]) * across;
        y[c] = top + (bottom - top) * down;
    }
}

INLINE void linear_images(const void *args, char *const *bases, int64_t images, int64_t lanes, int tid, int nthreads)
{
    const struct linear *a = args;
    const float *x = RESOLVE(const float, a->x);
    float *y = RESOLVE(float, a->y);
    const int32_t *rows = RESOLVE(const int32_t, a->rows), *columns = RESOLVE(const int32_t, a->columns);
    const float *row_weights = RESOLVE(const float, a->row_weights);
    const float *column_weights = RESOLVE(const float, a->column_weights);
    struct block_range part = share_block(a->split, images, a->oh, 1, tid, nthreads);
    if (part.row.begin == part.row.end)
        return;
    for (int64_t image = part.outer.begin; image < part.outer.end; image++) {
        for (int64_t h = part.rows.begin; h < part.rows.end; h++) {
            const float *upper = x + (image * a->ih + rows[h]) * a->iw * lanes;
            const float *lower = x + (image * a->ih + rows[a->oh + h]) * a->iw * lanes;
            float *to = y + (image * a->oh + h) * a->ow * lanes;
            for (int64_t w = 0; w < a->ow; w++) {
                int64_t left = columns[w] * lanes, right = columns[a->ow + w] * lanes;
                const float *const corners[4] = {upper + left, upper + right, lower + left, lower + right};
                linear_pixel(corners, lanes, column_weights[w], row_weights[h], to + w * lanes);
            }
        }
    }
}

static void linear_nhwc(const void *args, char *const *bases, int tid, int nthreads)
{
    const struct linear *a = args;
    linear_images(args, bases, a->n, a->c, tid, nthreads);
}

static void linear_blocked(const void *args, char *const *bases, int tid, int nthreads)
{
    const struct linear *a = args;
    linear_images(args, bases, a->n * ceil_div(a->c, BLOCK), BLOCK, tid, nthreads);
}

static const struct kernel kernels[] = {
    PLAIN(KERNEL("f32_resize_nearest_nchw", nearest_nchw, NULL, nearest))
    PLAIN(KERNEL("f32_resize_nearest_nhwc", nearest_nhwc, NULL, nearest))
    KERNEL("f32_resize_nearest_" BLOCKED, nearest_blocked, NULL, nearest),
    PLAIN(KERNEL("f32_resize_linear_nchw", linear_nchw, linear_workspace, linear))
    PLAIN(KERNEL("f32_resize_linear_nhwc", linear_nhwc, NULL, linear))
    KERNEL("f32_resize_linear_" BLOCKED, linear_blocked, NULL, linear),
};
FAMILY(resize, kernels)
