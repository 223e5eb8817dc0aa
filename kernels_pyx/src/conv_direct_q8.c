/* Direct convolution of bytes whose result is in blocks of 16 channels.
 *
 * The kernels differ only in where they read: blocks, or (stems: few channels) plain NCHW or NHWC, of bytes or of
 * floats, which are quantized on the way.  Weights are packed in groups of tile_b output blocks, zero beyond the last
 * channels:
 *     blocks  [oc group][ic block][kh][kw][4 quads][tile_b * 16][4]
 *     stems   [oc group][kh][quads of a row's kw * ic taps][tile_b * 16][4], or, dilated: [kh][kw][quads of ic]
 * Stems copy bands as NHWC; the last quad takes what follows too, of which the weights are zero.
 *
 * A tile makes up to tile_w pixels of a row times some blocks, and walks the whole reduction in registers; the last
 * input block stops at the quad of the last channel.  `bias` has the zero point of x folded in, so x_zero stands outside
 * of the image; bias and scale are padded to whole blocks.  Bands and threads: conv_bands.h. */
#include "conv.h"
#include "conv_stem_q8.h"

#define CONV_DIRECT_Q8_FIELDS(X, S)                                                          \
    CONV_OPERANDS(X, S) X(S, REF, scale) X(S, REF, work) CONV_GEOMETRY(X, S) X(S, INT, groups) \
    X(S, INT, x_zero) REQUANT_FIELDS(X, S) RESIDUAL_FIELDS(X, S) X(S, INT, tile_w) X(S, INT, tile_b) \
    SHIFTS_FIELD(X, S)
#define CONV_FLOAT_STEM_FIELDS(X, S) CONV_DIRECT_Q8_FIELDS(X, S) X(S, FLOAT, x_scale) X(S, OPTION, x_nan)
KERNEL_ARGS(conv_direct_q8, CONV_DIRECT_Q8_FIELDS)
KERNEL_ARGS(conv_float_stem, CONV_FLOAT_STEM_FIELDS)

enum { TAP_QUADS = 4, QUAD_BYTES = 4 * BLOCK };

/* How a tile walks its reduction: input blocks, kernel rows, kernel columns, quads of lanes. */
struct conv_walk_q8 {
    int64_t blocks, kh, kw;
    int64_t quads, last_quads;     /* of every block, of the last one */
    int64_t x_block, x_row, x_col; /* steps in x, in bytes, as all here */
    int64_t pixel_step;            /* between the tile's pixels */
    int64_t ldw, w_step;           /* weights of a quad, of a tap */
    int64_t y_block;               /* between output blocks */
    const char *ahead;             /* weights wanted soon: each step of the reduction prefetches there */
    int64_t ahead_step;            /* and goes on by so many bytes */
    int shrinks;                   /* see scales_shrink */
    struct requant q;
};
typedef void conv_tile_q8(const struct conv_walk_q8 *l, const uint8_t *x, const int8_t *w, const int32_t *bias,
                          const float *scale, const uint8_t *res, uint8_t *y);

#if defined __AVX512VNNI__ && VF == 16
#include "conv_q8_tiles_avx512vnni.h"
#elif VF == 16
#include "conv_q8_tiles_avx512.h"
#elif VF == 8
#include "conv_q8_tiles_avx2.h"
#else
#include "conv_q8_tiles_baseline.h"
#endif

struct conv_q8 {
    const struct conv_direct_q8 *a;
    const int8_t *w;
    const int32_t *bias;
    const float *scale;
    const uint8_t *res;
    uint8_t *y;
    int64_t oc_blocks;     /* of a convolution group */
    int64_t group_weights; /* bytes of a group of output blocks */
    struct conv_walk_q8 walk;
};

enum source_layout { FROM_BLOCKS, FROM_NCHW, FROM_NHWC, FROM_FLOAT_NCHW, FROM_FLOAT_NHWC };

static conv_row_function *const row_functions[] = {
    NULL, row_from_nchw, row_from_nhwc, row_from_float_nchw, row_from_float_nhwc,
};

static struct conv_input input_of(const struct conv_direct_q8 *a, enum source_layout layout)
{
    if (layout != FROM_BLOCKS)
        return (struct conv_input){
            .copy_row = row_functions[layout], .slack = 4, .unit = a->ic, .blocks = 1,
            .image = a->ih * a->iw * a->ic * (layout < FROM_FLOAT_NCHW ? 1 : (int64_t)sizeof(float)),
            .outside = (int)a->x_zero, .tile = CONV_Q8_MOST_PIXELS,
        };
    int64_t blocks = ceil_div(a->ic / a->groups, BLOCK), plane = a->ih * a->iw * BLOCK;
    return (struct conv_input){
        .unit = BLOCK, .blocks = blocks, .image = ceil_div(a->ic, BLOCK) * plane, .group = blocks * plane,
        .outside = (int)a->x_zero, .tile = CONV_Q8_MOST_PIXELS,
    };
}

/* The taps of a kernel row that are steps of their own, and the quads of each (of the last block). */
struct taps {
    int64_t kw, quads, last_quads;
};

static struct taps taps_of(const struct conv_direct_q8 *a, enum source_layout layout)
{
    int64_t ic = a->ic / a->groups;
    if (layout == FROM_BLOCKS)
        return (struct taps){a->kw, TAP_QUADS, ceil_div(ic - (ceil_div(ic, BLOCK) - 1) * BLOCK, 4)};
    if (a->dil_w == 1)
        return (struct taps){1, ceil_div(a->kw * ic, 4), ceil_div(a->kw * ic, 4)};
    return (struct taps){a->kw, ceil_div(ic, 4), ceil_div(ic, 4)};
}

static int64_t next_blocks(int64_t left)
{
    return min64(left >= 4 ? 4 : left >= 2 ? 2 : 1, CONV_Q8_MOST_BLOCKS);
}

static conv_tile_q8 *const *tiles_for(int64_t pixel_step, int64_t blocks)
{
    return pixel_step == BLOCK ? conv_q8_tiles_s1[blocks] : pixel_step == 2 * BLOCK ? conv_q8_tiles_s2[blocks]
                                                                                    : conv_q8_tiles_s0[blocks];
}

/* `count` output blocks from `block` on, of all rows of a band. */
static void convolve_blocks(const struct conv_q8 *c, const struct conv_band *b, int64_t block, int64_t count,
                            const int8_t *w)
{
    const struct conv_direct_q8 *a = c->a;
    conv_tile_q8 *const *tiles = tiles_for(b->x_col, count);
    int64_t most = conv_q8_most_pixels[count], channel = (b->group * c->oc_blocks + block) * BLOCK;
    if (a->tile_w > 0)
        most = min64(most, a->tile_w);
    struct conv_walk_q8 l = c->walk;
    l.x_block = b->x_block;
    l.x_row = b->tap_row;
    l.x_col = b->tap_col;
    l.pixel_step = b->x_col;
    int64_t steps = ((l.blocks - 1) * l.quads + l.last_quads) * l.kh * l.kw;
    int64_t passes = b->rows * ceil_div(b->width, most);
    l.ahead = (const char *)w + c->group_weights;
    l.ahead_step = ceil_div(c->group_weights, max64(1, passes * steps));
    int64_t at = (b->image * ceil_div(a->oc, BLOCK) * BLOCK + channel) * a->oh * a->ow + b->row * a->ow * BLOCK;
    for (int64_t row = 0; row < b->rows; row++, at += a->ow * BLOCK) {
        const uint8_t *x = (const uint8_t *)b->x + row * b->x_row;
        for (int64_t done = 0; done < b->width;) {
            int64_t left = b->width - done, pixels = ceil_div(left, ceil_div(left, most));
            int64_t to = at + done * BLOCK;
            tiles[pixels](&l, x + done * l.pixel_step, w, c->bias + channel, c->scale + channel,
                          c->res ? c->res + to : NULL, c->y + to);
            done += pixels;
            l.ahead += l.ahead_step * steps;
        }
    }
}

static void convolve_band(const void *context, const struct conv_band *b)
{
    const struct conv_q8 *c = context;
    int64_t tile_b = c->a->tile_b, oc_groups = ceil_div(c->oc_blocks, tile_b);
    for (int64_t group = b->oc_groups.begin; group < b->oc_groups.end; group++) {
        const int8_t *w = c->w + (b->group * oc_groups + group) * c->group_weights;
        int64_t end = min64(c->oc_blocks, (group + 1) * tile_b);
        for (int64_t block = group * tile_b, here; block < end; block += here) {
            here = next_blocks(end - block);
            convolve_blocks(c, b, block, here, w + (block - group * tile_b) * QUAD_BYTES);
        }
    }
}

static void conv_direct(const struct conv_direct_q8 *a, char *const *bases, int tid, int nthreads,
                        enum source_layout layout, const struct quantize *quantize)
{
    struct conv_shape s = CONV_SHAPE(a);
    struct conv_input in = input_of(a, layout);
    struct taps taps = taps_of(a, layout);
    int64_t tap = taps.quads * a->tile_b * QUAD_BYTES;
    struct conv_q8 c = {
        .a = a, .w = RESOLVE(const int8_t, a->w), .bias = RESOLVE(const int32_t, a->bias),
        .scale = RESOLVE(const float, a->scale), .res = RESOLVE(const uint8_t, a->res),
        .y = RESOLVE(uint8_t, a->y), .oc_blocks = ceil_div(a->oc / a->groups, BLOCK),
        .group_weights = in.blocks * a->kh * taps.kw * tap,
        .walk = {
            .blocks = in.blocks, .kh = a->kh, .kw = taps.kw, .quads = taps.quads, .last_quads = taps.last_quads, 
            .ldw = a->tile_b * QUAD_BYTES, .w_step = tap, .y_block = a->oh * a->ow * BLOCK,
            .q = requant_make(a->zero, a->low, a->high),
        },
    };
    c.walk.shrinks = scales_shrink(c.scale, a->oc, c.res ? a->res_scale : 0);
    c.walk.q.res_zero = (int32_t)a->res_zero;
    c.walk.q.res_scale = a->res_scale;
    c.walk.q.shifts = a->shifts;
    in.x = RESOLVE(const char, a->x);
    in.context = quantize;
    conv_for_bands(&s, &in, ceil_div(c.oc_blocks, a->tile_b), RESOLVE(char, a->work) + tid * conv_band_bytes(&s, &in),
                   bases[BASE_CLAIMS], tid, nthreads, convolve_band, &c);
}

#define CONV_DIRECT_Q8(name, layout)                                               \
    static void name(const void *args, char *const *bases, int tid, int nthreads)  \
    {                                                                              \
        conv_direct(args, bases, tid, nthreads, layout, NULL);                     \
    }                                                                              \
    static int64_t name##_workspace(const void *args, int nthreads)                \
    {                                                                              \
        const struct conv_direct_q8 *a = args;                                     \
        struct conv_shape s = CONV_SHAPE(a);                                       \
        struct conv_input in = input_of(a, layout);                                \
        return conv_band_bytes(&s, &in) * nthreads;                                \
    }

CONV_DIRECT_Q8(conv_blocked, FROM_BLOCKS)
CONV_DIRECT_Q8(conv_stem_nchw, FROM_NCHW)
CONV_DIRECT_Q8(conv_stem_nhwc, FROM_NHWC)

/* Stems that quantize floats as they read them.  What they share with the others is copied to its struct. */
#define COPY_FIELD(S, kind, name) .name = ((const struct S *)args)->name,
#define CONV_FLOAT_STEM(name, layout)                                                            \
    static void name(const void *args, char *const *bases, int tid, int nthreads)                \
    {                                                                                            \
        const struct conv_float_stem *a = args;                                                  \
        struct conv_direct_q8 rest = {CONV_DIRECT_Q8_FIELDS(COPY_FIELD, conv_float_stem)};       \
        struct quantize q = quantize_make(a->x_scale, a->x_zero, 0, 255, a->x_nan, 0);           \
        conv_direct(&rest, bases, tid, nthreads, layout, &q);                                    \
    }                                                                                            \
    static int64_t name##_workspace(const void *args, int nthreads)                              \
    {                                                                                            \
        struct conv_direct_q8 rest = {CONV_DIRECT_Q8_FIELDS(COPY_FIELD, conv_float_stem)};       \
        struct conv_shape s = CONV_SHAPE(&rest);                                                 \
        struct conv_input in = input_of(&rest, layout);                                          \
        return conv_band_bytes(&s, &in) * nthreads;                                              \
    }

CONV_FLOAT_STEM(conv_float_stem_nchw, FROM_FLOAT_NCHW)
CONV_FLOAT_STEM(conv_float_stem_nhwc, FROM_FLOAT_NHWC)

static const struct kernel kernels[] = {
    KERNEL("q8_conv_stem_f32_nchw_nchw16c", conv_float_stem_nchw, conv_float_stem_nchw_workspace, conv_float_stem),
    KERNEL("q8_conv_stem_f32_nhwc_nchw16c", conv_float_stem_nhwc, conv_float_stem_nhwc_workspace, conv_float_stem),
    KERNEL("q8_conv_nchw16c", conv_blocked, conv_blocked_workspace, conv_direct_q8),
    KERNEL("q8_conv_stem_nchw_nchw16c", conv_stem_nchw, conv_stem_nchw_workspace, conv_direct_q8),
    KERNEL("q8_conv_stem_nhwc_nchw16c", conv_stem_nhwc, conv_stem_nhwc_workspace, conv_direct_q8),
};
FAMILY(conv_direct_q8, kernels)
