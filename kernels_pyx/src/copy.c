/* Moves and fills: transpose, slice, concatenate, pad are all strided copies.
 *
 *   copy_nd      y[i] = x[i] over 6 dimensions d0..d5, free steps (in elements, negative allowed) on both sides,
 *                elements of 1, 2, 4 or 8 bytes
 *   f32_fill     `count` floats of one value
 *   f32_concat_part_<blocked> `channels` channels of x, from x_first on, into y from y_first on: concatenation, slices
 *                and splits at channels that are no multiple of 16; other lanes of y stay as they are
 *
 * Threads cut the outermost dimension that has enough steps; channel copies cut image rows. */
#include "element.h"
#include "transpose.h"

#define DIMS(X, S, p) X(S, INT, p##0) X(S, INT, p##1) X(S, INT, p##2) X(S, INT, p##3) X(S, INT, p##4) X(S, INT, p##5)
#define COPY_FIELDS(X, S) \
    X(S, REF, x) X(S, REF, y) X(S, INT, elem_size) DIMS(X, S, d) DIMS(X, S, x_step) DIMS(X, S, y_step)
KERNEL_ARGS(copy, COPY_FIELDS)

/* One dimension of a copy; steps in bytes. */
struct axis {
    int64_t size, x_step, y_step;
};

enum { AXES = 6 };

struct box {
    struct axis axes[AXES];
    int count;
    const char *x;
    char *y;
};

/* The dimensions that matter, the ones that lie in one piece on both sides put together. */
static struct box box_of(const struct copy *a, char *const *bases)
{
    const struct axis all[AXES] = {
        {a->d0, a->x_step0, a->y_step0}, {a->d1, a->x_step1, a->y_step1}, {a->d2, a->x_step2, a->y_step2},
        {a->d3, a->x_step3, a->y_step3}, {a->d4, a->x_step4, a->y_step4}, {a->d5, a->x_step5, a->y_step5},
    };
    struct box b = {.x = RESOLVE(const char, a->x), .y = RESOLVE(char, a->y)};
    for (int i = 0; i < AXES; i++) {
        struct axis next = {all[i].size, all[i].x_step * a->elem_size, all[i].y_step * a->elem_size};
        if (next.size == 1)
            continue;
        struct axis *last = b.count ? &b.axes[b.count - 1] : NULL;
        if (last && last->x_step == next.size * next.x_step && last->y_step == next.size * next.y_step)
            *last = (struct axis){last->size * next.size, next.x_step, next.y_step};
        else
            b.axes[b.count++] = next;
    }
    return b;
}

/* The thread's part: a piece of the outermost axis with enough steps for all threads, or of the longest. */
static void cut(struct box *b, int tid, int nthreads)
{
    int longest = 0;
    for (int i = 0; i < b->count; i++) {
        if (rows_suffice(b->axes[i].size, nthreads)) {
            longest = i;
            break;
        }
        if (b->axes[i].size > b->axes[longest].size)
            longest = i;
    }
    if (b->count == 0) { /* a single element */
        b->axes[b->count++] = (struct axis){tid == 0, 0, 0};
        return;
    }
    struct axis *axis = &b->axes[longest];
    struct range r = share(axis->size, tid, nthreads);
    axis->size = r.end - r.begin;
    b->x += r.begin * axis->x_step;
    b->y += r.begin * axis->y_step;
}

/* Take out the axis whose elements lie side by side in x or in y; an empty axis if there is none. */
static struct axis take_contiguous(struct box *b, int64_t elem_size, int in_x)
{
    for (int i = b->count - 1; i >= 0; i--) {
        struct axis axis = b->axes[i];
        if ((in_x ? axis.x_step : axis.y_step) != elem_size)
            continue;
        memmove(b->axes + i, b->axes + i + 1, (size_t)(b->count - i - 1) * sizeof axis);
        b->count--;
        return axis;
    }
    return (struct axis){0, 0, 0};
}

#define COPY_STRIDED(type)                                                                            \
    static void copy_strided_##type(char *y, const char *x, struct axis a)                            \
    {                                                                                                 \
        for (int64_t i = 0; i < a.size; i++)                                                          \
            *(type *)(y + i * a.y_step) = *(const type *)(x + i * a.x_step);                          \
    }

COPY_STRIDED(uint8_t)
COPY_STRIDED(uint16_t)
COPY_STRIDED(uint32_t)
COPY_STRIDED(uint64_t)

static void copy_strided(char *y, const char *x, struct axis a, int64_t elem_size)
{
    switch (elem_size) {
    case 1: copy_strided_uint8_t(y, x, a); break;
    case 2: copy_strided_uint16_t(y, x, a); break;
    case 4: copy_strided_uint32_t(y, x, a); break;
    default: copy_strided_uint64_t(y, x, a);
    }
}

/* A row: contiguous on both sides, or along one axis. */
static void copy_row(char *y, const char *x, struct axis a, int64_t elem_size)
{
    int64_t bytes = a.size * elem_size;
    if (a.x_step != elem_size || a.y_step != elem_size)
        copy_strided(y, x, a, elem_size);
    else if (bytes <= 1024 && elem_size >= 4) /* smaller elements may lie at any address */
        copy_floats((float *)y, (const float *)x, bytes / 4);
    else
        memcpy(y, x, bytes);
}

/* A transposition: along one axis x is contiguous, along the other y. */
static void copy_matrix(char *y, const char *x, struct axis along_x, struct axis along_y, int64_t elem_size)
{
    enum { TILE = 32 };
    if (elem_size == 4) {
        transpose((const float *)x, along_y.x_step / 4, (float *)y, along_x.y_step / 4, along_y.size, along_x.size);
        return;
    }
    for (int64_t i = 0; i < along_x.size; i += TILE) {
        for (int64_t j = 0; j < along_y.size; j += TILE) {
            struct axis row = {min64(TILE, along_y.size - j), along_y.x_step, along_y.y_step};
            for (int64_t k = i; k < min64(i + TILE, along_x.size); k++)
                copy_strided(y + k * along_x.y_step + j * row.y_step, x + k * along_x.x_step + j * row.x_step, row,
                             elem_size);
        }
    }
}

/* The last axes by `copy_row` or `copy_matrix`, all combinations of the others around them. */
static void copy_nd(const void *args, char *const *bases, int tid, int nthreads)
{
    const struct copy *a = args;
    struct box b = box_of(a, bases);
    cut(&b, tid, nthreads);
    for (int i = 0; i < b.count; i++)
        if (b.axes[i].size == 0)
            return;
    struct axis inner = take_contiguous(&b, a->elem_size, 0), along_x = {0, 0, 0};
    if (inner.size && inner.x_step != a->elem_size)
        along_x = take_contiguous(&b, a->elem_size, 1);
    if (!inner.size)
        inner = b.axes[--b.count];
    int64_t at[AXES] = {0};
    const char *x = b.x;
    char *y = b.y;
    for (;;) {
        if (along_x.size)
            copy_matrix(y, x, along_x, inner, a->elem_size);
        else
            copy_row(y, x, inner, a->elem_size);
        int i = b.count - 1;
        for (; i >= 0; i--) {
            x += b.axes[i].x_step;
            y += b.axes[i].y_step;
            if (++at[i] < b.axes[i].size)
                break;
            at[i] = 0;
            x -= b.axes[i].size * b.axes[i].x_step;
            y -= b.axes[i].size * b.axes[i].y_step;
        }
        if (i < 0)
            return;
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
    X(S, INT, x_c) X(S, INT, x_first) X(S, INT, y_c) X(S, INT, y_first) SPLIT_FIELD(X, S)
KERNEL_ARGS(channels, CHANNELS_FIELDS)

static void concat_part_blocked(const void *args, char *const *bases, int tid, int nthreads)
{
    const struct channels *a = args;
    const element *x = RESOLVE(const element, a->x);
    element *y = RESOLVE(element, a->y);
    int64_t x_blocks = ceil_div(a->x_c, BLOCK), y_blocks = ceil_div(a->y_c, BLOCK), plane = a->h * a->w;
    struct block_range part = share_block(a->split, a->n, a->h, a->w, tid, nthreads);
    for (int64_t image = part.outer.begin; image < part.outer.end; image++) {
        /* Runs of channels that lie in one block on both sides. */
        for (int64_t done = 0, run; done < a->channels; done += run) {
            int64_t from = a->x_first + done, to = a->y_first + done;
            run = min64(a->channels - done, min64(BLOCK - from % BLOCK, BLOCK - to % BLOCK));
            const element *x_block = x + (image * x_blocks + from / BLOCK) * plane * BLOCK + from % BLOCK;
            element *y_block = y + (image * y_blocks + to / BLOCK) * plane * BLOCK + to % BLOCK;
            for (int64_t r = part.rows.begin; r < part.rows.end; r++)
                for (int64_t w = part.row.begin; w < part.row.end; w++)
                    copy_elements(y_block + (r * a->w + w) * BLOCK, x_block + (r * a->w + w) * BLOCK, run);
        }
    }
}

static const struct kernel kernels[] = {
    PLAIN(KERNEL("copy_nd", copy_nd, NULL, copy))
    PLAIN(KERNEL("f32_fill", fill_run, NULL, fill))
    KERNEL(ELEMENT "_concat_part_" BLOCKED, concat_part_blocked, NULL, channels),
};
FAMILY(copy, kernels)
