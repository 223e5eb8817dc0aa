/* Depthwise convolution (one filter per channel): vectors run along the channels.
 *
 * Weights of blocks [c / b][kh][kw][b], b = BLOCK, zero beyond the last channel, bias padded likewise; NHWC [kh][kw][c]; NCHW
 * [c][kh][kw], whose planes go by way of blocks (bands.h).
 * 3x3, 5x5 and 7x7 of stride 1 and 2 use generated tiles of up to 14 neighbouring outputs; kernel rows outside the image are
 * left out and columns outside it read a vector of zeros, so nothing is copied.  Other shapes take a general loop.
 * NHWC whose channels are no whole number of vectors ends with a vector that overlaps the one before, so there `res`
 * must not be `y`.  Threads cut output rows, or (not in NHWC) blocks of channels where rows are few. */
#include "bands.h"
#include "conv.h"

#define DWCONV_FIELDS(X, S) CONV_OPERANDS(X, S) X(S, REF, work) CONV_GEOMETRY(X, S) ACT_FIELDS(X, S)
KERNEL_ARGS(dwconv, DWCONV_FIELDS)

struct dwconv_walk {
    int64_t rows;                    /* kernel rows inside the image */
    int64_t first, last;             /* columns of the tile's input inside the image */
    int64_t x_row, x_pixel, y_pixel; /* steps in floats */
    int64_t w_tap;
    int64_t tiles, columns, wider; /* a row is cut into `tiles` tiles of `columns` outputs, the first `wider` have one more */
    struct epilogue e;
};
typedef void dwconv_tile(const struct dwconv_walk *l, const float *x, const float *w, const float *bias,
                         const float *res, float *y);

#if VF == 16
#include "dwconv_tiles_avx512.h"
#elif VF == 8
#include "dwconv_tiles_avx2.h"
#else
#include "dwconv_tiles_baseline.h"
#endif

INLINE vf finish(const struct dwconv_walk *l, int64_t lanes, vf acc, const float *bias, const float *res)
{
    acc += vload_part(bias, lanes);
    if (res)
        acc += vload_part(res, lanes);
    return l->e.clamp ? vmin(vset(l->e.high), vmax(vset(l->e.low), acc)) : acc;
}

/* Four neighbouring outputs of whole vectors whose taps all lie inside the image's columns: no tests, filters loaded once. */
static void general_inner(const struct dwconv *a, const struct dwconv_walk *l, const float *x, const float *w,
                          const float *bias, const float *res, float *y)
{
    int64_t next = a->stride_w * l->x_pixel, dil = a->dil_w * l->x_pixel, step = l->y_pixel;
    vf c0 = vzero(), c1 = c0, c2 = c0, c3 = c0;
    for (int64_t i = 0; i < l->rows; i++) {
        for (int64_t j = 0; j < a->kw; j++) {
            const float *from = x + i * l->x_row + j * dil;
            vf tap = vload(w + (i * a->kw + j) * l->w_tap);
            c0 += vload(from) * tap;
            c1 += vload(from + next) * tap;
            c2 += vload(from + 2 * next) * tap;
            c3 += vload(from + 3 * next) * tap;
        }
    }
    vstore(y, finish(l, VF, c0, bias, res));
    vstore(y + step, finish(l, VF, c1, bias, res ? res + step : NULL));
    vstore(y + 2 * step, finish(l, VF, c2, bias, res ? res + 2 * step : NULL));
    vstore(y + 3 * step, finish(l, VF, c3, bias, res ? res + 3 * step : NULL));
}

/* One output row of `lanes` <= VF channels, any kernel.  x, w start at the first kernel row inside the image. */
static void general_row(const struct dwconv *a, const struct dwconv_walk *l, int64_t lanes, const float *x,
                        const float *w, const float *bias, const float *res, float *y)
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
                const float *from = x + i * l->x_row + in * l->x_pixel, *tap = w + (i * a->kw + j) * l->w_tap;
                acc += vload_part(from, lanes) * vload_part(tap, lanes);
            }
        }
        vstore_part(y + at, finish(l, lanes, acc, bias, res ? res + at : NULL), lanes);
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
static void tiled_row(const struct dwconv *a, struct dwconv_walk *l, const float *x, const float *w, const float *bias,
                      const float *res, float *y)
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

static void dwconv_vector(const struct dwconv *a, struct dwconv_walk *l, int tiled, int64_t lanes, const float *x,
                          const float *w, const float *bias, const float *res, float *y)
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
static void dwconv_block(const struct dwconv *a, const float *x, int64_t x_first, const float *w, const float *bias,
                         const float *res, float *y, struct range rows)
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
        epilogue_late(&l.e, y + at, a->ow * BLOCK);
    }
}

static void dwconv_blocked(const void *args, char *const *bases, int tid, int nthreads)
{
    const struct dwconv *a = args;
    const float *x = RESOLVE(const float, a->x), *w = RESOLVE(const float, a->w);
    const float *bias = RESOLVE(const float, a->bias), *res = RESOLVE(const float, a->res);
    float *y = RESOLVE(float, a->y);
    int64_t blocks = ceil_div(a->oc, BLOCK), taps = a->kh * a->kw;
    /* Few rows: cut the blocks as well, so that threads have like amounts of work. */
    struct block_range part = share_block(a->split, a->n * blocks, a->oh, 1, tid, nthreads);
    if (part.row.begin == part.row.end)
        return;
    for (int64_t nb = part.outer.begin; nb < part.outer.end; nb++) {
        int64_t block = nb % blocks, at = (nb * a->oh + part.rows.begin) * a->ow * BLOCK;
        dwconv_block(a, x + nb * a->ih * a->iw * BLOCK, 0, w + block * taps * BLOCK,
                     bias ? bias + block * BLOCK : no_bias, res ? res + at : NULL, y + at, part.rows);
    }
}

/* What a thread has in its workspace for planes: a band of x, of y and of res, filters and bias of a block. */
static int64_t planes_floats(const struct dwconv *a, const struct bands *b)
{
    return band_x_floats(b) + 2 * band_y_floats(b) + (a->kh * a->kw + 1) * BLOCK;
}

static int64_t planes_workspace(const void *args, int nthreads)
{
    struct bands b = BANDS((const struct dwconv *)args);
    return planes_floats(args, &b) * (int64_t)sizeof(float) * nthreads;
}

static void dwconv_nchw(const void *args, char *const *bases, int tid, int nthreads)
{
    const struct dwconv *a = args;
    struct bands b = BANDS(a);
    const float *x = RESOLVE(const float, a->x), *w = RESOLVE(const float, a->w);
    const float *bias = RESOLVE(const float, a->bias), *res = RESOLVE(const float, a->res);
    float *y = RESOLVE(float, a->y), *in = RESOLVE(float, a->work) + planes_floats(a, &b) * tid;
    float *out = in + band_x_floats(&b), *added = out + band_y_floats(&b), *biases = added + band_y_floats(&b);
    float *filters = biases + BLOCK;
    zero_floats(in, planes_floats(a, &b)); /* lanes without a plane */
    int64_t blocks = ceil_div(a->oc, BLOCK), taps = a->kh * a->kw;
    struct range work = band_work(&b, a->split, a->n * blocks, tid, nthreads);
    for (int64_t i = work.begin; i < work.end; i++) {
        int64_t channel = i / b.count % blocks * BLOCK, plane = i / b.count / blocks * a->oc + channel;
        int64_t lanes = min64(BLOCK, a->oc - channel);
        struct range rows = band_output(&b, i % b.count), inputs = band_inputs(&b, rows);
        if (i % b.count == 0 || i == work.begin) {
            transpose(w + channel * taps, taps, filters, BLOCK, lanes, taps);
            if (bias)
                copy_floats(biases, bias + channel, lanes);
        }
        planes_to_block(x + plane * a->ih * a->iw, a->ih, a->iw, inputs, lanes, in);
        if (res)
            planes_to_block(res + plane * a->oh * a->ow, a->oh, a->ow, rows, lanes, added);
        dwconv_block(a, in, inputs.begin, filters, biases, res ? added : NULL, out, rows);
        block_to_planes(out, a->oh, a->ow, rows, lanes, y + plane * a->oh * a->ow);
    }
}

static void dwconv_nhwc(const void *args, char *const *bases, int tid, int nthreads)
{
    const struct dwconv *a = args;
    const float *x = RESOLVE(const float, a->x), *w = RESOLVE(const float, a->w);
    const float *bias = RESOLVE(const float, a->bias), *res = RESOLVE(const float, a->res);
    float *y = RESOLVE(float, a->y);
    int tiled = has_tile(a);
    int64_t channels = a->oc;
    struct dwconv_walk l = walk_of(a, channels);
    struct range rows = {0, a->n * a->oh}, inside_image = {0, a->oh};
    if (a->split == SPLIT_ROWS)
        inside_image = share(a->oh, tid, nthreads);
    else
        rows = share(rows.end, tid, nthreads);
    for (int64_t r = rows.begin; r < rows.end; r++) {
        int64_t image = r / a->oh, row = r % a->oh;
        if (row < inside_image.begin || row >= inside_image.end)
            continue;
        struct range inside = kernel_rows(a, row);
        int64_t top = row * a->stride_h - a->pad_t + inside.begin * a->dil_h;
        int64_t at = r * a->ow * channels;
        l.rows = inside.end - inside.begin;
        const float *x_row = x + (image * a->ih + (l.rows ? top : 0)) * a->iw * channels;
        const float *w_row = w + inside.begin * a->kw * channels;
        for (int64_t c = 0; c < channels; c += VF) {
            int64_t first = c + VF > channels && channels >= VF ? channels - VF : c;
            dwconv_vector(a, &l, tiled, min64(VF, channels - first), x_row + first, w_row + first,
                          bias ? bias + first : no_bias, res ? res + at + first : NULL, y + at + first);
        }
        epilogue_late(&l.e, y + at, a->ow * channels);
    }
}

static const struct kernel kernels[] = {
    PLAIN(KERNEL("f32_dwconv_nchw", dwconv_nchw, planes_workspace, dwconv))
    PLAIN(KERNEL("f32_dwconv_nhwc", dwconv_nhwc, NULL, dwconv))
    KERNEL("f32_dwconv_" BLOCKED, dwconv_blocked, NULL, dwconv),
};
FAMILY(dwconv, kernels)
