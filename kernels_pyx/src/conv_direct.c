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
 * How rows are cut in bands, and padded, and how threads share them, is in conv_bands.h. */
#include "conv.h"
#include "conv_bands.h"
#include "conv_tiles.h"

#define CONV_DIRECT_FIELDS(X, S)                                                                      \
    CONV_OPERANDS(X, S) X(S, REF, work) CONV_GEOMETRY(X, S) X(S, INT, groups) ACT_FIELDS(X, S) \
    X(S, INT, tile_w) X(S, INT, tile_b)
KERNEL_ARGS(conv_direct, CONV_DIRECT_FIELDS)

enum { PANEL_BYTES = 384 << 10 };
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

static struct conv_input input_of(const struct source *s)
{
    return (struct conv_input){
        .unit = s->unit * (int64_t)sizeof(float), .blocks = s->blocks, .image = s->image * (int64_t)sizeof(float),
        .group = s->group * (int64_t)sizeof(float), .tile = CONV_MOST_ROWS,
    };
}

/* What all parts of a call share. */
struct conv_call {
    const struct conv_direct *a;
    struct source s;
    const float *w, *bias, *res;
    float *y;
    int64_t oc_blocks; /* of a convolution group */
    struct conv_walk walk;
};

static conv_tile *const *tiles_for(const struct source *s, int64_t pixel_step, int64_t blocks)
{
    if (s->unit == BLOCK && pixel_step == BLOCK)
        return conv_tiles_s1[blocks];
    if (s->unit == BLOCK && pixel_step == 2 * BLOCK)
        return conv_tiles_s2[blocks];
    return conv_tiles_s0[blocks];
}

/* Input blocks walked at a time: a deep weight panel is cut so that it stays in L2 while all rows of the band pass it. */
static int64_t blocks_at_a_time(const struct conv_direct *a, const struct source *s)
{
    int64_t block_bytes = a->kh * s->kw * s->w_step * a->tile_b * BLOCK * (int64_t)sizeof(float);
    int64_t cuts = min64(s->blocks, ceil_div(s->blocks * block_bytes, PANEL_BYTES));
    return ceil_div(s->blocks, cuts);
}

/* Some output blocks of a band, over the input blocks [first, end).  Partial sums rest in y: the first cut adds the
 * residual, later ones add what is there, the last one adds the bias and activates. */
static void convolve_cut(const struct conv_call *c, const struct conv_walk *whole, const struct conv_band *b,
                         int64_t first, int64_t end, int64_t oc_block, int64_t count, const float *w)
{
    const struct conv_direct *a = c->a;
    conv_tile *const *tiles = tiles_for(&c->s, whole->pixel_step, count);
    int64_t most = a->tile_w > 0 ? min64(a->tile_w, conv_most_rows[count]) : conv_most_rows[count];
    const float *bias = c->bias ? c->bias + b->group * (a->oc / a->groups) + oc_block * BLOCK : no_bias;
    struct conv_walk l = *whole;
    l.blocks = end - first;
    if (end < c->s.blocks) {
        l.last_lanes = l.lanes;
        l.e = (struct epilogue){0};
        bias = no_bias;
    }
    int64_t block_floats = l.kh * l.kw * l.w_step; /* one cut's weights follow the other's, one group's the other's */
    prefetch_weights(&l, w + end * block_floats, l.blocks * block_floats * (int64_t)sizeof(float),
                     b->rows * ceil_div(b->width, most));
    int64_t y_block = b->image * ceil_div(a->oc, BLOCK) + b->group * c->oc_blocks + oc_block;
    int64_t at = (y_block * a->oh + b->row) * a->ow * BLOCK;
    for (int64_t row = 0; row < b->rows; row++, at += a->ow * BLOCK) {
        const float *x = (const float *)(b->x + row * b->x_row);
        const float *res = first > 0 ? c->y + at : c->res ? c->res + at : NULL;
        conv_row(tiles, &l, b->width, most, count, x + first * l.x_block, w + first * block_floats, bias, res,
                 c->y + at);
    }
}

static void convolve_band(const void *context, const struct conv_band *b)
{
    const struct conv_call *c = context;
    const struct conv_direct *a = c->a;
    int64_t tile_b = a->tile_b, oc_groups = ceil_div(c->oc_blocks, tile_b);
    int64_t group_floats = c->s.blocks * a->kh * c->s.kw * c->walk.w_step;
    int64_t cut = blocks_at_a_time(a, &c->s);
    struct conv_walk l = c->walk;
    l.x_block = b->x_block / (int64_t)sizeof(float);
    l.x_row = b->tap_row / (int64_t)sizeof(float);
    l.x_col = b->tap_col / (int64_t)sizeof(float);
    l.pixel_step = b->x_col / (int64_t)sizeof(float);
    for (int64_t group = b->oc_groups.begin; group < b->oc_groups.end; group++) {
        const float *w = c->w + (b->group * oc_groups + group) * group_floats;
        int64_t end = min64(c->oc_blocks, (group + 1) * tile_b);
        for (int64_t first = 0; first < c->s.blocks; first += cut) {
            for (int64_t block = group * tile_b, here; block < end; block += here) {
                here = next_blocks(end - block);
                convolve_cut(c, &l, b, first, min64(c->s.blocks, first + cut), block, here,
                             w + (block - group * tile_b) * BLOCK);
            }
        }
    }
}

static void conv_direct(const void *args, char *const *bases, int tid, int nthreads, enum source_layout layout)
{
    const struct conv_direct *a = args;
    struct source s = source_of(a, layout);
    struct conv_shape shape = CONV_SHAPE(a);
    struct conv_input in = input_of(&s);
    int64_t ldw = a->tile_b * BLOCK;
    struct conv_call c = {
        .a = a, .s = s, .w = RESOLVE(const float, a->w), .bias = RESOLVE(const float, a->bias),
        .res = RESOLVE(const float, a->res), .y = RESOLVE(float, a->y), .oc_blocks = ceil_div(a->oc / a->groups, BLOCK),
        .walk = {
            .blocks = s.blocks, .kh = a->kh, .kw = s.kw, .lanes = s.lanes, .last_lanes = s.last_lanes, .ldw = ldw,
            .w_step = s.w_step * ldw, .y_block = a->oh * a->ow * BLOCK, .e = epilogue_make(a->act, a->act_a, a->act_b),
        },
    };
    in.x = RESOLVE(const char, a->x);
    conv_for_bands(&shape, &in, ceil_div(c.oc_blocks, a->tile_b),
                   RESOLVE(char, a->work) + tid * conv_band_bytes(&shape, &in), bases[BASE_CLAIMS], tid, nthreads,
                   convolve_band, &c);
}

#define CONV_DIRECT(name, layout)                                                          \
    static void name(const void *args, char *const *bases, int tid, int nthreads)          \
    {                                                                                      \
        conv_direct(args, bases, tid, nthreads, layout);                                   \
    }                                                                                      \
    static int64_t name##_workspace(const void *args, int nthreads)                        \
    {                                                                                      \
        struct source s = source_of(args, layout);                                         \
        struct conv_shape shape = CONV_SHAPE((const struct conv_direct *)args);            \
        struct conv_input in = input_of(&s);                                               \
        return conv_band_bytes(&shape, &in) * nthreads;                                    \
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
