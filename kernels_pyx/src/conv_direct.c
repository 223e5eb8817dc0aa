/* Direct convolution whose result is in blocks: [n][oc / b][oh][ow][b], b = BLOCK.
 *
 * Three kernels differ only in where they read: blocks, or (stems: few channels) plain NCHW or NHWC.
 * Weights are packed in groups of tile_b output blocks, zero beyond the last channel:
 *     blocks   [oc group][ic block][kh][kw][b][tile_b * b]   (per convolution group)
 *     NCHW     [oc group][ic][kh][kw][tile_b * b]
 *     NHWC     [oc group][kh][kw][ic][tile_b * b]
 * A tile makes up to tile_w pixels of a row times some blocks, walking the reduction in registers (deep ones in a few
 * cuts, whose partial sums rest in y); the last input block stops at the last logical channel.  Bias is padded to
 * whole blocks.
 *
 * Rows are done in bands whose input fits L2; where the convolution pads, the band is first copied, with its zeros,
 * into per-thread workspace.  A 1x1 convolution of stride 1 takes the plane as one long row.
 * Threads cut output rows, or groups of output channels where rows are few; a band times some groups of a share is a
 * chunk that another thread may take (chunks.h). */
#include "chunks.h"
#include "conv.h"
#include "conv_tiles.h"

#define CONV_DIRECT_FIELDS(X, S)                                                                      \
    CONV_OPERANDS(X, S) X(S, REF, work) CONV_GEOMETRY(X, S) X(S, INT, groups) ACT_FIELDS(X, S) \
    X(S, INT, tile_w) X(S, INT, tile_b)
KERNEL_ARGS(conv_direct, CONV_DIRECT_FIELDS)

enum { BAND_BYTES = 320 << 10, PANEL_BYTES = 384 << 10 };
enum source_layout { FROM_BLOCKS, FROM_NCHW, FROM_NHWC };

/* The input of one convolution group: [blocks][ih][iw][unit], and which lanes of a unit count. */
struct source {
    int64_t unit, blocks, lanes, last_lanes;
    int64_t kw;         /* taps per kernel row that are steps of their own; 1 when a row of taps is contiguous */
    int64_t w_step;     /* rows of weights per step */
    int64_t image, group; /* floats from one image, one group to the next */
};

static struct source source_of(const struct conv_direct *a, enum source_layout layout)
{
    int64_t ic = a->ic / a->groups, plane = a->ih * a->iw;
    if (layout == FROM_BLOCKS) {
        int64_t blocks = ceil_div(ic, BLOCK);
        return (struct source){BLOCK, blocks, BLOCK, ic - (blocks - 1) * BLOCK, a->kw, BLOCK,
                               ceil_div(a->ic, BLOCK) * plane * BLOCK, blocks * plane * BLOCK};
    }
    int64_t unit = layout == FROM_NCHW ? 1 : ic, blocks = layout == FROM_NCHW ? ic : 1;
    int64_t lanes = a->dil_w == 1 ? a->kw * unit : unit;
    return (struct source){unit, blocks, lanes, lanes, a->dil_w == 1 ? 1 : a->kw, lanes, ic * plane, 0};
}

static int needs_padding(const struct conv_direct *a)
{
    return a->pad_t > 0 || a->pad_l > 0 || (a->oh - 1) * a->stride_h + (a->kh - 1) * a->dil_h >= a->ih ||
           (a->ow - 1) * a->stride_w + (a->kw - 1) * a->dil_w >= a->iw;
}

static int64_t band_columns(const struct conv_direct *a)
{
    return (a->ow - 1) * a->stride_w + (a->kw - 1) * a->dil_w + 1;
}

static int64_t band_input_rows(const struct conv_direct *a, int64_t rows)
{
    return (rows - 1) * a->stride_h + (a->kh - 1) * a->dil_h + 1;
}

/* Output rows per band: as many as keep the input in cache, at least one. */
static int64_t band_rows(const struct conv_direct *a, const struct source *s)
{
    int64_t row = s->blocks * s->unit * band_columns(a) * (int64_t)sizeof(float);
    int64_t beyond_first = (BAND_BYTES / row - band_input_rows(a, 1)) / a->stride_h;
    return min64(a->oh, 1 + max64(0, beyond_first));
}

static int64_t thread_floats(const struct conv_direct *a, const struct source *s)
{
    if (!needs_padding(a))
        return 0;
    return round_up(s->blocks * s->unit * band_columns(a) * band_input_rows(a, band_rows(a, s)), 16);
}

/* Input rows [top, top + rows) with their padding, as [block][rows][columns][unit]. */
static void copy_band(float *to, const float *x, const struct conv_direct *a, const struct source *s, int64_t top,
                      int64_t rows)
{
    int64_t columns = band_columns(a), unit = s->unit;
    int64_t left = min64(a->pad_l, columns), inside = max64(0, min64(columns - left, a->iw));
    for (int64_t block = 0; block < s->blocks; block++) {
        for (int64_t row = top; row < top + rows; row++, to += columns * unit) {
            if (row < 0 || row >= a->ih) {
                zero_floats(to, columns * unit);
                continue;
            }
            zero_floats(to, left * unit);
            copy_floats(to + left * unit, x + (block * a->ih + row) * a->iw * unit, inside * unit);
            zero_floats(to + (left + inside) * unit, (columns - left - inside) * unit);
        }
    }
}

static conv_tile *const *tiles_for(const struct conv_direct *a, const struct source *s, int64_t blocks)
{
    if (s->unit == BLOCK && a->stride_w == 1)
        return conv_tiles_s1[blocks];
    if (s->unit == BLOCK && a->stride_w == 2)
        return conv_tiles_s2[blocks];
    return conv_tiles_s0[blocks];
}

/* What one call of convolve_band works on; weights, bias, res and y are those of the convolution group. */
struct band {
    const float *x;
    int64_t rows, width;
    int64_t x_row, y_row; /* from one output row to the next, in floats */
    const float *w, *bias, *res;
    float *y;
    struct range oc_groups;
};

/* Input blocks walked at a time: a deep weight panel is cut so that it stays in L2 while all rows of the band pass it. */
static int64_t blocks_at_a_time(const struct conv_direct *a, const struct source *s)
{
    int64_t block_bytes = a->kh * s->kw * s->w_step * a->tile_b * BLOCK * (int64_t)sizeof(float);
    int64_t cuts = min64(s->blocks, ceil_div(s->blocks * block_bytes, PANEL_BYTES));
    return ceil_div(s->blocks, cuts);
}

/* Some output blocks of a band, over the input blocks [first, end).  Partial sums rest in y: the first cut adds the
 * residual, later ones add what is there, the last one adds the bias and activates. */
static void convolve_cut(const struct conv_direct *a, const struct source *s, const struct conv_walk *whole,
                         const struct band *b, int64_t first, int64_t end, int64_t oc_block, int64_t count,
                         const float *w)
{
    conv_tile *const *tiles = tiles_for(a, s, count);
    int64_t most = a->tile_w > 0 ? min64(a->tile_w, conv_most_rows[count]) : conv_most_rows[count];
    const float *bias = b->bias ? b->bias + oc_block * BLOCK : no_bias;
    struct conv_walk l = *whole;
    l.blocks = end - first;
    if (end < s->blocks) {
        l.last_lanes = l.lanes;
        l.e = (struct epilogue){0};
        bias = no_bias;
    }
    int64_t block_floats = l.kh * l.kw * l.w_step; /* one cut's weights follow the other's, one group's the other's */
    prefetch_weights(&l, w + end * block_floats, l.blocks * block_floats * (int64_t)sizeof(float),
                     b->rows * ceil_div(b->width, most));
    for (int64_t row = 0; row < b->rows; row++) {
        int64_t at = oc_block * l.y_block + row * b->y_row;
        const float *res = first > 0 ? b->y + at : b->res ? b->res + at : NULL;
        conv_row(tiles, &l, b->width, most, count, b->x + first * l.x_block + row * b->x_row,
                 w + first * l.kh * l.kw * l.w_step, bias, res, b->y + at);
    }
}

static void convolve_band(const struct conv_direct *a, const struct source *s, const struct conv_walk *l,
                          const struct band *b)
{
    int64_t oc_blocks = ceil_div(a->oc / a->groups, BLOCK), tile_b = a->tile_b;
    int64_t group_floats = s->blocks * a->kh * s->kw * s->w_step * tile_b * BLOCK;
    int64_t cut = blocks_at_a_time(a, s);
    for (int64_t group = b->oc_groups.begin; group < b->oc_groups.end; group++) {
        int64_t end = min64(oc_blocks, (group + 1) * tile_b);
        for (int64_t first = 0; first < s->blocks; first += cut) {
            for (int64_t block = group * tile_b, here; block < end; block += here) {
                here = next_blocks(end - block);
                convolve_cut(a, s, l, b, first, min64(s->blocks, first + cut), block, here,
                             b->w + group * group_floats + (block - group * tile_b) * BLOCK);
            }
        }
    }
}

static void conv_direct(const void *args, char *const *bases, int tid, int nthreads, enum source_layout layout)
{
    const struct conv_direct *a = args;
    struct source s = source_of(a, layout);
    const float *x = RESOLVE(const float, a->x), *w = RESOLVE(const float, a->w);
    const float *bias = RESOLVE(const float, a->bias), *res = RESOLVE(const float, a->res);
    float *y = RESOLVE(float, a->y), *work = RESOLVE(float, a->work) + thread_floats(a, &s) * tid;
    int64_t oc = a->oc / a->groups, oc_blocks = ceil_div(oc, BLOCK), oc_groups = ceil_div(oc_blocks, a->tile_b);
    int64_t ldw = a->tile_b * BLOCK, group_weights = oc_groups * s.blocks * a->kh * s.kw * s.w_step * ldw;
    int64_t y_plane = a->oh * a->ow * BLOCK;
    int padded = needs_padding(a);
    int flat = !padded && s.unit == BLOCK && a->kh == 1 && a->kw == 1 && a->stride_h == 1 && a->stride_w == 1 &&
               a->ow == a->iw;
    struct conv_walk l = {
        .blocks = s.blocks, .kh = a->kh, .kw = s.kw, .lanes = s.lanes, .last_lanes = s.last_lanes,
        .x_block = a->ih * a->iw * s.unit, .x_row = a->dil_h * a->iw * s.unit, .x_col = a->dil_w * s.unit,
        .pixel_step = a->stride_w * s.unit, .ldw = ldw, .w_step = s.w_step * ldw, .y_block = y_plane,
        .e = epilogue_make(a->act, a->act_a, a->act_b),
    };

    if (a->oh == 0)
        return;
    int by_rows = cut_rows(a->split, rows_suffice(a->oh, nthreads));
    int64_t most_rows = by_rows ? ceil_div(a->oh, nthreads) : a->oh;
    int64_t most_groups = by_rows ? oc_groups : ceil_div(oc_groups, nthreads);
    int64_t bands = ceil_div(most_rows, band_rows(a, &s)), per_band = ceil_div(most_rows, bands);
    int64_t cuts = min64(most_groups, ceil_div(WORTHWHILE_CHUNKS, bands));
    struct chunks c = chunks_begin(bases[BASE_CLAIMS], tid, nthreads, a->n * a->groups * bands * cuts);
    int64_t copied = -1;

    for (int64_t chunk; (chunk = chunk_take(&c)) >= 0;) {
        int64_t ng = chunk / cuts / bands, image = ng / a->groups, g = ng % a->groups;
        struct range rows = by_rows ? share(a->oh, c.owner, nthreads) : (struct range){0, a->oh};
        struct range groups = by_rows ? (struct range){0, oc_groups} : share(oc_groups, c.owner, nthreads);
        struct range part = share(groups.end - groups.begin, (int)(chunk % cuts), (int)cuts);
        int64_t row = rows.begin + chunk / cuts % bands * per_band, count = min64(per_band, rows.end - row);
        if (count <= 0 || part.begin == part.end)
            continue;
        const float *x_group = x + image * s.image + g * s.group;
        int64_t at = (image * ceil_div(a->oc, BLOCK) + g * oc_blocks) * y_plane + row * a->ow * BLOCK;
        struct band b = {
            .x = x_group + row * a->stride_h * a->iw * s.unit, .rows = count, .width = a->ow,
            .x_row = a->stride_h * a->iw * s.unit, .y_row = a->ow * BLOCK, .w = w + g * group_weights,
            .bias = bias ? bias + g * oc : NULL, .res = res ? res + at : NULL, .y = y + at,
            .oc_groups = {groups.begin + part.begin, groups.begin + part.end},
        };
        if (flat) {
            b.width = count * a->ow;
            b.rows = 1;
        }
        if (padded) {
            int64_t input_rows = band_input_rows(a, count), row_floats = band_columns(a) * s.unit;
            if (copied != ng * a->oh + row)
                copy_band(work, x_group, a, &s, row * a->stride_h - a->pad_t, input_rows);
            copied = ng * a->oh + row;
            b.x = work;
            b.x_row = a->stride_h * row_floats;
            l.x_row = a->dil_h * row_floats;
            l.x_block = input_rows * row_floats;
        }
        convolve_band(a, &s, &l, &b);
    }
}

#define CONV_DIRECT(name, layout)                                                          \
    static void name(const void *args, char *const *bases, int tid, int nthreads)          \
    {                                                                                      \
        conv_direct(args, bases, tid, nthreads, layout);                                   \
    }                                                                                      \
    static int64_t name##_workspace(const void *args, int nthreads)                        \
    {                                                                                      \
        struct source s = source_of(args, layout);                                         \
        return thread_floats(args, &s) * (int64_t)sizeof(float) * nthreads;                \
    }

CONV_DIRECT(conv_blocked, FROM_BLOCKS)
CONV_DIRECT(conv_stem_nchw, FROM_NCHW)
CONV_DIRECT(conv_stem_nhwc, FROM_NHWC)

static const struct kernel kernels[] = {
    KERNEL("f32_conv_" BLOCKED, conv_blocked, conv_blocked_workspace, conv_direct),
    KERNEL("f32_conv_stem_nchw_" BLOCKED, conv_stem_nchw, conv_stem_nchw_workspace, conv_direct),
    KERNEL("f32_conv_stem_nhwc_" BLOCKED, conv_stem_nhwc, conv_stem_nhwc_workspace, conv_direct),
};
FAMILY(conv_direct, kernels)
