/* Direct convolution of bfloat16 whose result is in blocks of 16 channels; sums, bias (in whole blocks) and activation in
 * float32, rounded once.
 *
 * Two kernels differ only in where they read: blocks, or (stems: few channels) plain NCHW.  Weights are packed in groups of
 * tile_b output blocks, zero beyond the last channels:
 *     blocks  [oc group][ic block][kh][kw][8 pairs][tile_b * 16][2]
 *     stems   [oc group][kh][pairs of a row's kw * ic taps][tile_b * 16][2], or, dilated: [kh][kw][pairs of ic]
 * Numbers that are no part of the image must not meet weights, not even of zero, as they may be NaN: stems copy bands as NHWC
 * with an even number of channels, and an odd last channel of blocks is copied without its neighbour.  Tiles, bands and
 * threads: conv_steps.h. */
#include "conv_pairs.h"

#define CONV_DIRECT_BF16_FIELDS(X, S)                                                                  \
    CONV_OPERANDS(X, S) X(S, REF, work) CONV_GEOMETRY(X, S) X(S, INT, groups) ACT_FIELDS(X, S) \
    X(S, INT, tile_w) X(S, INT, tile_b)
KERNEL_ARGS(conv_direct_bf16, CONV_DIRECT_BF16_FIELDS)

enum { ELEMENT = 2 };

enum source_layout { FROM_BLOCKS, FROM_NCHW };

typedef uint64_t four_words __attribute__((aligned(1), may_alias));

/* Pixels of four channels from three or four planes; the last is NULL where it is zero. */
static void interleave_four(char *to, const uint16_t *a, const uint16_t *b, const uint16_t *c, const uint16_t *d,
                            int64_t columns)
{
    four_words *pixels = (four_words *)to;
    for (int64_t i = 0; i < columns; i++)
        pixels[i] = a[i] | (uint64_t)b[i] << 16 | (uint64_t)c[i] << 32 | (d ? (uint64_t)d[i] << 48 : 0);
}

/* Pixels of an even number of channels from planes, with a zero behind an odd last one. */
static void row_from_planes(char *to, const char *x, const struct conv_shape *s, const struct conv_input *in,
                            int64_t block, int64_t row, int64_t columns)
{
    int64_t channels = *(const int64_t *)in->context, unit = in->unit / ELEMENT;
    uint16_t *pixels = (uint16_t *)to;
    if (unit == 4) {
        const uint16_t *first = (const uint16_t *)x + row * s->iw;
        int64_t plane = s->ih * s->iw;
        interleave_four(to, first, first + plane, first + 2 * plane, channels == 4 ? first + 3 * plane : NULL, columns);
        return;
    }
    for (int64_t c = 0; c < unit; c++) {
        const uint16_t *from = (const uint16_t *)x + (c * s->ih + row) * s->iw;
        for (int64_t i = 0; i < columns; i++)
            pixels[i * unit + c] = c < channels ? from[i] : 0;
    }
}

/* The same of blocks: what stands behind an odd last channel becomes zero. */
static void row_from_blocks(char *to, const char *x, const struct conv_shape *s, const struct conv_input *in,
                            int64_t block, int64_t row, int64_t columns)
{
    int64_t lanes = *(const int64_t *)in->context - block * BLOCK;
    memcpy(to, x + (block * s->ih + row) * s->iw * in->unit, (size_t)(columns * in->unit));
    for (int64_t i = 0; lanes < BLOCK && i < columns; i++)
        ((uint16_t *)to)[i * BLOCK + lanes] = 0;
}

static struct conv_input input_of(const struct conv_direct_bf16 *a, enum source_layout layout)
{
    if (layout == FROM_NCHW)
        return (struct conv_input){
            .copy_row = row_from_planes, .context = &a->ic, .unit = round_up(a->ic, 2) * ELEMENT, .blocks = 1,
            .image = a->ih * a->iw * a->ic * ELEMENT, .tile = CONV_MOST_PIXELS,
        };
    int64_t blocks = ceil_div(a->ic / a->groups, BLOCK), plane = a->ih * a->iw * CONV_PIXEL_BYTES;
    return (struct conv_input){
        .copy_row = a->ic % 2 ? row_from_blocks : NULL, .context = &a->ic, .unit = CONV_PIXEL_BYTES, .blocks = blocks,
        .image = ceil_div(a->ic, BLOCK) * plane, .group = blocks * plane, .tile = CONV_MOST_PIXELS,
    };
}

/* The taps of a kernel row that are steps of their own, and the pairs of each (of the last block). */
struct taps {
    int64_t kw, pairs, last_pairs;
};

static struct taps taps_of(const struct conv_direct_bf16 *a, enum source_layout layout)
{
    int64_t ic = a->ic / a->groups, pairs = ceil_div(ic, 2);
    if (layout == FROM_BLOCKS)
        return (struct taps){a->kw, TAP_PAIRS, pairs - (ceil_div(ic, BLOCK) - 1) * TAP_PAIRS};
    if (a->dil_w == 1)
        return (struct taps){1, a->kw * pairs, a->kw * pairs};
    return (struct taps){a->kw, pairs, pairs};
}

static void conv_direct(const struct conv_direct_bf16 *a, char *const *bases, int tid, int nthreads,
                        enum source_layout layout)
{
    struct conv_shape s = CONV_SHAPE(a);
    struct conv_input in = input_of(a, layout);
    struct taps taps = taps_of(a, layout);
    int64_t tap = taps.pairs * a->tile_b * STEP_BYTES;
    struct conv_call c = {
        .shape = &s, .oc = a->oc, .tile_w = a->tile_w, .tile_b = a->tile_b, .w = RESOLVE(const int8_t, a->w),
        .bias = RESOLVE(const float, a->bias), .res = RESOLVE(const uint8_t, a->res), .y = RESOLVE(uint8_t, a->y),
        .oc_blocks = ceil_div(a->oc / a->groups, BLOCK), .group_weights = in.blocks * a->kh * taps.kw * tap,
        .walk = {
            .blocks = in.blocks, .kh = a->kh, .kw = taps.kw, .steps = taps.pairs, .last_steps = taps.last_pairs,
            .ldw = a->tile_b * STEP_BYTES, .w_step = tap, .y_block = a->oh * a->ow * CONV_PIXEL_BYTES,
            .e = epilogue_make(a->act, a->act_a, a->act_b),
        },
    };
    in.x = RESOLVE(const char, a->x);
    conv_for_bands(&s, &in, ceil_div(c.oc_blocks, a->tile_b), RESOLVE(char, a->work) + tid * conv_band_bytes(&s, &in),
                   bases[BASE_CLAIMS], tid, nthreads, convolve_band, &c);
}

#define CONV_DIRECT_BF16(name, layout)                                            \
    static void name(const void *args, char *const *bases, int tid, int nthreads) \
    {                                                                             \
        conv_direct(args, bases, tid, nthreads, layout);                          \
    }                                                                             \
    static int64_t name##_workspace(const void *args, int nthreads)               \
    {                                                                             \
        const struct conv_direct_bf16 *a = args;                                  \
        struct conv_shape s = CONV_SHAPE(a);                                      \
        struct conv_input in = input_of(a, layout);                               \
        return conv_band_bytes(&s, &in) * nthreads;                               \
    }

CONV_DIRECT_BF16(conv_blocked, FROM_BLOCKS)
CONV_DIRECT_BF16(conv_stem_nchw, FROM_NCHW)

static const struct kernel kernels[] = {
    KERNEL("bf16_conv_nchw16c", conv_blocked, conv_blocked_workspace, conv_direct_bf16),
    KERNEL("bf16_conv_stem_nchw_nchw16c", conv_stem_nchw, conv_stem_nchw_workspace, conv_direct_bf16),
};
FAMILY(conv_direct_bf16, kernels)
