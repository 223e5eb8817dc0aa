/* Depthwise convolution (one filter per channel): vectors run along the channels.
 *
 * Weights of blocks [c / b][kh][kw][b], b = BLOCK, zero beyond the last channel, bias padded likewise; NHWC [kh][kw][c]; NCHW
 * [c][kh][kw], whose planes go by way of blocks (bands.h).  Of 16 bits (element.h) there are blocks only; filters are float32.
 * 3x3, 5x5 and 7x7 of stride 1 and 2 use generated tiles of up to 14 neighbouring outputs; kernel rows outside the image are
 * left out and columns outside it read a vector of zeros, so nothing is copied.  Other shapes take a general loop.
 * NHWC whose channels are no whole number of vectors ends with a vector that overlaps the one before, so there `res`
 * must not be `y`.  Threads cut output rows, or (not in NHWC) blocks of channels where rows are few. */
#include "bands.h"
#include "dwconv_block.h"

static const struct field dwconv_fields[] = {DWCONV_FIELDS(FIELD_DESCRIPTOR, dwconv)};

static void dwconv_blocked(const void *args, char *const *bases, int tid, int nthreads)
{
    const struct dwconv *a = args;
    const element *x = RESOLVE(const element, a->x), *res = RESOLVE(const element, a->res);
    const float *w = RESOLVE(const float, a->w), *bias = RESOLVE(const float, a->bias);
    element *y = RESOLVE(element, a->y);
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

#ifndef PLAIT_NARROW
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

#endif

static const struct kernel kernels[] = {
    PLAIN(KERNEL("f32_dwconv_nchw", dwconv_nchw, planes_workspace, dwconv))
    PLAIN(KERNEL("f32_dwconv_nhwc", dwconv_nhwc, NULL, dwconv))
    KERNEL(ELEMENT "_dwconv_" BLOCKED, dwconv_blocked, NULL, dwconv),
};
FAMILY(dwconv, kernels)
