/* Direct convolution of bytes whose result is in blocks of 16 channels.
 *
 * The kernels differ only in where they read: blocks, or (stems: few channels) plain NCHW or NHWC, of bytes or of
 * floats, which are quantized on the way.  Weights are packed in groups of tile_b output blocks, zero beyond the last
 * channels:
 *     blocks  [oc group][ic block][kh][kw][4 quads][tile_b * 16][4]
 *     stems   [oc group][kh][quads of a row's kw * ic taps][tile_b * 16][4], or, dilated: [kh][kw][quads of ic]
 * Stems copy bands as NHWC; the last quad takes what follows too, of which the weights are zero.
 *
 * `bias` has the zero point of x folded in, so x_zero stands outside of the image.  Tiles, bands and threads:
 * conv_steps.h. */
#include "conv.h"
#include "conv_stem_q8.h"

#define CONV_DIRECT_Q8_FIELDS(X, S)                                                          \
    CONV_OPERANDS(X, S) X(S, REF, scale) X(S, REF, work) CONV_GEOMETRY(X, S) X(S, INT, groups) \
    X(S, INT, x_zero) REQUANT_FIELDS(X, S) RESIDUAL_FIELDS(X, S) X(S, INT, tile_w) X(S, INT, tile_b) \
    SHIFTS_FIELD(X, S)
#define CONV_FLOAT_STEM_FIELDS(X, S) CONV_DIRECT_Q8_FIELDS(X, S) X(S, FLOAT, x_scale) X(S, OPTION, x_nan)
KERNEL_ARGS(conv_direct_q8, CONV_DIRECT_Q8_FIELDS)
KERNEL_ARGS(conv_float_stem, CONV_FLOAT_STEM_FIELDS)

enum { TAP_QUADS = 4 };

#define conv_sum int32_t
#define CONV_PIXEL_BYTES BLOCK
#define CONV_ENDING                 \
    int shrinks; /* see scales_shrink */ \
    struct requant q;
#if defined __AVX512VNNI__ && VF == 16
#define CONV_TILES "conv_q8_tiles_avx512vnni.h"
#elif VF == 16
#define CONV_TILES "conv_q8_tiles_avx512.h"
#elif VF == 8
#define CONV_TILES "conv_q8_tiles_avx2.h"
#else
#define CONV_TILES "conv_q8_tiles_baseline.h"
#endif
#include "conv_steps.h"

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
            .outside = (int)a->x_zero, .tile = CONV_MOST_PIXELS,
        };
    int64_t blocks = ceil_div(a->ic / a->groups, BLOCK), plane = a->ih * a->iw * BLOCK;
    return (struct conv_input){
        .unit = BLOCK, .blocks = blocks, .image = ceil_div(a->ic, BLOCK) * plane, .group = blocks * plane,
        .outside = (int)a->x_zero, .tile = CONV_MOST_PIXELS,
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

static void conv_direct(const struct conv_direct_q8 *a, char *const *bases, int tid, int nthreads,
                        enum source_layout layout, const struct quantize *quantize)
{
    struct conv_shape s = CONV_SHAPE(a);
    struct conv_input in = input_of(a, layout);
    struct taps taps = taps_of(a, layout);
    int64_t tap = taps.quads * a->tile_b * STEP_BYTES;
    struct conv_call c = {
        .shape = &s, .oc = a->oc, .tile_w = a->tile_w, .tile_b = a->tile_b, .w = RESOLVE(const int8_t, a->w), .bias = RESOLVE(const int32_t, a->bias),
        .scale = RESOLVE(const float, a->scale), .res = RESOLVE(const uint8_t, a->res),
        .y = RESOLVE(uint8_t, a->y), .oc_blocks = ceil_div(a->oc / a->groups, BLOCK),
        .group_weights = in.blocks * a->kh * taps.kw * tap,
        .walk = {
            .blocks = in.blocks, .kh = a->kh, .kw = taps.kw, .steps = taps.quads, .last_steps = taps.last_quads,
            .ldw = a->tile_b * STEP_BYTES, .w_step = tap, .y_block = a->oh * a->ow * BLOCK,
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
