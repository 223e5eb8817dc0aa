/* Windowed operations on plain planes by way of blocks: BLOCK planes at a time are transposed to [row][column][BLOCK], a band of
 * output rows at a time so that all of it stays in cache, computed there by the code for blocks, and transposed back. */
#ifndef PLAIT_BANDS_H
#define PLAIT_BANDS_H

#include "transpose.h"

enum { BAND_FLOATS = 32 * 1024 };

struct bands {
    int64_t rows, count;     /* output rows of a band; bands of an image */
    struct range output;     /* the output rows that are cut in bands */
    int64_t x_rows;          /* most input rows of a band */
    int64_t ih, iw, oh, ow;
    int64_t kh, stride_h, pad_t, dil_h;
};

#define BANDS(a)                                                                                                \
    bands_make((struct bands){.ih = (a)->ih, .iw = (a)->iw, .oh = (a)->oh, .ow = (a)->ow, .kh = (a)->kh,        \
                              .stride_h = (a)->stride_h, .pad_t = (a)->pad_t, .dil_h = (a)->dil_h})

static struct bands bands_make(struct bands b)
{
    int64_t reach = (b.kh - 1) * b.dil_h + 1, step = (b.stride_h * b.iw + b.ow) * BLOCK;
    int64_t most = max64(4, (BAND_FLOATS - reach * b.iw * BLOCK) / max64(1, step));
    b.count = max64(1, ceil_div(b.oh, most));
    b.rows = max64(1, ceil_div(b.oh, b.count));
    b.count = ceil_div(b.oh, b.rows);
    b.output = (struct range){0, b.oh};
    b.x_rows = min64(b.ih, (b.rows - 1) * b.stride_h + reach);
    return b;
}

static int64_t band_x_floats(const struct bands *b)
{
    return b->x_rows * b->iw * BLOCK;
}

static int64_t band_y_floats(const struct bands *b)
{
    return b->rows * b->ow * BLOCK;
}

/* A thread's part of all bands of all blocks, one block after the other: if not said otherwise, as many as others do. */
static struct range band_work(struct bands *b, int64_t split, int64_t blocks, int tid, int nthreads)
{
    if (split == SPLIT_AUTO)
        return share(blocks * b->count, tid, nthreads);
    if (split == SPLIT_CHANNELS) {
        struct range r = share(blocks, tid, nthreads);
        return (struct range){r.begin * b->count, r.end * b->count};
    }
    b->output = share(b->oh, tid, nthreads);
    b->count = ceil_div(b->output.end - b->output.begin, b->rows);
    return (struct range){0, blocks * b->count};
}

static struct range band_output(const struct bands *b, int64_t band)
{
    int64_t first = b->output.begin + band * b->rows;
    return (struct range){first, min64(first + b->rows, b->output.end)};
}

/* The input rows that the output rows `rows` read. */
static struct range band_inputs(const struct bands *b, struct range rows)
{
    int64_t begin = max64(0, rows.begin * b->stride_h - b->pad_t);
    int64_t end = min64(b->ih, (rows.end - 1) * b->stride_h - b->pad_t + (b->kh - 1) * b->dil_h + 1);
    return (struct range){min64(begin, b->ih), max64(begin, end)};
}

/* Rows of `lanes` planes of height x width to blocks, and back. */
static void planes_to_block(const float *planes, int64_t height, int64_t width, struct range rows, int64_t lanes,
                            float *block)
{
    if (rows.begin < rows.end)
        transpose(planes + rows.begin * width, height * width, block, BLOCK, lanes, (rows.end - rows.begin) * width);
}

static void block_to_planes(const float *block, int64_t height, int64_t width, struct range rows, int64_t lanes,
                            float *planes)
{
    transpose(block, BLOCK, planes + rows.begin * width, height * width, (rows.end - rows.begin) * width, lanes);
}

#endif
