/* Moves and fills: transpose, slice, concatenate, pad are all strided copies.
 *
 *   copy_nd      y[i] = x[i] over 6 dimensions d0..d5, free steps (in elements, negative allowed) on both sides,
 *                elements of 1, 2, 4 or 8 bytes
 *   f32_fill     `count` floats of one value
 *   f32_concat_part_nchw16c   `channels` channels of x, from x_first on, into y from y_first on: concatenation, slices
 *                and splits at channels that are no multiple of 16; other lanes of y stay as they are
 *
 * Threads cut the outer rows; channel copies cut image rows. */
#include "isa.h"

#define DIMS(X, S, p) X(S, INT, p##0) X(S, INT, p##1) X(S, INT, p##2) X(S, INT, p##3) X(S, INT, p##4) X(S, INT, p##5)
#define COPY_FIELDS(X, S) \
    X(S, REF, x) X(S, REF, y) X(S, INT, elem_size) DIMS(X, S, d) DIMS(X, S, x_step) DIMS(X, S, y_step)
KERNEL_ARGS(copy, COPY_FIELDS)

#define COPY_ROW(type)                                                                        \
    static void copy_row_##type(char *y, const char *x, int64_t count, int64_t y_step, int64_t x_step) \
    {                                                                                         \
        type *to = (type *)y;                                                                 \
        const type *from = (const type *)x;                                                   \
        for (int64_t i = 0; i < count; i++)                                                   \
            to[i * y_step] = from[i * x_step];                                                \
    }

COPY_ROW(uint8_t)
COPY_ROW(uint16_t)
COPY_ROW(uint32_t)
COPY_ROW(uint64_t)

static void copy_nd(const void *args, char *const *bases, int tid, int nthreads)
{
    const struct copy *a = args;
    const char *x = RESOLVE(const char, a->x);
    char *y = RESOLVE(char, a->y);
    int64_t size = a->elem_size;
    struct range rows = share(a->d0 * a->d1 * a->d2 * a->d3 * a->d4, tid, nthreads);
    for (int64_t r = rows.begin; r < rows.end; r++) {
        int64_t i4 = r % a->d4, i3 = r / a->d4 % a->d3, i2 = r / (a->d4 * a->d3) % a->d2;
        int64_t i1 = r / (a->d4 * a->d3 * a->d2) % a->d1, i0 = r / (a->d4 * a->d3 * a->d2 * a->d1);
        const char *from = x + size * (i0 * a->x_step0 + i1 * a->x_step1 + i2 * a->x_step2 + i3 * a->x_step3 +
                                       i4 * a->x_step4);
        char *to = y + size * (i0 * a->y_step0 + i1 * a->y_step1 + i2 * a->y_step2 + i3 * a->y_step3 +
                               i4 * a->y_step4);
        if (a->x_step5 == 1 && a->y_step5 == 1)
            memcpy(to, from, a->d5 * size);
        else if (size == 1)
            copy_row_uint8_t(to, from, a->d5, a->y_step5, a->x_step5);
        else if (size == 2)
            copy_row_uint16_t(to, from, a->d5, a->y_step5, a->x_step5);
        else if (size == 4)
            copy_row_uint32_t(to, from, a->d5, a->y_step5, a->x_step5);
        else
            copy_row_uint64_t(to, from, a->d5, a->y_step5, a->x_step5);
    }
}

#define FILL_FIELDS(X, S) X(S, REF, y) X(S, INT, count) X(S, FLOAT, value)
KERNEL_ARGS(fill, FILL_FIELDS)

static void fill_run(const void *args, char *const *bases, int tid, int nthreads)
{
    const struct fill *a = args;
    float *y = RESOLVE(float, a->y);
    struct range r = share(a->count, tid, nthreads);
    for (int64_t i = r.begin; i < r.end; i++)
        y[i] = a->value;
}

#define CHANNELS_FIELDS(X, S)                                                                    \
    X(S, REF, x) X(S, REF, y) X(S, INT, n) X(S, INT, h) X(S, INT, w) X(S, INT, channels)         \
    X(S, INT, x_c) X(S, INT, x_first) X(S, INT, y_c) X(S, INT, y_first)
KERNEL_ARGS(channels, CHANNELS_FIELDS)

static void concat_part_nchw16c(const void *args, char *const *bases, int tid, int nthreads)
{
    const struct channels *a = args;
    const float *x = RESOLVE(const float, a->x);
    float *y = RESOLVE(float, a->y);
    int64_t x_blocks = ceil_div(a->x_c, BLOCK), y_blocks = ceil_div(a->y_c, BLOCK), plane = a->h * a->w;
    struct block_range part = share_block(a->n, a->h, a->w, tid, nthreads);
    for (int64_t image = part.outer.begin; image < part.outer.end; image++) {
        /* Runs of channels that lie in one block on both sides. */
        for (int64_t done = 0, run; done < a->channels; done += run) {
            int64_t from = a->x_first + done, to = a->y_first + done;
            run = min64(a->channels - done, min64(BLOCK - from % BLOCK, BLOCK - to % BLOCK));
            const float *x_block = x + (image * x_blocks + from / BLOCK) * plane * BLOCK + from % BLOCK;
            float *y_block = y + (image * y_blocks + to / BLOCK) * plane * BLOCK + to % BLOCK;
            for (int64_t r = part.rows.begin; r < part.rows.end; r++)
                for (int64_t w = part.row.begin; w < part.row.end; w++)
                    copy_floats(y_block + (r * a->w + w) * BLOCK, x_block + (r * a->w + w) * BLOCK, run);
        }
    }
}

static const struct kernel kernels[] = {
    KERNEL("copy_nd", copy_nd, NULL, copy),
    KERNEL("f32_fill", fill_run, NULL, fill),
    KERNEL("f32_concat_part_nchw16c", concat_part_nchw16c, NULL, channels),
};
FAMILY(copy, kernels)
