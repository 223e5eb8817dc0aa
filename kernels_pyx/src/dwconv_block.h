/* Depthwise convolution of output rows, a vector of channels at a time; dwconv.c and separable.c make images of them. */
#ifndef PLAIT_DWCONV_BLOCK_H
#define PLAIT_DWCONV_BLOCK_H

#include "conv.h"
#include "element.h"

#define DWCONV_FIELDS(X, S) CONV_OPERANDS(X, S) X(S, REF, work) CONV_GEOMETRY(X, S) ACT_FIELDS(X, S)
struct dwconv {
    DWCONV_FIELDS(FIELD_MEMBER, dwconv)
};

struct dwconv_walk {
    int64_t rows;                    /* kernel rows inside the image */
    int64_t first, last;             /* columns of the tile's input inside the image */
    int64_t x_row, x_pixel, y_pixel; /* steps in elements */
    int64_t w_tap;
    int64_t tiles, columns, wider; /* a row is cut into `tiles` tiles of `columns` outputs, the first `wider` have one more */
    struct epilogue e;
};
typedef void dwconv_tile(const struct dwconv_walk *l, const element *x, const float *w, const float *bias,
                         const element *res, element *y);

#if VF == 16
#include "dwconv_tiles_avx512.h"
#elif VF == 8
#include "dwconv_tiles_avx2.h"
#else
#include "dwconv_tiles_baseline.h"
#endif

INLINE vf finish(const struct dwconv_walk *l, int64_t lanes, vf acc, const float *bias, const element *res)
{
    acc += vload_part(bias, lanes);
    if (res)
        acc += eload_part(res, lanes);
    return element_now(&l->e, acc);
}

/* Four neighbouring outputs of whole vectors whose taps all lie inside the image's columns: no tests, filters loaded once. */
static void general_inner(const struct dwconv *a, const struct dwconv_walk *l, const element *x, const float *w,
                          const float *bias, const element *res, element *y)
{
    int64_t next = a->stride_w * l->x_pixel, dil = a->dil_w * l->x_pixel, step = l->y_pixel;
    vf c0 = vzero(), c1 = c0, c2 = c0, c3 = c0;
    for (int64_t i = 0; i < l->rows; i++) {
        for (int64_t j = 0; j < a->kw; j++) {
            const element *from = x + i * l->x_row + j * dil;
            vf tap = vload(w + (i * a->kw + j) * l->w_tap);
            c0 += eload(from) * tap;
            c1 += eload(from + next) * tap;
            c2 += eload(from + 2 * next) * tap;
            c3 += eload(from + 3 * next) * tap;
        }
    }
    estore(y, finish(l, VF, c0, bias, res));
    estore(y + step, finish(l, VF, c1, bias, res ? res + step : NULL));
    estore(y + 2 * step, finish(l, VF, c2, bias, res ? res + 2 * step : NULL));
    estore(y + 3 * step, finish(l, VF, c3, bias, res ? res + 3 * step : NULL));
}

/* One output row of `lanes` <= VF channels, any kernel.  x, w start at the first kernel row inside the image. */
static void general_row(const struct dwconv *a, const struct dwconv_walk *l, int64_t lanes, const element *x,
                        const float *w, const float *bias, const element *res, element *y)
{
    int64_t reach = 3 * a->stride_w + (a->kw - 1) * a->dil_w;
    for (int64_t o = 0, done; o < a->ow; o += done) {
        int64_t column = o * a->stride_w - a->pad_l, at = o * l->y_pixel;
        done = 1;
        if (lanes == VF && o + 4 <= a->ow && column >= 0 && column + reach < a->iw) {
            general_inner(a, l, x + column * l->x_pixel, w, bias, res ? res + at : NULL, y + at);
            done = 4;
            continue;
        }
        vf acc = vzero();
        for (int64_t i = 0; i < l->rows; i++) {
            for (int64_t j = 0; j < a->kw; j++) {
                int64_t in = column + j * a->dil_w;
                if (in < 0 || in >= a->iw)
                    continue;
                const element *from = x + i * l->x_row + in * l->x_pixel;
                const float *tap = w + (i * a->kw + j) * l->w_tap;
                acc += eload_part(from, lanes) * vload_part(tap, lanes);
            }
        }
        estore_part(y + at, finish(l, lanes, acc, bias, res ? res + at : NULL), lanes);
    }
}

/* Which columns of a tile's input lie outside the image, as far as there are tiles for it. */
static enum dwconv_edge edge_of(int64_t first, int64_t last, int64_t wide, int64_t left, int64_t right)
{
    if ((first > 0 && first != left) || (last < wide && last != wide - right))
        return EDGE_ANY;
    return first > 0 ? (last < wide ? EDGE_BOTH : EDGE_LEFT) : last < wide ? EDGE_RIGHT : EDGE_INNER;
}

/* One output row of a vector of channels in tiles. */
static void tiled_row(const struct dwconv *a, struct dwconv_walk *l, const element *x, const float *w, const float *bias,
                      const element *res, element *y)
{
    dwconv_tile *const(*tiles)[DWCONV_MOST_COLUMNS + 1] = 
        dwconv_tiles[l->x_pixel != BLOCK][a->kw / 2 - 1][a->stride_w - 1];
    for (int64_t o = 0, t = 0; t < l->tiles; t++) {
        int64_t columns = l->columns + (t < l->wider);
        int64_t from = o * a->stride_w - a->pad_l, wide = (columns - 1) * a->stride_w + a->kw;
        l->first = -from;
        l->last = a->iw - from;
        dwconv_tile *tile = tiles[edge_of(l->first, l->last, wide, a->kw / 2, a->kw / 2 + 1 - a->stride_w)][columns];
        tile(l, x + from * l->x_pixel, w, bias, res ? res + o * l->y_pixel : NULL, y + o * l->y_pixel);
        o += columns;
    }
}

static void dwconv_vector(const struct dwconv *a, struct dwconv_walk *l, int tiled, int64_t lanes, const element *x,
                          const float *w, const float *bias, const element *res, element *y)
{
    if (tiled && lanes == VF)
        tiled_row(a, l, x, w, bias, res, y);
    else
        general_row(a, l, lanes, x, w, bias, res, y);
}

static int has_tile(const struct dwconv *a)
{
    return a->kh == a->kw && a->kw % 2 == 1 && a->kw >= 3 && a->kw <= 7 && (a->stride_w == 1 || a->stride_w == 2) && a->dil_w == 1;
}

/* The kernel rows of output row `row` that lie inside the image. */
static struct range kernel_rows(const struct dwconv *a, int64_t row)
{
    int64_t top = row * a->stride_h - a->pad_t;
    int64_t begin, end;
    if (a->dil_h == 1) { /* divisions would take longer than a short row */
        begin = max64(0, -top);
        end = min64(a->kh, a->ih - top);
    } else {
        begin = top < 0 ? ceil_div(-top, a->dil_h) : 0;
        end = top >= a->ih ? 0 : min64(a->kh, (a->ih - 1 - top) / a->dil_h + 1);
    }
    return (struct range){begin, max64(begin, end)};
}

static struct dwconv_walk walk_of(const struct dwconv *a, int64_t pixel)
{
    int64_t tiles = ceil_div(a->ow, DWCONV_MOST_COLUMNS);
    return (struct dwconv_walk){.x_row = a->dil_h * a->iw * pixel, .x_pixel = pixel, .y_pixel = pixel, .w_tap = pixel,
                                .tiles = tiles, .columns = a->ow / tiles, .wider = a->ow % tiles,
                                .e = epilogue_make(a->act, a->act_a, a->act_b)};
}

/* Output rows of a block of channels; x starts at input row x_first, y and res (or NULL) at output row rows.begin. */
static void dwconv_block(const struct dwconv *a, const element *x, int64_t x_first, const float *w, const float *bias,
                         const element *res, element *y, struct range rows)
{
    struct dwconv_walk l = walk_of(a, BLOCK);
    int tiled = has_tile(a);
    for (int64_t row = rows.begin; row < rows.end; row++) {
        struct range inside = kernel_rows(a, row);
        int64_t top = row * a->stride_h - a->pad_t + inside.begin * a->dil_h - x_first;
        int64_t at = (row - rows.begin) * a->ow * BLOCK;
        l.rows = inside.end - inside.begin;
        for (int64_t lane = 0; lane < BLOCK; lane += VF)
            dwconv_vector(a, &l, tiled, VF, x + (l.rows ? top : 0) * a->iw * BLOCK + lane,
                          w + inside.begin * a->kw * BLOCK + lane, bias + lane, res ? res + at + lane : NULL,
                          y + at + lane);
        if (!NARROW)
            epilogue_late(&l.e, (float *)(y + at), a->ow * BLOCK);
    }
}

#endif
