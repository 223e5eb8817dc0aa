/* Winograd convolution F(m, 3), m = 2, 4, 6: 3x3 kernels of stride 1 over blocks with 9 m^2 / (m + 2)^2 fewer products.
 *
 * Images may be of 16 bits (element.h): weights, transforms and products are float32.
 *
 * How work is cut, and the three phases of a block of tiles: winograd_cut.h.  Products are made by the tiles of the direct
 * convolution, with image tiles in the place of pixels; weights are transformed when packed:
 * [position][oc group][ic block][b][tile_b * b].
 *
 * tile_block: tiles per block, 0 to choose. */
#define CONV_STRIDE_1_ONLY
#include "conv.h"
#include "conv_tiles.h"
#include "element.h"
#include "winograd.h"
#include "winograd_cut.h"

#define WINOGRAD_FIELDS(X, S)                                                                       \
    CONV_OPERANDS(X, S) X(S, REF, work) CONV_GEOMETRY(X, S) ACT_FIELDS(X, S) X(S, INT, tile_m)      \
    X(S, INT, tile_block) X(S, INT, tile_b)
KERNEL_ARGS(winograd, WINOGRAD_FIELDS)

enum { PIXEL_BYTES = BLOCK * (int)sizeof(element), WORK_BYTES = 1536 << 10 };

static int64_t winograd_workspace(const void *args, int nthreads)
{
    const struct winograd *a = args;
    struct winograd_layer layer = WINOGRAD_LAYER(a, a->tile_m, sizeof(float), WORK_BYTES);
    return winograd_cut_of(&layer, nthreads).bytes * nthreads;
}

/* Phase 1 */
INLINE void transform_inputs(const struct winograd_layer *a, const struct winograd_cut *p, const char *x,
                             const struct winograd_block *b, char *v)
{
    char patch[MOST_SIZE * MOST_SIZE * PIXEL_BYTES] __attribute__((aligned(64)));
    int m = (int)a->tile_m;
    for (int64_t block = 0; block < p->ic_blocks; block++) {
        const char *plane = x + block * a->ih * a->iw * PIXEL_BYTES;
        struct winograd_tile at = winograd_tile_at(a, p, b->first), later = winograd_tile_at(a, p, b->first + TILES_AHEAD);
        for (int64_t t = 0; t < b->count; t++, winograd_step(&at), winograd_step(&later)) {
            prefetch_inputs(a, &later, plane, PIXEL_BYTES, 1);
            struct winograd_patch from = winograd_patch_of(a, &at, plane, PIXEL_BYTES, 0, patch);
            for (int64_t lane = 0; lane < BLOCK; lane += VF)
                winograd_input_tile(m, (const element *)from.from + lane, from.row / (int64_t)sizeof(element), BLOCK,
                                    (float *)v + (block * p->room + t) * BLOCK + lane,
                                    p->v_position / (int64_t)sizeof(float));
        }
    }
}

/* Phase 2 */
static void multiply(const struct winograd_layer *a, const struct winograd_cut *p, const char *v, const float *w,
                     const struct winograd_block *b, char *products)
{
    int64_t ldw = a->tile_b * BLOCK, group_floats = p->ic_blocks * BLOCK * ldw;
    struct conv_walk l = {
        .blocks = p->ic_blocks, .kh = 1, .kw = 1, .lanes = BLOCK, .last_lanes = a->ic - (p->ic_blocks - 1) * BLOCK,
        .x_block = p->room * BLOCK, .pixel_step = BLOCK, .ldw = ldw, .w_step = BLOCK * ldw,
        .y_block = p->tiles * BLOCK,
    };
    for (int64_t position = 0; position < p->positions; position++) {
        for (int64_t group = b->groups.begin; group < b->groups.end; group++) {
            int64_t end = min64(p->oc_blocks, (group + 1) * a->tile_b);
            const float *panel = w + (position * p->groups + group) * group_floats;
            for (int64_t block = group * a->tile_b, here; block < end; block += here) {
                here = next_blocks(end - block);
                prefetch_weights(&l, panel + group_floats, group_floats * (int64_t)sizeof(float),
                                 ceil_div(b->count, conv_most_rows[here]) * ceil_div(end - group * a->tile_b, here));
                conv_row(conv_tiles_s1[here], &l, b->count, conv_most_rows[here], here,
                         (const float *)(v + position * p->v_position), panel + (block - group * a->tile_b) * BLOCK,
                         no_bias, NULL,
                         (float *)(products + position * p->p_position) + (block - b->blocks.begin) * l.y_block);
            }
        }
    }
}

/* Phase 3 */
INLINE void transform_outputs(const struct winograd_layer *a, const struct winograd_cut *p, const struct epilogue *e,
                              const char *products, const struct winograd_block *b, const float *bias,
                              const element *res, element *y)
{
    int m = (int)a->tile_m;
    for (int64_t block = b->blocks.begin; block < b->blocks.end; block++) {
        const float *from = (const float *)products + (block - b->blocks.begin) * p->tiles * BLOCK;
        const float *add = bias ? bias + block * BLOCK : no_bias;
        element *plane = y + block * a->oh * a->ow * BLOCK;
        struct winograd_tile at = winograd_tile_at(a, p, b->first), later = winograd_tile_at(a, p, b->first + TILES_AHEAD);
        for (int64_t t = 0; t < b->count; t++, winograd_step(&at), winograd_step(&later)) {
            int64_t rows = min64(m, a->oh - at.top), columns = min64(m, a->ow - at.left);
            int64_t start = (at.top * a->ow + at.left) * BLOCK, row = a->ow * BLOCK;
            prefetch_results(a, &later, (const char *)plane, PIXEL_BYTES);
            for (int64_t lane = 0; lane < BLOCK; lane += VF) {
                vf s[MOST_SIZE * MOST_SIZE], bias_lane = vload(add + lane);
                winograd_output_tile(m, from + t * BLOCK + lane, p->p_position / (int64_t)sizeof(float), s);
                for (int64_t i = 0; i < rows; i++) {
                    for (int64_t j = 0; j < columns; j++) {
                        int64_t to = start + i * row + j * BLOCK + lane;
                        vf value = s[i * m + j] + bias_lane;
                        if (res)
                            value += eload(res + (plane - y) + to);
                        estore(plane + to, element_now(e, value));
                    }
                }
            }
            if (!NARROW && e->kind == EPILOGUE_LATE)
                for (int64_t i = 0; i < rows; i++)
                    epilogue_late(e, (float *)(plane + start + i * row), columns * BLOCK);
        }
    }
}

INLINE void winograd_blocks(int m, const struct winograd *a, char *const *bases, int tid, int nthreads)
{
    const struct winograd_layer layer = WINOGRAD_LAYER(a, m, sizeof(float), WORK_BYTES);
    const struct winograd_cut p = winograd_cut_of(&layer, nthreads);
    if (p.bytes == 0)
        return;
    const element *x = RESOLVE(const element, a->x), *res = RESOLVE(const element, a->res);
    const float *w = RESOLVE(const float, a->w), *bias = RESOLVE(const float, a->bias);
    element *y = RESOLVE(element, a->y);
    char *v = RESOLVE(char, a->work) + p.bytes * tid, *products = v + p.positions * p.v_position;
    const struct epilogue e = epilogue_make(a->act, a->act_a, a->act_b);
    int64_t x_image = p.ic_blocks * a->ih * a->iw * BLOCK, y_image = p.oc_blocks * a->oh * a->ow * BLOCK;
    struct chunks c = chunks_begin(bases[BASE_CLAIMS], tid, nthreads, a->n * p.tile_blocks);
    for (struct winograd_block b; winograd_next(&c, &layer, &p, nthreads, &b);) {
        transform_inputs(&layer, &p, (const char *)(x + b.image * x_image), &b, v);
        multiply(&layer, &p, v, w, &b, products);
        transform_outputs(&layer, &p, &e, products, &b, bias, res ? res + b.image * y_image : NULL,
                          y + b.image * y_image);
    }
}

static void conv_winograd(const void *args, char *const *bases, int tid, int nthreads)
{
    const struct winograd *a = args;
    switch (a->tile_m) {
    case 2: winograd_blocks(2, a, bases, tid, nthreads); break;
    case 4: winograd_blocks(4, a, bases, tid, nthreads); break;
    case 6: winograd_blocks(6, a, bases, tid, nthreads); break;
    }
}

static const struct kernel kernels[] = {
    KERNEL(ELEMENT "_conv_winograd_" BLOCKED, conv_winograd, winograd_workspace, winograd),
};
FAMILY(conv_winograd, kernels)
