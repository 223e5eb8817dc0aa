/* Changes of element type between float32 and bfloat16 or float16 (element.h), and of layout: between NCHW, NHWC and nchw16c.
 *
 *   bf16_narrow, bf16_widen     any layout, [outer][rows][row] as in unary.c; f16_* likewise
 *   bf16_narrow_*_to_nchw16c    float32 to blocks of bfloat16, bf16_widen_nchw16c_to_* back; f16_* likewise
 *   bf16_*_to_*                 elements of 16 bits as they are, to another layout
 *
 * Layouts change in squares of 16 channels x 16 pixels of float32.  Lanes beyond the last channel are written as zeros,
 * never read.  Threads cut image rows, or if told so blocks of channels, as in layout.c. */
#include "element.h"
#include "transpose.h"

#define ROWS_FIELDS(X, S) X(S, REF, x) X(S, REF, y) X(S, INT, outer) X(S, INT, rows) X(S, INT, row) SPLIT_FIELD(X, S)
#define LAYOUT_FIELDS(X, S) X(S, REF, x) X(S, REF, y) X(S, INT, n) X(S, INT, c) X(S, INT, h) X(S, INT, w) \
    SPLIT_FIELD(X, S)
KERNEL_ARGS(rows, ROWS_FIELDS)
KERNEL_ARGS(layout, LAYOUT_FIELDS)

static void narrow(const void *args, char *const *bases, int tid, int nthreads)
{
    const struct rows *a = args;
    struct spans s = share_spans(a->split, a->outer, a->rows, a->row, tid, nthreads);
    for (int64_t i = 0, at = s.first; i < s.count; i++, at += s.step)
        enarrow(RESOLVE(uint16_t, a->y) + at, RESOLVE(const float, a->x) + at, s.length);
}

static void widen(const void *args, char *const *bases, int tid, int nthreads)
{
    const struct rows *a = args;
    struct spans s = share_spans(a->split, a->outer, a->rows, a->row, tid, nthreads);
    for (int64_t i = 0, at = s.first; i < s.count; i++, at += s.step)
        ewiden(RESOLVE(float, a->y) + at, RESOLVE(const uint16_t, a->x) + at, s.length);
}

enum form { NCHW, NHWC, BLOCKS };
enum width { F32, WORDS };

/* Where a square's first channel and pixel lie, and the steps from channel to channel and from pixel to pixel, in
 * elements. */
struct place {
    int64_t at, channel, pixel;
};

INLINE struct place place_of(enum form form, int64_t image, int64_t block, int64_t pixel, int64_t c, int64_t plane)
{
    int64_t first = block * BLOCK;
    switch (form) {
    case NCHW: return (struct place){(image * c + first) * plane + pixel, plane, 1};
    case NHWC: return (struct place){(image * plane + pixel) * c + first, 1, c};
    default: return (struct place){((image * ceil_div(c, BLOCK) + block) * plane + pixel) * BLOCK, 1, BLOCK};
    }
}

INLINE vf load_element(enum width element, const void *x, int64_t at, int64_t count)
{
    return element == F32 ? load_lanes((const float *)x + at, count) : eload_part((const uint16_t *)x + at, count);
}

/* Words from words are not rounded: subnormal numbers stay what they are, and elements may be any of 16 bits. */
INLINE void store_element(enum width from, enum width to, void *y, int64_t at, vf v, int64_t count)
{
    if (to == F32) {
        store_lanes((float *)y + at, v, count);
    } else if (from == F32) {
        estore_part((uint16_t *)y + at, v, count);
    } else {
        uint16_t words[VF];
        store_words(words, (vi)((vu32)v >> 16));
        memcpy((uint16_t *)y + at, words, (size_t)count * sizeof *words);
    }
}

/* VF channels x VF pixels of a square. */
INLINE void part_of_square(enum form in, enum width from, enum form out, enum width to, const void *x,
                           struct place p, void *y, struct place q, int64_t lanes, int64_t pixels)
{
    vf v[VF];
    int64_t count = in == NCHW ? lanes : pixels, each = in == NCHW ? pixels : lanes;
    int64_t step = in == NCHW ? p.channel : p.pixel;
    for (int i = 0; i < VF; i++)
        v[i] = i < count ? load_element(from, x, p.at + i * step, each) : vzero();
    if ((in == NCHW) != (out == NCHW))
        transpose_vectors(v);
    count = out == NCHW ? lanes : pixels;
    each = out == NCHW ? pixels : out == BLOCKS ? VF : lanes;
    step = out == NCHW ? q.channel : q.pixel;
    for (int i = 0; i < VF; i++)
        if (i < count)
            store_element(from, to, y, q.at + i * step, v[i], each);
}

INLINE void square(enum form in, enum width from, enum form out, enum width to, const void *x, struct place p,
                   void *y, struct place q, int64_t lanes, int64_t pixels)
{
    for (int64_t c = 0; c < (out == BLOCKS ? BLOCK : lanes); c += VF)
        for (int64_t i = 0; i < pixels; i += VF)
            part_of_square(in, from, out, to, x,
                           (struct place){p.at + c * p.channel + i * p.pixel, p.channel, p.pixel}, y,
                           (struct place){q.at + c * q.channel + i * q.pixel, q.channel, q.pixel},
                           max64(0, min64(VF, lanes - c)), min64(VF, pixels - i));
}

INLINE void change(const void *args, char *const *bases, int tid, int nthreads, enum form in, enum width from,
                   enum form out, enum width to)
{
    const struct layout *a = args;
    const void *x = RESOLVE(const void, a->x);
    void *y = RESOLVE(void, a->y);
    int64_t plane = a->h * a->w;
    struct range rows = {0, a->h}, blocks = {0, ceil_div(a->c, BLOCK)};
    if (!cut_rows(a->split, 1))
        blocks = share(blocks.end, tid, nthreads);
    else
        rows = share(a->h, tid, nthreads);
    int64_t begin = rows.begin * a->w, end = rows.end * a->w;
    /* Blocks inside pixels where NHWC is on a side, so that its lines are used while they are in L1. */
    int64_t run = in == NHWC || out == NHWC ? BLOCK : max64(BLOCK, end - begin);
    for (int64_t image = 0; image < a->n; image++) {
        for (int64_t first = begin; first < end; first += run) {
            for (int64_t b = blocks.begin; b < blocks.end; b++) {
                int64_t lanes = min64(BLOCK, a->c - b * BLOCK), last = min64(first + run, end);
                for (int64_t p = first; p < last; p += BLOCK)
                    square(in, from, out, to, x, place_of(in, image, b, p, a->c, plane), y,
                           place_of(out, image, b, p, a->c, plane), lanes, min64(BLOCK, last - p));
            }
        }
    }
}

#define CHANGE(name, in, from, out, to)                                           \
    static void name(const void *args, char *const *bases, int tid, int nthreads) \
    {                                                                             \
        change(args, bases, tid, nthreads, in, from, out, to);                    \
    }

CHANGE(narrow_nchw, NCHW, F32, BLOCKS, WORDS)
CHANGE(narrow_nhwc, NHWC, F32, BLOCKS, WORDS)
CHANGE(widen_nchw, BLOCKS, WORDS, NCHW, F32)
CHANGE(widen_nhwc, BLOCKS, WORDS, NHWC, F32)
#ifdef PLAIT_BF16
CHANGE(nchw_to_nhwc, NCHW, WORDS, NHWC, WORDS)
CHANGE(nhwc_to_nchw, NHWC, WORDS, NCHW, WORDS)
CHANGE(nchw_to_blocked, NCHW, WORDS, BLOCKS, WORDS)
CHANGE(blocked_to_nchw, BLOCKS, WORDS, NCHW, WORDS)
CHANGE(nhwc_to_blocked, NHWC, WORDS, BLOCKS, WORDS)
CHANGE(blocked_to_nhwc, BLOCKS, WORDS, NHWC, WORDS)
#endif

static const struct kernel kernels[] = {
    KERNEL(ELEMENT "_narrow", narrow, NULL, rows),
    KERNEL(ELEMENT "_widen", widen, NULL, rows),
    KERNEL(ELEMENT "_narrow_nchw_to_nchw16c", narrow_nchw, NULL, layout),
    KERNEL(ELEMENT "_narrow_nhwc_to_nchw16c", narrow_nhwc, NULL, layout),
    KERNEL(ELEMENT "_widen_nchw16c_to_nchw", widen_nchw, NULL, layout),
    KERNEL(ELEMENT "_widen_nchw16c_to_nhwc", widen_nhwc, NULL, layout),
#ifdef PLAIT_BF16
    KERNEL("bf16_nchw_to_nhwc", nchw_to_nhwc, NULL, layout),
    KERNEL("bf16_nhwc_to_nchw", nhwc_to_nchw, NULL, layout),
    KERNEL("bf16_nchw_to_nchw16c", nchw_to_blocked, NULL, layout),
    KERNEL("bf16_nchw16c_to_nchw", blocked_to_nchw, NULL, layout),
    KERNEL("bf16_nhwc_to_nchw16c", nhwc_to_blocked, NULL, layout),
    KERNEL("bf16_nchw16c_to_nhwc", blocked_to_nhwc, NULL, layout),
#endif
};
FAMILY(layout_narrow, kernels)
