/* Depthwise convolution (one filter per channel) over NCHW16c and NHWC: vectors run along the channels.
 *
 * Weights NCHW16c [c / 16][kh][kw][16], zero beyond the last channel, bias padded likewise; NHWC [kh][kw][c].
 * 3x3 and 5x5 of stride 1 and 2 use generated tiles of up to 8 neighbouring outputs; kernel rows outside the image are
 * left out and columns outside it read a vector of zeros, so nothing is copied.  Other shapes take a general loop.
 * NHWC whose channels are no whole number of vectors ends with a vector that overlaps the one before, so there `res`
 * must not be `y`.  Threads cut output rows. */
#include "conv.h"

#define DWCONV_FIELDS(X, S) CONV_OPERANDS(X, S) CONV_GEOMETRY(X, S) ACT_FIELDS(X, S)
KERNEL_ARGS(dwconv, DWCONV_FIELDS)

struct dwconv_walk {
    int64_t rows;                    /* kernel rows inside the image */
    int64_t first, last;             /* columns of the tile's input inside the image */
    int64_t x_row, x_pixel, y_pixel; /* steps in floats */
    int64_t w_tap;
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

/* One output row of `lanes` <= VF channels, any kernel.  x, w start at the first kernel row inside the image. */
static void general_row(const struct dwconv *a, const struct dwconv_walk *l, int64_t lanes, const float *x,
                        const float *w, const float *bias, const float *res, float *y)
{
    for (int64_t o = 0; o < a->ow; o++) {
        vf acc = vzero();
        int64_t column = o * a->stride_w - a->pad_l;
        for (int64_t i = 0; i < l->rows; i++) {
            for (int64_t j = 0; j < a->kw; j++) {
                int64_t at = column + j * a->dil_w;
                if (at < 0 || at >= a->iw)
                    continue;
                const float *from = x + i * l->x_row + at * l->x_pixel, *tap = w + (i * a->kw + j) * l->w_tap;
                acc += lanes == VF ? vload(from) * vload(tap) : vload_part(from, lanes) * vload_part(tap, lanes);
            }
        }
        acc += lanes == VF ? vload(bias) : vload_part(bias, lanes);
        if (res)
            acc += vload_part(res + o * l->y_pixel, lanes);
        if (l->e.clamp)
            acc = vmin(vset(l->e.high), vmax(vset(l->e.low), acc));
        vstore_part(y + o * l->y_pixel, acc, lanes);
    }
}

/* One output row of a vector of channels in tiles. */
static void tiled_row(const struct dwconv *a, struct dwconv_walk *l, const float *x, const float *w, const float *bias,
                      const float *res, float *y)
{
    dwconv_tile *const(*tiles)[DWCONV_MOST_COLUMNS + 1] = dwconv_tiles[a->kw / 2 - 1][a->stride_w - 1];
    for (int64_t o = 0; o < a->ow;) {
        int64_t left = a->ow - o, columns = ceil_div(left, ceil_div(left, DWCONV_MOST_COLUMNS));
        int64_t from = o * a->stride_w - a->pad_l, wide = (columns - 1) * a->stride_w + a->kw;
        int edge = from < 0 || from + wide > a->iw;
        l->first = -from;
        l->last = a->iw - from;
        tiles[edge][columns](l, x + from * l->x_pixel, w, bias, res ? res + o * l->y_pixel : NULL, y + o * l->y_pixel);
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
    return a->kh == a->kw && (a->kw == 3 || a->kw == 5) && (a->stride_w == 1 || a->stride_w == 2) && a->dil_w == 1;
}

/* The kernel rows of output row `row` that lie inside the image. */
static struct range kernel_rows(const struct dwconv *a, int64_t row)
{
    int64_t top = row * a->stride_h - a->pad_t;
    int64_t begin = top < 0 ? ceil_div(-top, a->dil_h) : 0;
    int64_t end = top >= a->ih ? 0 : min64(a->kh, (a->ih - 1 - top) / a->dil_h + 1);
    return (struct range){begin, max64(begin, end)};
}

static void dwconv_nchw16c(const void *args, char *const *bases, int tid, int nthreads)
{
    const struct dwconv *a = args;
    const float *x = RESOLVE(const float, a->x), *w = RESOLVE(const float, a->w);
    const float *bias = RESOLVE(const float, a->bias), *res = RESOLVE(const float, a->res);
    float *y = RESOLVE(float, a->y);
    int tiled = has_tile(a);
    int64_t blocks = ceil_div(a->oc, BLOCK), taps = a->kh * a->kw;
    struct dwconv_walk l = {.x_row = a->dil_h * a->iw * BLOCK, .x_pixel = BLOCK, .y_pixel = BLOCK, .w_tap = BLOCK,
                            .e = epilogue_make(a->act, a->act_a, a->act_b)};
    /* Few rows: cut the blocks as well, so that threads have like amounts of work. */
    struct block_range part = share_block(a->n * blocks, a->oh, 1, tid, nthreads);
    if (part.row.begin == part.row.end)
        return;
    for (int64_t nb = part.outer.begin; nb < part.outer.end; nb++) {
        int64_t block = nb % blocks;
        for (int64_t row = part.rows.begin; row < part.rows.end; row++) {
            struct range inside = kernel_rows(a, row);
            int64_t top = row * a->stride_h - a->pad_t + inside.begin * a->dil_h;
            int64_t at = (nb * a->oh + row) * a->ow * BLOCK;
            l.rows = inside.end - inside.begin;
            for (int64_t lane = 0; lane < BLOCK; lane += VF)
                dwconv_vector(a, &l, tiled, VF, x + (nb * a->ih + (l.rows ? top : 0)) * a->iw * BLOCK + lane,
                              w + (block * taps + inside.begin * a->kw) * BLOCK + lane,
                              bias ? bias + block * BLOCK + lane : no_bias, res ? res + at + lane : NULL,
                              y + at + lane);
            epilogue_late(&l.e, y + at, a->ow * BLOCK);
        }
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
    struct dwconv_walk l = {.x_row = a->dil_h * a->iw * channels, .x_pixel = channels, .y_pixel = channels,
                            .w_tap = channels, .e = epilogue_make(a->act, a->act_a, a->act_b)};
    struct range rows = share(a->n * a->oh, tid, nthreads);
    for (int64_t r = rows.begin; r < rows.end; r++) {
        int64_t image = r / a->oh, row = r % a->oh;
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
    KERNEL("f32_dwconv_nchw16c", dwconv_nchw16c, NULL, dwconv),
    KERNEL("f32_dwconv_nhwc", dwconv_nhwc, NULL, dwconv),
};
FAMILY(dwconv, kernels)
