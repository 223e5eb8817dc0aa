/* Winograd convolution F(4x4, 3x3) of bytes, exact to the bit (winograd_q8.h): 3x3 kernels of stride 1 over blocks of 16
 * channels, with four times fewer products, of words.
 *
 * How work is cut, and the three phases: winograd_cut.h.  Weights are transformed when packed, as words:
 * [position][oc group][ic block][8 pairs][tile_b * 16][2].  `bias` has the zero point of x folded in, as elsewhere (x_zero
 * stands outside of the image), and is 36 times itself: where the sums of position (1, 1) begin, it comes out once in each
 * result.  Sums, with their bias, must be of less than 2^25 in size. */
#include "conv.h"
#include "dot_words.h"
#include "winograd_cut.h"
#include "winograd_q8.h"

#define WINOGRAD_Q8_FIELDS(X, S)                                                                     \
    CONV_OPERANDS(X, S) X(S, REF, scale) X(S, REF, work) CONV_GEOMETRY(X, S) X(S, INT, x_zero)       \
    REQUANT_FIELDS(X, S) RESIDUAL_FIELDS(X, S) X(S, INT, tile_block) X(S, INT, tile_b) SHIFTS_FIELD(X, S)
KERNEL_ARGS(winograd_q8, WINOGRAD_Q8_FIELDS)

#define conv_sum int32_t
#define CONV_ENDING
#if defined __AVX512VNNI__ && VF == 16
#define CONV_TILES "conv_words_tiles_avx512vnni.h"
#elif VF == 16
#define CONV_TILES "conv_words_tiles_avx512.h"
#elif VF == 8
#define CONV_TILES "conv_words_tiles_avx2.h"
#else
#define CONV_TILES "conv_words_tiles_baseline.h"
#endif
#include "conv_step_tiles.h"

enum { PIXEL_BYTES = BLOCK, WORD = sizeof(int16_t), PAIRS = BLOCK / 2, BIASED = WINOGRAD_SIZE + 1 };
enum { TILES_AT_ONCE = VF == 16 ? 2 : 1, WORK_BYTES = 512 << 10 };

static int64_t winograd_workspace(const void *args, int nthreads)
{
    const struct winograd_q8 *a = args;
    struct winograd_layer layer = WINOGRAD_LAYER(a, WINOGRAD_M, WORD, WORK_BYTES);
    return winograd_cut_of(&layer, nthreads).bytes * nthreads;
}

/* Phase 1 */
static void transform_inputs(const struct winograd_layer *a, const struct winograd_cut *p, int outside, const char *x,
                             const struct winograd_block *b, char *v)
{
    char aside[2][WINOGRAD_POSITIONS * PIXEL_BYTES] __attribute__((aligned(64)));
    for (int64_t block = 0; block < p->ic_blocks; block++) {
        const char *plane = x + block * a->ih * a->iw * PIXEL_BYTES;
        struct winograd_tile at = winograd_tile_at(a, p, b->first);
        struct winograd_tile later = winograd_tile_at(a, p, b->first + TILES_AHEAD * TILES_AT_ONCE);
        for (int64_t t = 0; t < b->count; t += TILES_AT_ONCE) {
            prefetch_inputs(a, &later, plane, PIXEL_BYTES, TILES_AT_ONCE);
            struct winograd_patch from = winograd_patch_of(a, &at, plane, PIXEL_BYTES, outside, aside[0]), next = from;
            if (TILES_AT_ONCE == 2 && t + 1 < b->count) {
                winograd_step(&at);
                winograd_step(&later);
                next = winograd_patch_of(a, &at, plane, PIXEL_BYTES, outside, aside[1]);
            }
            winograd_step(&at);
            winograd_step(&later);
            for (int64_t lane = 0; lane < BLOCK; lane += LANES)
                winograd_input_tile(from.from + lane, from.row, next.from + lane, next.row,
                                    (int16_t *)v + (block * p->room + t) * BLOCK + lane, p->v_position / WORD);
        }
    }
}

/* Phase 2 */
static void multiply(const struct winograd_layer *a, const struct winograd_cut *p, const char *v, const int8_t *w,
                     const int32_t *bias, const struct winograd_block *b, char *products)
{
    static const int32_t none[4 * BLOCK];
    int64_t ldw = a->tile_b * STEP_BYTES, pixel = BLOCK * WORD, sums = BLOCK * (int64_t)sizeof(int32_t);
    int64_t last_pairs = ceil_div(a->ic - (p->ic_blocks - 1) * BLOCK, 2), steps = (p->ic_blocks - 1) * PAIRS + last_pairs;
    int64_t panel_bytes = p->ic_blocks * PAIRS * ldw;
    struct conv_walk l = {
        .blocks = p->ic_blocks, .kh = 1, .kw = 1, .steps = PAIRS, .last_steps = last_pairs, .x_block = p->room * pixel,
        .pixel_step = pixel, .ldw = ldw, .w_step = PAIRS * ldw, .y_block = p->tiles * sums,
    };
    for (int64_t position = 0; position < p->positions; position++) {
        for (int64_t group = b->groups.begin; group < b->groups.end; group++) {
            int64_t end = min64(p->oc_blocks, (group + 1) * a->tile_b);
            const int8_t *panel = w + (position * p->groups + group) * panel_bytes;
            for (int64_t block = group * a->tile_b, here; block < end; block += here) {
                here = next_blocks(end - block);
                int64_t most = conv_most_pixels[here], passes = ceil_div(b->count, most);
                l.ahead = (const char *)panel + panel_bytes;
                l.ahead_step = ceil_div(panel_bytes, passes * ceil_div(end - group * a->tile_b, here) * steps);
                const uint8_t *from = (const uint8_t *)(v + position * p->v_position);
                char *to = products + position * p->p_position + (block - b->blocks.begin) * l.y_block;
                for (int64_t done = 0; done < b->count;) {
                    int64_t left = b->count - done, pixels = ceil_div(left, ceil_div(left, most));
                    conv_tiles_s1[here][pixels](&l, from + done * pixel, panel + (block - group * a->tile_b) * STEP_BYTES,
                                                position == BIASED ? bias + block * BLOCK : none, NULL, NULL,
                                                (uint8_t *)to + done * sums);
                    done += pixels;
                    l.ahead += l.ahead_step * steps;
                }
            }
        }
    }
}

/* The change of scale, and where its results lie. */
struct ending {
    struct requant q;
    int shrinks; /* see scales_shrink */
    const float *scale;
    const uint8_t *res; /* or NULL */
    uint8_t *y;
};

/* `pixels` (at most WINOGRAD_M) results of a row, at `to`, from their sums. */
INLINE void store_row(const struct ending *e, const int32_t *sums, int64_t pixels, const float *scale, int64_t to)
{
    enum { VECTORS = 4, PARTS = BLOCK / VF };
    for (int64_t i = 0; i < pixels * PARTS; i += VECTORS) {
        vf v[VECTORS];
        int64_t here = min64(VECTORS, pixels * PARTS - i);
#pragma GCC unroll 4
        for (int k = 0; k < VECTORS; k++) {
            v[k] = to_float(viload(sums + (i + k) * VF)) * vload(scale + k % PARTS * VF);
            if (e->res && k < here)
                v[k] = add_residual(v[k], &e->q, q8_load(e->res + to + (i + k) * VF));
            if (!e->shrinks)
                v[k] = below_high(v[k], &e->q);
        }
        uint8_t *y = e->y + to + i * VF;
        switch (here) {
        case 4: requantize_store4(y, &e->q, 4, v[0], v[1], v[2], v[3]); break;
        case 3: requantize_store4(y, &e->q, 3, v[0], v[1], v[2], v[3]); break;
        case 2: requantize_store4(y, &e->q, 2, v[0], v[1], v[2], v[3]); break;
        default: requantize_store4(y, &e->q, 1, v[0], v[1], v[2], v[3]); break;
        }
    }
}

/* Phase 3 */
static void transform_outputs(const struct winograd_layer *a, const struct winograd_cut *p, const struct ending *e,
                              const char *products, const struct winograd_block *b)
{
    int32_t sums[WINOGRAD_M * WINOGRAD_M * BLOCK] __attribute__((aligned(64)));
    for (int64_t block = b->blocks.begin; block < b->blocks.end; block++) {
        const int32_t *from = (const int32_t *)products + (block - b->blocks.begin) * p->tiles * BLOCK;
        const float *scale = e->scale + block * BLOCK;
        int64_t row = a->ow * BLOCK, plane = block * a->oh * row;
        struct winograd_tile at = winograd_tile_at(a, p, b->first), later = winograd_tile_at(a, p, b->first + TILES_AHEAD);
        for (int64_t t = 0; t < b->count; t++, winograd_step(&at), winograd_step(&later)) {
            prefetch_results(a, &later, (const char *)e->y + plane, PIXEL_BYTES);
            for (int64_t lane = 0; lane < BLOCK; lane += VF)
                winograd_output_tile(from + t * BLOCK + lane, p->p_position / (int64_t)sizeof(int32_t), sums + lane);
            int64_t rows = min64(WINOGRAD_M, a->oh - at.top), columns = min64(WINOGRAD_M, a->ow - at.left);
            int64_t to = plane + at.top * row + at.left * BLOCK;
            if (__builtin_expect(e->q.shifts != 0, 0))
                for (int64_t i = 0; i < rows; i++)
                    store_fixed(&e->q, sums + i * WINOGRAD_M * BLOCK, columns, scale, e->y + to + i * row);
            else if (rows == WINOGRAD_M && columns == WINOGRAD_M)
                for (int64_t i = 0; i < WINOGRAD_M; i++)
                    store_row(e, sums + i * WINOGRAD_M * BLOCK, WINOGRAD_M, scale, to + i * row);
            else
                for (int64_t i = 0; i < rows; i++)
                    store_row(e, sums + i * WINOGRAD_M * BLOCK, columns, scale, to + i * row);
        }
    }
}

static void conv_winograd_q8(const void *args, char *const *bases, int tid, int nthreads)
{
    const struct winograd_q8 *a = args;
    const struct winograd_layer layer = WINOGRAD_LAYER(a, WINOGRAD_M, WORD, WORK_BYTES);
    const struct winograd_cut p = winograd_cut_of(&layer, nthreads);
    if (p.bytes == 0)
        return;
    char *v = RESOLVE(char, a->work) + p.bytes * tid, *products = v + p.positions * p.v_position;
    const uint8_t *res = RESOLVE(const uint8_t, a->res);
    struct ending e = {.q = requant_make(a->zero, a->low, a->high), .scale = RESOLVE(const float, a->scale)};
    e.q.res_zero = (int32_t)a->res_zero;
    e.q.res_scale = a->res_scale;
    e.q.shifts = a->shifts;
    e.shrinks = scales_shrink(e.scale, a->oc, res ? a->res_scale : 0);
    int64_t x_image = p.ic_blocks * a->ih * a->iw * BLOCK, y_image = p.oc_blocks * a->oh * a->ow * BLOCK;
    struct chunks c = chunks_begin(bases[BASE_CLAIMS], tid, nthreads, a->n * p.tile_blocks);
    for (struct winograd_block b; winograd_next(&c, &layer, &p, nthreads, &b);) {
        transform_inputs(&layer, &p, (int)a->x_zero, RESOLVE(const char, a->x) + b.image * x_image, &b, v);
        multiply(&layer, &p, v, RESOLVE(const int8_t, a->w), RESOLVE(const int32_t, a->bias), &b, products);
        e.res = res ? res + b.image * y_image : NULL;
        e.y = RESOLVE(uint8_t, a->y) + b.image * y_image;
        transform_outputs(&layer, &p, &e, products, &b);
    }
}

static const struct kernel kernels[] = {
    KERNEL("q8_conv_winograd_nchw16c", conv_winograd_q8, winograd_workspace, winograd_q8),
};
FAMILY(conv_winograd_q8, kernels)
