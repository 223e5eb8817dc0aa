/* Moves of bytes that copy_nd does not do.
 *
 *   q8_concat_part_nchw16c  `channels` channels of x, from x_first on, into y from y_first on: concatenation, slices and
 *                           splits; `table` (256 bytes, or NULL) changes their parameters; other lanes of y stay as they are
 *   q8_fill                 `count` bytes of one value: what is put around an image, its zero point
 *
 * Threads cut image rows. */
#include "lookup.h"

#define CHANNELS_FIELDS(X, S)                                                                                \
    X(S, REF, x) X(S, REF, y) X(S, REF, table) X(S, INT, n) X(S, INT, h) X(S, INT, w) X(S, INT, channels)    \
    X(S, INT, x_c) X(S, INT, x_first) X(S, INT, y_c) X(S, INT, y_first) SPLIT_FIELD(X, S)
#define FILL_FIELDS(X, S) X(S, REF, y) X(S, INT, count) X(S, INT, value)
KERNEL_ARGS(channels, CHANNELS_FIELDS)
KERNEL_ARGS(fill, FILL_FIELDS)

/* `run` lanes of `pixels` neighbouring pixels. */
static void move_lanes(const struct lookup_table *table, uint8_t *y, const uint8_t *x, int64_t pixels, int64_t run)
{
    if (run == BLOCK && table)
        lookup_bytes(table, y, x, pixels * BLOCK);
    else if (run == BLOCK)
        memcpy(y, x, (size_t)(pixels * BLOCK));
    else if (table)
        for (int64_t p = 0; p < pixels * BLOCK; p += BLOCK)
            for (int64_t c = 0; c < run; c++)
                y[p + c] = table->bytes[x[p + c]];
    else
        for (int64_t p = 0; p < pixels * BLOCK; p += BLOCK)
            for (int64_t c = 0; c < run; c++)
                y[p + c] = x[p + c];
}

static void concat_part(const void *args, char *const *bases, int tid, int nthreads)
{
    const struct channels *a = args;
    const uint8_t *x = RESOLVE(const uint8_t, a->x), *bytes = RESOLVE(const uint8_t, a->table);
    uint8_t *y = RESOLVE(uint8_t, a->y);
    struct lookup_table table;
    if (bytes)
        table = lookup_make(bytes);
    int64_t x_blocks = ceil_div(a->x_c, BLOCK), y_blocks = ceil_div(a->y_c, BLOCK), plane = a->h * a->w;
    struct block_range part = share_block(a->split, a->n, a->h, a->w, tid, nthreads);
    for (int64_t image = part.outer.begin; image < part.outer.end; image++) {
        /* Runs of channels that lie in one block on both sides. */
        for (int64_t done = 0, run; done < a->channels; done += run) {
            int64_t from = a->x_first + done, to = a->y_first + done;
            run = min64(a->channels - done, min64(BLOCK - from % BLOCK, BLOCK - to % BLOCK));
            const uint8_t *x_block = x + (image * x_blocks + from / BLOCK) * plane * BLOCK + from % BLOCK;
            uint8_t *y_block = y + (image * y_blocks + to / BLOCK) * plane * BLOCK + to % BLOCK;
            for (int64_t r = part.rows.begin; r < part.rows.end; r++) {
                int64_t at = (r * a->w + part.row.begin) * BLOCK;
                move_lanes(bytes ? &table : NULL, y_block + at, x_block + at, part.row.end - part.row.begin, run);
            }
        }
    }
}

static void fill_run(const void *args, char *const *bases, int tid, int nthreads)
{
    const struct fill *a = args;
    struct range r = share(a->count, tid, nthreads);
    memset(RESOLVE(uint8_t, a->y) + r.begin, (int)a->value, (size_t)(r.end - r.begin));
}

static const struct kernel kernels[] = {
    KERNEL("q8_concat_part_nchw16c", concat_part, NULL, channels),
    KERNEL("q8_fill", fill_run, NULL, fill),
};
FAMILY(copy_q8, kernels)
