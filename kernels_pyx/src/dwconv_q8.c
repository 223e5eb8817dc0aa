/* Depthwise convolution of bytes (one filter per channel), nchw16c.
 *
 * Weights [c / 16][kh][ceil(kw / 4)][16][4], signed, zero beyond the last channel and tap; bias (int32, x's zero point
 * folded in) and scale (float32) for each channel, in whole blocks.  Elements outside of the image are x_zero.
 *
 * Rows are made four outputs at a time, bands of rows one such column after another.  Four pixels (taps.h) serve every
 * output whose taps lie among them, by filters that are moved by 0 to 3 pixels: so have 3x3 and 5x5 of stride 1 and 2 their
 * tiles, all but 3x3 of stride 1 of two rows, for which filters are loaded once; other shapes load the pixels of four taps for
 * each output.  Threads cut output rows, or blocks of channels where rows are few. */
#include "conv.h"
#include "taps.h"

#define DWCONV_FIELDS(X, S)                                                                                   \
    CONV_OPERANDS(X, S) X(S, REF, scale) CONV_GEOMETRY(X, S) X(S, INT, x_zero) REQUANT_FIELDS(X, S)           \
    RESIDUAL_FIELDS(X, S) SHIFTS_FIELD(X, S)
KERNEL_ARGS(dwconv, DWCONV_FIELDS)

enum { MOST_ROWS = 5, MOVES = 4, TILE_TAPS = 2, MOST_LOADS = 4, BAND_BYTES = 64 * 1024 };
enum shape { ANY, K3S1, K3S2, K5S1, K5S2 };

/* What is known of a tile: where its loads start (pixels from its first one), and the moves of filters it uses. */
static const struct tile {
    int64_t taps, stride, loads, at[MOST_LOADS];
    int moves, step;
} tiles[] = {
    [K3S1] = {3, 1, 2, {0, 2}, 2, 1},
    [K3S2] = {3, 2, 4, {0, 2, 4, 6}, 1, 1},
    [K5S1] = {5, 1, 2, {0, 4}, 4, 1},
    [K5S2] = {5, 2, 3, {0, 4, 8}, 4, 2},
};

/* One block of channels of an image. */
struct block {
    const struct dwconv *a;
    const uint8_t *x, *res;
    const int8_t *w;
    uint8_t *y;
    struct sums bias;
    struct stored_sums to;
    struct filter_taps moved[MOST_ROWS][MOVES][TILE_TAPS]; /* [row][by pixels][taps] */
};

static enum shape shape_of(const struct dwconv *a)
{
    if (a->kh != a->kw || a->stride_w > 2 || a->dil_w != 1 || a->dil_h != 1)
        return ANY;
    if (a->kw == 3)
        return a->stride_w == 1 ? a->stride_h == 1 ? K3S1 : ANY : K3S2;
    return a->kw != 5 ? ANY : a->stride_w == 1 ? K5S1 : K5S2;
}

static void move_filters(struct block *b, const struct tile *tile)
{
    int64_t groups = ceil_div(tile->taps, TAPS);
    for (int64_t i = 0; i < tile->taps; i++) {
        const int8_t *taps = b->w + i * groups * TAPS_BYTES;
        for (int by = 0; by < tile->moves; by += tile->step) {
            for (int64_t g = 0; g < groups; g++) {
                for (int p = 0; p < PARTS; p++) {
                    vi moved = load_quads(taps + (g * 16 + p * VF) * TAPS) << (8 * by);
                    if (g && by)
                        moved |= (vi)((vu32)load_quads(taps + ((g - 1) * 16 + p * VF) * TAPS) >> (32 - 8 * by));
                    b->moved[i][by][g].part[p] = filter_part(moved);
                }
            }
        }
    }
}

/* A column of tiles: where its loads and results are. */
struct column {
    const uint8_t *x, *res; /* of image row 0 */
    uint8_t *y;
    int64_t x_row, y_row, rows; /* bytes of a row of x and y, rows of x */
    int64_t count;              /* outputs that there are */
    int whole;                  /* no load leaves the image's columns */
    struct presence loads[MOST_LOADS];
    uint8_t zeros[TAPS_BYTES];
};

/* What is known of loads: nothing; that the rows are inside of the image; that all pixels are. */
enum known { NOTHING, ROWS_INSIDE, ALL_INSIDE };

/* Of `count` image rows from `top` on. */
INLINE enum known known_of(const struct column *c, int64_t top, int64_t count)
{
    if (top < 0 || top + count > c->rows)
        return NOTHING;
    return c->whole ? ALL_INSIDE : ROWS_INSIDE;
}

/* Four pixels of image row `row`, or of the padding. */
INLINE struct pixel_taps taps_at(const struct column *c, enum known known, int64_t row, int load, int64_t at)
{
    int inside = known != NOTHING || (row >= 0 && row < c->rows);
    const uint8_t *x = c->x + (inside ? row : 0) * c->x_row + at * BLOCK;
    return known == ALL_INSIDE ? load_pixel_taps(x) : load_present_taps(x, &c->loads[load], inside, c->zeros);
}

INLINE void store_tile(const struct block *b, const struct column *c, int bounded, int64_t row, struct sums y0,
                       struct sums y1, struct sums y2, struct sums y3)
{
    store_four(&b->to, bounded, c->count, y0, y1, y2, y3, c->res ? c->res + row * c->y_row : NULL, c->y + row * c->y_row);
}

/* Rows of a column of 3x3, stride 1: every pixel is loaded once, for the three rows of outputs that it is part of. */
INLINE void sweep(const struct block *b, const struct column *c, int bounded, struct range rows)
{
    struct filter_taps top0 = b->moved[0][0][0], top1 = b->moved[0][1][0], middle0 = b->moved[1][0][0];
    struct filter_taps middle1 = b->moved[1][1][0], bottom0 = b->moved[2][0][0], bottom1 = b->moved[2][1][0];
    struct sums bias = b->bias;
    /* The sums of the row whose bottom taps come next, and of the one after it. */
    struct sums a0 = bias, a1 = a0, a2 = a0, a3 = a0, b0 = a0, b1 = a0, b2 = a0, b3 = a0;
    int64_t down = 2 - b->a->pad_t; /* from a row of outputs to the image row of its bottom taps */
    for (int64_t row = rows.begin - 2; row < rows.end; row++) {
        struct pixel_taps p, q;
        switch (known_of(c, row + down, 1)) {
        case ALL_INSIDE:
            p = taps_at(c, ALL_INSIDE, row + down, 0, 0);
            q = taps_at(c, ALL_INSIDE, row + down, 1, 2);
            break;
        case ROWS_INSIDE:
            p = taps_at(c, ROWS_INSIDE, row + down, 0, 0);
            q = taps_at(c, ROWS_INSIDE, row + down, 1, 2);
            break;
        default:
            p = taps_at(c, NOTHING, row + down, 0, 0);
            q = taps_at(c, NOTHING, row + down, 1, 2);
        }
        if (row >= rows.begin)
            store_tile(b, c, bounded, row, dot_taps(a0, p, bottom0), dot_taps(a1, p, bottom1), dot_taps(a2, q, bottom0),
                       dot_taps(a3, q, bottom1));
        a0 = dot_taps(b0, p, middle0);
        a1 = dot_taps(b1, p, middle1);
        a2 = dot_taps(b2, q, middle0);
        a3 = dot_taps(b3, q, middle1);
        b0 = dot_taps(bias, p, top0);
        b1 = dot_taps(bias, p, top1);
        b2 = dot_taps(bias, q, top0);
        b3 = dot_taps(bias, q, top1);
    }
}

/* The sums of four neighbouring outputs. */
struct tile_sums {
    struct sums at[4];
};

#if defined __AVX512VBMI2__ && VF == 16
#define MOVES_PIXELS 1
/* The pixels `by` further on, of eight: their bytes are moved in each channel's four.  Instead of two filters for each
 * output, so few are loaded. */
INLINE struct pixel_taps moved_pixels(struct pixel_taps x, struct pixel_taps next, int by)
{
    __m512i low = (__m512i)x.part[0], high = (__m512i)next.part[0];
    switch (by) {
    case 1: return (struct pixel_taps){{(vi)_mm512_shrdi_epi32(low, high, 8)}};
    case 2: return (struct pixel_taps){{(vi)_mm512_shrdi_epi32(low, high, 16)}};
    case 3: return (struct pixel_taps){{(vi)_mm512_shrdi_epi32(low, high, 24)}};
    default: return x;
    }
}
#else
#define MOVES_PIXELS 0
INLINE struct pixel_taps moved_pixels(struct pixel_taps x, struct pixel_taps next, int by)
{
    return x;
}
#endif

/* Adds a row of taps times a row of the image. */
INLINE void add_row(enum shape shape, struct tile_sums *y, const struct filter_taps (*f)[TILE_TAPS],
                    const struct pixel_taps *x)
{
#pragma GCC unroll 4
    for (int o = 0; o < 4; o++) {
        int move = shape == K5S1 ? o : shape == K5S2 ? o % 2 * 2 : 0;
        int first = shape == K3S2 ? o : shape == K5S2 ? o / 2 : 0; /* of the loads */
        const struct filter_taps *filter = f[MOVES_PIXELS ? 0 : move];
        struct pixel_taps taps = x[first];
        if (MOVES_PIXELS && shape != K3S2)
            taps = moved_pixels(x[first], x[first + 1], move);
        y->at[o] = dot_taps(y->at[o], taps, filter[0]);
        if (shape != K3S2) /* the fifth tap; what follows it has weights of zero where pixels are moved */
            y->at[o] = dot_taps(y->at[o], MOVES_PIXELS ? moved_pixels(x[first + 1], x[first + 1], move) : x[first + 1],
                                filter[1]);
    }
}

/* Tiles of another shape in one row of outputs, or two; `top` is the image row of the first taps. */
INLINE void tile_row(enum shape shape, const struct block *b, const struct column *c, int bounded, enum known known,
                     int64_t row, int64_t top, int two)
{
    const struct tile *t = &tiles[shape];
    struct tile_sums y = {{b->bias, b->bias, b->bias, b->bias}}, below = y;
    int64_t count = t->taps + (two ? t->stride : 0);
#pragma GCC unroll 8
    for (int64_t i = 0; i < count; i++) {
        struct pixel_taps x[MOST_LOADS];
#pragma GCC unroll 4
        for (int k = 0; k < t->loads; k++)
            x[k] = taps_at(c, known, top + i, k, t->at[k]);
        if (i < t->taps)
            add_row(shape, &y, b->moved[i], x);
        if (two && i >= t->stride)
            add_row(shape, &below, b->moved[i - t->stride], x);
    }
    store_tile(b, c, bounded, row, y.at[0], y.at[1], y.at[2], y.at[3]);
    if (two)
        store_tile(b, c, bounded, row + 1, below.at[0], below.at[1], below.at[2], below.at[3]);
}

INLINE void tile_rows(enum shape shape, const struct block *b, const struct column *c, int bounded, struct range rows)
{
    int64_t stride = b->a->stride_h;
    for (int64_t row = rows.begin; row < rows.end;) {
        int64_t top = row * stride - b->a->pad_t;
        int two = row + 1 < rows.end && stride == tiles[shape].stride && bounded != IN_FIXED_POINT;
        switch (known_of(c, top, tiles[shape].taps + (two ? stride : 0))) {
        case ALL_INSIDE:
            if (two)
                tile_row(shape, b, c, bounded, ALL_INSIDE, row, top, 1);
            else
                tile_row(shape, b, c, bounded, ALL_INSIDE, row, top, 0);
            break;
        case ROWS_INSIDE:
            if (two)
                tile_row(shape, b, c, bounded, ROWS_INSIDE, row, top, 1);
            else
                tile_row(shape, b, c, bounded, ROWS_INSIDE, row, top, 0);
            break;
        default:
            if (two)
                tile_row(shape, b, c, bounded, NOTHING, row, top, 1);
            else
                tile_row(shape, b, c, bounded, NOTHING, row, top, 0);
        }
        row += 1 + two;
    }
}

#define COLUMN(name, call)                                                                                 \
    static __attribute__((noinline)) void name##_in_fixed_point(const struct block *b, const struct column *c, \
                                                                struct range rows)                         \
    {                                                                                                      \
        int bounded = IN_FIXED_POINT;                                                                      \
        call;                                                                                              \
    }                                                                                                      \
    static void name(const struct block *b, const struct column *c, struct range rows)                     \
    {                                                                                                      \
        if (b->to.bounded == IN_FIXED_POINT) {                                                             \
            name##_in_fixed_point(b, c, rows);                                                             \
        } else if (b->to.bounded) {                                                                        \
            int bounded = 1;                                                                               \
            call;                                                                                          \
        } else {                                                                                           \
            int bounded = 0;                                                                               \
            call;                                                                                          \
        }                                                                                                  \
    }

COLUMN(column_k3s1, sweep(b, c, bounded, rows))
COLUMN(column_k3s2, tile_rows(K3S2, b, c, bounded, rows))
COLUMN(column_k5s1, tile_rows(K5S1, b, c, bounded, rows))
COLUMN(column_k5s2, tile_rows(K5S2, b, c, bounded, rows))

typedef void column_function(const struct block *b, const struct column *c, struct range rows);
static column_function *const columns[] = {
    [K3S1] = column_k3s1, [K3S2] = column_k3s2, [K5S1] = column_k5s1, [K5S2] = column_k5s2,
};

/* Bands of rows that stay in a near cache from one column to the next. */
static void tiled_block(const struct block *b, enum shape shape, struct range rows)
{
    const struct dwconv *a = b->a;
    const struct tile *tile = &tiles[shape];
    struct column c = {.x_row = a->iw * BLOCK, .y_row = a->ow * BLOCK, .rows = a->ih};
    memset(c.zeros, (int)a->x_zero, sizeof c.zeros);
    int64_t band = max64(4, BAND_BYTES / (a->iw * BLOCK * a->stride_h));
    for (int64_t first = rows.begin; first < rows.end; first += band) {
        for (int64_t o = 0; o < a->ow; o += 4) {
            int64_t left = o * tile->stride - a->pad_l;
            c.x = b->x + left * BLOCK;
            c.y = b->y + o * BLOCK;
            c.res = b->res ? b->res + o * BLOCK : NULL;
            c.count = min64(4, a->ow - o);
            c.whole = left >= 0 && left + tile->at[tile->loads - 1] + TAPS <= a->iw;
            for (int64_t i = 0; i < tile->loads; i++)
                c.loads[i] = presence_of(left + tile->at[i], a->iw);
            columns[shape](b, &c, (struct range){first, min64(first + band, rows.end)});
        }
    }
}

/* One output of any kernel: four taps at a time, each pixel fetched by itself. */
static struct sums any_output(const struct block *b, int64_t top, int64_t left)
{
    const struct dwconv *a = b->a;
    struct sums y = b->bias;
    const int8_t *w = b->w;
    for (int64_t i = 0; i < a->kh; i++) {
        int64_t row = top + i * a->dil_h;
        for (int64_t j = 0; j < a->kw; j += TAPS, w += TAPS_BYTES) {
            uint8_t pixels[TAPS_BYTES];
            memset(pixels, (int)a->x_zero, sizeof pixels);
            for (int64_t t = 0; t < min64(TAPS, a->kw - j); t++) {
                int64_t column = left + (j + t) * a->dil_w;
                if (row >= 0 && row < a->ih && column >= 0 && column < a->iw)
                    memcpy(pixels + t * BLOCK, b->x + (row * a->iw + column) * BLOCK, BLOCK);
            }
            y = dot_taps(y, load_pixel_taps(pixels), load_filter_taps(w));
        }
    }
    return y;
}

static void any_block(const struct block *b, struct range rows)
{
    const struct dwconv *a = b->a;
    for (int64_t row = rows.begin; row < rows.end; row++) {
        for (int64_t o = 0; o < a->ow; o++) {
            struct sums y = any_output(b, row * a->stride_h - a->pad_t, o * a->stride_w - a->pad_l);
            int64_t at = (row * a->ow + o) * BLOCK;
            if (b->to.bounded == IN_FIXED_POINT)
                store_four(&b->to, IN_FIXED_POINT, 1, y, y, y, y, NULL, b->y + at);
            else
                store_four(&b->to, 0, 1, y, y, y, y, b->res ? b->res + at : NULL, b->y + at);
        }
    }
}

static void dwconv_run(const void *args, char *const *bases, int tid, int nthreads)
{
    const struct dwconv *a = args;
    const uint8_t *x = RESOLVE(const uint8_t, a->x), *res = RESOLVE(const uint8_t, a->res);
    const int8_t *w = RESOLVE(const int8_t, a->w);
    const int32_t *bias = RESOLVE(const int32_t, a->bias);
    const float *scale = RESOLVE(const float, a->scale);
    uint8_t *y = RESOLVE(uint8_t, a->y);
    enum shape shape = shape_of(a);
    struct block b = {.a = a, .to = {.to = requant_make(a->zero, a->low, a->high)}};
    b.to.to.res_zero = (int32_t)a->res_zero;
    b.to.to.res_scale = a->res_scale;
    b.to.to.shifts = a->shifts;
    int64_t blocks = ceil_div(a->oc, BLOCK), filter = a->kh * ceil_div(a->kw, TAPS) * TAPS_BYTES;
    struct block_range part = share_block(a->split, a->n * blocks, a->oh, 1, tid, nthreads);
    if (part.row.begin == part.row.end)
        return;
    for (int64_t nb = part.outer.begin; nb < part.outer.end; nb++) {
        int64_t channel = nb % blocks * BLOCK, at = nb * a->oh * a->ow * BLOCK;
        b.x = x + nb * a->ih * a->iw * BLOCK;
        b.w = w + nb % blocks * filter;
        b.y = y + at;
        b.res = res ? res + at : NULL;
        memcpy(&b.bias, bias + channel, sizeof b.bias);
        memcpy(b.to.scale, scale + channel, sizeof b.to.scale);
        b.to.factors = scale + channel;
        b.to.bounded = a->shifts ? IN_FIXED_POINT : scales_shrink(scale + channel, BLOCK, res ? a->res_scale : 0);
        if (shape == ANY) {
            any_block(&b, part.rows);
        } else {
            move_filters(&b, &tiles[shape]);
            tiled_block(&b, shape, part.rows);
        }
    }
}

static const struct kernel kernels[] = {
    KERNEL("q8_dwconv_nchw16c", dwconv_run, NULL, dwconv),
};
FAMILY(dwconv_q8, kernels)
