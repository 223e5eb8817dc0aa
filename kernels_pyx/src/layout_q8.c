/* Changes of layout of bytes, between NCHW, NHWC and nchw16c, some together with a change from or to floats.
 *
 * All are made of squares of 16 channels x 16 pixels.  Lanes beyond the last channel are written as zeros, never read.
 * Threads cut image rows, or if told so blocks of channels, as in layout.c. */
#include "adapt_q8.h"
#include "transpose_bytes.h"

#define LAYOUT_FIELDS(X, S) X(S, REF, x) X(S, REF, y) X(S, INT, n) X(S, INT, c) X(S, INT, h) X(S, INT, w) \
    SPLIT_FIELD(X, S)
#define QUANTIZE_LAYOUT_FIELDS(X, S) LAYOUT_FIELDS(X, S) QUANTIZE_FIELDS(X, S)
#define DEQUANTIZE_LAYOUT_FIELDS(X, S) LAYOUT_FIELDS(X, S) DEQUANTIZE_FIELDS(X, S)
KERNEL_ARGS(layout, LAYOUT_FIELDS)
KERNEL_ARGS(quantize_layout, QUANTIZE_LAYOUT_FIELDS)
KERNEL_ARGS(dequantize_layout, DEQUANTIZE_LAYOUT_FIELDS)

enum form { NCHW, NHWC, BLOCKS };

/* Where a square's first channel and pixel lie, and the steps from channel to channel and from pixel to pixel, in
 * elements. */
struct place {
    int64_t at, channel, pixel;
};

INLINE struct place place_of(enum form form, int64_t image, int64_t block, int64_t pixel, int64_t c, int64_t plane)
{
    int64_t first = block * BLOCK;
    switch (form) {
    case NCHW: return (struct place){(image * c + first) * plane + pixel, plane, 1};
    case NHWC: return (struct place){(image * plane + pixel) * c + first, 1, c};
    default: return (struct place){((image * ceil_div(c, BLOCK) + block) * plane + pixel) * BLOCK, 1, BLOCK};
    }
}

/* A row of a square: bytes, or floats that become bytes. */
INLINE void row_in(const struct quantize *q, uint8_t *to, const void *x, int64_t at, int64_t count)
{
    if (q)
        quantize(q, to, (const float *)x + at, count);
    else
        copy_bytes(to, (const uint8_t *)x + at, count);
}

INLINE void row_out(const struct dequantize *d, void *y, int64_t at, const uint8_t *from, int64_t count)
{
    if (d)
        dequantize(d, (float *)y + at, from, count);
    else
        copy_bytes((uint8_t *)y + at, from, count);
}

/* Pixels of a few channels side by side, and the same each in 16 bytes; `packed` has 16 bytes more than it holds. */
INLINE void spread_pixels(uint8_t *to, const uint8_t *packed, int64_t lanes, int64_t pixels)
{
    for (int64_t p = 0; p < pixels; p++) {
        memcpy(to + p * BLOCK, packed + p * lanes, BLOCK);
        for (int64_t c = lanes; c < BLOCK; c++)
            to[p * BLOCK + c] = 0;
    }
}

INLINE void gather_pixels(uint8_t *packed, const uint8_t *from, int64_t lanes, int64_t pixels)
{
    for (int64_t p = 0; p < pixels; p++) /* what a pixel writes too much the next one overwrites */
        memcpy(packed + p * lanes, from + p * BLOCK, BLOCK);
}

/* The sides of a square as rows of 16 bytes: of pixels where channels are rows, else of channels. */
INLINE void square_in(enum form in, const struct quantize *q, const void *x, struct place from, uint8_t *rows,
                      int64_t lanes, int64_t pixels)
{
    if (in == NHWC && from.pixel == lanes && lanes < BLOCK) {
        uint8_t packed[(BLOCK + 1) * BLOCK];
        if (q)
            quantize(q, packed, (const float *)x + from.at, lanes * pixels);
        else
            memcpy(packed, (const uint8_t *)x + from.at, (size_t)(lanes * pixels));
        spread_pixels(rows, packed, lanes, pixels);
    } else if (in == NCHW) {
        for (int64_t c = 0; c < lanes; c++)
            row_in(q, rows + c * BLOCK, x, from.at + c * from.channel, pixels);
    } else {
        for (int64_t p = 0; p < pixels; p++)
            row_in(q, rows + p * BLOCK, x, from.at + p * from.pixel, lanes);
    }
}

INLINE void square_out(enum form out, const struct dequantize *d, const uint8_t *rows, void *y, struct place to,
                       int64_t lanes, int64_t pixels)
{
    if (out == NHWC && to.pixel == lanes && lanes < BLOCK) {
        uint8_t packed[(BLOCK + 1) * BLOCK];
        gather_pixels(packed, rows, lanes, pixels);
        if (d)
            dequantize(d, (float *)y + to.at, packed, lanes * pixels);
        else
            memcpy((uint8_t *)y + to.at, packed, (size_t)(lanes * pixels));
    } else if (out == NCHW) {
        for (int64_t c = 0; c < lanes; c++)
            row_out(d, y, to.at + c * to.channel, rows + c * BLOCK, pixels);
    } else {
        for (int64_t p = 0; p < pixels; p++)
            row_out(d, y, to.at + p * to.pixel, rows + p * BLOCK, out == BLOCKS ? BLOCK : lanes);
    }
}

/* One square of `lanes` channels and `pixels` pixels from the form `in` to the form `out`. */
INLINE void square(enum form in, enum form out, const struct quantize *q, const struct dequantize *d, const void *x,
                   struct place from, void *y, struct place to, int64_t lanes, int64_t pixels)
{
    int transposed = (in == NCHW) != (out == NCHW), whole = lanes == BLOCK && pixels == BLOCK;
    int64_t x_step = in == NCHW ? from.channel : from.pixel, y_step = out == NCHW ? to.channel : to.pixel;
    uint8_t aside[BLOCK * BLOCK], turned[BLOCK * BLOCK];
    const uint8_t *rows = aside;
    if (!q && whole && transposed) {
        rows = (const uint8_t *)x + from.at;
    } else {
        if (lanes < BLOCK)
            memset(aside, 0, sizeof aside);
        square_in(in, q, x, from, aside, lanes, pixels);
        x_step = BLOCK;
    }
    if (transposed) {
        int in_place = !d && pixels == BLOCK && (whole || out == BLOCKS);
        transpose_16x16(rows, x_step, in_place ? (uint8_t *)y + to.at : turned, in_place ? y_step : BLOCK);
        if (in_place)
            return;
        rows = turned;
    }
    square_out(out, d, rows, y, to, lanes, pixels);
}

INLINE void change(const struct layout *a, char *const *bases, int tid, int nthreads, enum form in, enum form out,
                   const struct quantize *q, const struct dequantize *d)
{
    const void *x = RESOLVE(const void, a->x);
    void *y = RESOLVE(void, a->y);
    int64_t plane = a->h * a->w;
    struct range rows = {0, a->h}, blocks = {0, ceil_div(a->c, BLOCK)};
    if (!cut_rows(a->split, 1))
        blocks = share(blocks.end, tid, nthreads);
    else
        rows = share(a->h, tid, nthreads);
    int64_t begin = rows.begin * a->w, end = rows.end * a->w;
    /* Blocks inside pixels where NHWC is on a side, so that its lines are used while they are in L1. */
    int64_t run = in == NHWC || out == NHWC ? BLOCK : max64(BLOCK, end - begin);
    for (int64_t image = 0; image < a->n; image++) {
        for (int64_t first = begin; first < end; first += run) {
            for (int64_t b = blocks.begin; b < blocks.end; b++) {
                int64_t lanes = min64(BLOCK, a->c - b * BLOCK), last = min64(first + run, end);
                for (int64_t p = first; p < last; p += BLOCK)
                    square(in, out, q, d, x, place_of(in, image, b, p, a->c, plane), y,
                           place_of(out, image, b, p, a->c, plane), lanes, min64(BLOCK, last - p));
            }
        }
    }
}

#define CHANGE(name, in, out)                                                     \
    static void name(const void *args, char *const *bases, int tid, int nthreads) \
    {                                                                             \
        change(args, bases, tid, nthreads, in, out, NULL, NULL);                  \
    }

CHANGE(nchw_to_nhwc, NCHW, NHWC)
CHANGE(nhwc_to_nchw, NHWC, NCHW)
CHANGE(nchw_to_blocked, NCHW, BLOCKS)
CHANGE(blocked_to_nchw, BLOCKS, NCHW)
CHANGE(nhwc_to_blocked, NHWC, BLOCKS)
CHANGE(blocked_to_nhwc, BLOCKS, NHWC)

/* The fields of `layout` come first in the others. */
#define QUANTIZE_CHANGE(name, in)                                                 \
    static void name(const void *args, char *const *bases, int tid, int nthreads) \
    {                                                                             \
        struct quantize q = QUANTIZE((const struct quantize_layout *)args);       \
        change(args, bases, tid, nthreads, in, BLOCKS, &q, NULL);                 \
    }

#define DEQUANTIZE_CHANGE(name, out)                                                \
    static void name(const void *args, char *const *bases, int tid, int nthreads)   \
    {                                                                               \
        struct dequantize d = DEQUANTIZE((const struct dequantize_layout *)args);   \
        change(args, bases, tid, nthreads, BLOCKS, out, NULL, &d);                  \
    }

QUANTIZE_CHANGE(quantize_nchw, NCHW)
QUANTIZE_CHANGE(quantize_nhwc, NHWC)
DEQUANTIZE_CHANGE(dequantize_nchw, NCHW)
DEQUANTIZE_CHANGE(dequantize_nhwc, NHWC)

static const struct kernel kernels[] = {
    KERNEL("q8_nchw_to_nhwc", nchw_to_nhwc, NULL, layout),
    KERNEL("q8_nhwc_to_nchw", nhwc_to_nchw, NULL, layout),
    KERNEL("q8_nchw_to_nchw16c", nchw_to_blocked, NULL, layout),
    KERNEL("q8_nchw16c_to_nchw", blocked_to_nchw, NULL, layout),
    KERNEL("q8_nhwc_to_nchw16c", nhwc_to_blocked, NULL, layout),
    KERNEL("q8_nchw16c_to_nhwc", blocked_to_nhwc, NULL, layout),
    KERNEL("q8_quantize_nchw_to_nchw16c", quantize_nchw, NULL, quantize_layout),
    KERNEL("q8_quantize_nhwc_to_nchw16c", quantize_nhwc, NULL, quantize_layout),
    KERNEL("q8_dequantize_nchw16c_to_nchw", dequantize_nchw, NULL, dequantize_layout),
    KERNEL("q8_dequantize_nchw16c_to_nhwc", dequantize_nhwc, NULL, dequantize_layout),
};
FAMILY(layout_q8, kernels)
