/* How direct convolutions over blocks of channels cut their work: for elements of any size, in bytes.
 *
 * Output rows are done in bands whose input fits L2; where the convolution pads, the band is first copied, with what
 * stands outside of the image, into per-thread workspace.  A 1x1 convolution takes the plane as one long row; where it has
 * strides and rows are short, its pixels are first copied so that they lie side by side.
 * Threads cut output rows, or groups of output channels where rows are few; a band times some groups of a share is a
 * chunk that another thread may take (chunks.h). */
#ifndef PLAIT_CONV_BANDS_H
#define PLAIT_CONV_BANDS_H

#include "chunks.h"
#include "isa.h"

enum { CONV_BAND_BYTES = 320 << 10 };

struct conv_shape {
    int64_t n, ih, iw, oh, ow, kh, kw, stride_h, stride_w, pad_t, pad_l, dil_h, dil_w, groups, split;
};

#define CONV_SHAPE(a)                                                                                                 \
    (struct conv_shape){                                                                                              \
        .n = (a)->n, .ih = (a)->ih, .iw = (a)->iw, .oh = (a)->oh, .ow = (a)->ow, .kh = (a)->kh, .kw = (a)->kw,        \
        .stride_h = (a)->stride_h, .stride_w = (a)->stride_w, .pad_t = (a)->pad_t, .pad_l = (a)->pad_l,               \
        .dil_h = (a)->dil_h, .dil_w = (a)->dil_w, .groups = (a)->groups, .split = (a)->split,                         \
    }

struct conv_input;

/* Writes the first `columns` pixels of row `row` of block `block`, of the image or group at x. */
typedef void conv_row_function(char *to, const char *x, const struct conv_shape *s, const struct conv_input *in,
                               int64_t block, int64_t row, int64_t columns);

/* The input of one convolution group: [blocks][ih][iw][unit bytes], and the bytes to the next image, the next group.
 * Where it lies otherwise, `copy_row` says how a band is made of it, and `slack` bytes behind a band are read. */
struct conv_input {
    conv_row_function *copy_row;
    const void *context;
    int64_t slack;
    const char *x;
    int64_t unit, blocks, image, group;
    int outside;  /* the byte that elements outside of the image are made of */
    int64_t tile; /* pixels of the widest tile */
};

/* A part of the work: output rows [row, row + rows) of one group of one image, for some groups of output blocks. */
struct conv_band {
    int64_t image, group, row;
    int64_t rows, width;            /* one long row where the convolution is flat */
    const char *x;                  /* the input of the first output element */
    int64_t x_row, x_col;           /* in bytes, from one output row or column to the next */
    int64_t tap_row, tap_col;       /* from one row of taps to the next, from tap to tap */
    int64_t x_block;                /* from one input block to the next */
    struct range oc_groups;
};
typedef void conv_band_function(const void *context, const struct conv_band *b);

static int64_t conv_band_columns(const struct conv_shape *s)
{
    return (s->ow - 1) * s->stride_w + (s->kw - 1) * s->dil_w + 1;
}

static int64_t conv_band_input_rows(const struct conv_shape *s, int64_t rows)
{
    return (rows - 1) * s->stride_h + (s->kh - 1) * s->dil_h + 1;
}

static int conv_pads(const struct conv_shape *s, const struct conv_input *in)
{
    return in->copy_row || s->pad_t > 0 || s->pad_l > 0 || conv_band_input_rows(s, s->oh) > s->ih ||
           conv_band_columns(s) > s->iw;
}

/* Whether pixels of a 1x1 convolution with strides are copied: where tiles of single rows would be narrow. */
static int conv_gathers(const struct conv_shape *s, const struct conv_input *in)
{
    return s->kh == 1 && s->kw == 1 && (s->stride_h > 1 || s->stride_w > 1) && !conv_pads(s, in) &&
           4 * s->ow < 3 * in->tile * ceil_div(s->ow, in->tile);
}

/* Output rows per band: as many as keep the input in cache, at least one. */
static int64_t conv_band_rows(const struct conv_shape *s, const struct conv_input *in)
{
    int64_t row = in->blocks * in->unit * conv_band_columns(s);
    int64_t beyond_first = (CONV_BAND_BYTES / row - conv_band_input_rows(s, 1)) / s->stride_h;
    return min64(s->oh, 1 + max64(0, beyond_first));
}

/* Workspace of one thread, in bytes. */
static int64_t conv_band_bytes(const struct conv_shape *s, const struct conv_input *in)
{
    if (conv_gathers(s, in))
        return round_up(in->blocks * in->unit * conv_band_rows(s, in) * s->ow, 64);
    if (!conv_pads(s, in))
        return 0;
    int64_t rows = conv_band_input_rows(s, conv_band_rows(s, in));
    return round_up(in->blocks * in->unit * conv_band_columns(s) * rows + in->slack, 64);
}

/* Input rows [top, top + rows) with their padding, as [block][rows][columns][unit]. */
static void conv_copy_band(char *to, const char *x, const struct conv_shape *s, const struct conv_input *in,
                           int64_t top, int64_t rows)
{
    int64_t columns = conv_band_columns(s), unit = in->unit, whole = columns * unit;
    int64_t left = min64(s->pad_l, columns), inside = max64(0, min64(columns - left, s->iw));
    for (int64_t block = 0; block < in->blocks; block++) {
        for (int64_t row = top; row < top + rows; row++, to += whole) {
            if (row < 0 || row >= s->ih) {
                memset(to, in->outside, (size_t)whole);
                continue;
            }
            memset(to, in->outside, (size_t)(left * unit));
            if (in->copy_row)
                in->copy_row(to + left * unit, x, s, in, block, row, inside);
            else
                memcpy(to + left * unit, x + (block * s->ih + row) * s->iw * unit, (size_t)(inside * unit));
            memset(to + (left + inside) * unit, in->outside, (size_t)((columns - left - inside) * unit));
        }
    }
}

/* The pixels of output rows [row, row + rows) of a 1x1 convolution, as [block][rows][ow][unit]. */
INLINE void conv_gather_pixels(char *to, const char *x, const struct conv_shape *s, const struct conv_input *in,
                               int64_t row, int64_t rows, int64_t unit)
{
    for (int64_t block = 0; block < in->blocks; block++) {
        for (int64_t r = row; r < row + rows; r++) {
            const char *from = x + (block * s->ih + r * s->stride_h) * s->iw * unit;
            for (int64_t c = 0; c < s->ow; c++, to += unit)
                memcpy(to, from + c * s->stride_w * unit, (size_t)unit);
        }
    }
}

static void conv_gather_band(char *to, const char *x, const struct conv_shape *s, const struct conv_input *in,
                             int64_t row, int64_t rows)
{
    if (in->unit == 16) /* constants make moves of calls */
        conv_gather_pixels(to, x, s, in, row, rows, 16);
    else if (in->unit == 32)
        conv_gather_pixels(to, x, s, in, row, rows, 32);
    else if (in->unit == 64)
        conv_gather_pixels(to, x, s, in, row, rows, 64);
    else
        conv_gather_pixels(to, x, s, in, row, rows, in->unit);
}

/* Calls `run` for each part that this thread does.  `work`: the thread's own. */
INLINE void conv_for_bands(const struct conv_shape *s, const struct conv_input *in, int64_t oc_groups, char *work,
                           char *claims, int tid, int nthreads, conv_band_function *run, const void *context)
{
    if (s->oh == 0)
        return;
    int padded = conv_pads(s, in), gathered = conv_gathers(s, in);
    int one = s->kh == 1 && s->kw == 1 && s->stride_h == 1 && s->stride_w == 1 && s->ow == s->iw;
    int flat = gathered || (one && !padded);
    int by_rows = cut_rows(s->split, rows_suffice(s->oh, nthreads));
    int64_t most_rows = by_rows ? ceil_div(s->oh, nthreads) : s->oh;
    int64_t most_groups = by_rows ? oc_groups : ceil_div(oc_groups, nthreads);
    int64_t bands = ceil_div(most_rows, conv_band_rows(s, in)), per_band = ceil_div(most_rows, bands);
    int64_t cuts = min64(most_groups, ceil_div(WORTHWHILE_CHUNKS, bands)), copied = -1;
    struct chunks c = chunks_begin(claims, tid, nthreads, s->n * s->groups * bands * cuts);

    for (int64_t chunk; (chunk = chunk_take(&c)) >= 0;) {
        int64_t ng = chunk / cuts / bands;
        struct range rows = by_rows ? share(s->oh, c.owner, nthreads) : (struct range){0, s->oh};
        struct range groups = by_rows ? (struct range){0, oc_groups} : share(oc_groups, c.owner, nthreads);
        struct range part = share(groups.end - groups.begin, (int)(chunk % cuts), (int)cuts);
        int64_t row = rows.begin + chunk / cuts % bands * per_band, count = min64(per_band, rows.end - row);
        if (count <= 0 || part.begin == part.end)
            continue;
        const char *x = in->x + ng / s->groups * in->image + ng % s->groups * in->group;
        struct conv_band b = {
            .image = ng / s->groups, .group = ng % s->groups, .row = row,
            .rows = flat ? 1 : count, .width = flat ? count * s->ow : s->ow,
            .x = x + row * s->stride_h * s->iw * in->unit, .x_row = s->stride_h * s->iw * in->unit,
            .x_col = gathered ? in->unit : s->stride_w * in->unit,
            .tap_row = s->dil_h * s->iw * in->unit, .tap_col = s->dil_w * in->unit,
            .x_block = s->ih * s->iw * in->unit,
            .oc_groups = {groups.begin + part.begin, groups.begin + part.end},
        };
        if (gathered) {
            if (copied != ng * s->oh + row)
                conv_gather_band(work, x, s, in, row, count);
            b.x = work;
            b.x_block = count * s->ow * in->unit;
        }
        if (padded) {
            int64_t input_rows = conv_band_input_rows(s, count), row_bytes = conv_band_columns(s) * in->unit;
            if (copied != ng * s->oh + row)
                conv_copy_band(work, x, s, in, row * s->stride_h - s->pad_t, input_rows);
            b.x = work;
            b.x_row = s->stride_h * row_bytes;
            b.tap_row = s->dil_h * row_bytes;
            b.x_block = input_rows * row_bytes;
        }
        copied = ng * s->oh + row;
        run(context, &b);
    }
}

#endif
