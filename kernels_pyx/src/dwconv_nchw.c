/* Depthwise convolution over plain NCHW; weights [c][kh][kw].
 *
 * Each plane is first copied, with its padding, into per-thread workspace, taken apart into stride_h * stride_w phase
 * planes: phase (p, q) holds the rows p, p + stride_h, ... and columns q, q + stride_w, ...  Then every kernel tap
 * reads one phase plane at a constant distance, rows and all: the plane is one long vector loop at any stride, and a
 * 7x7 plane fills its vectors as well as a 112x112 one.  The pitch - ow surplus columns of each row are computed and
 * dropped.  Threads cut the n * c planes. */
#include "conv.h"

#define DWCONV_NCHW_FIELDS(X, S) CONV_OPERANDS(X, S) X(S, REF, work) CONV_GEOMETRY(X, S) ACT_FIELDS(X, S)
KERNEL_ARGS(dwconv_nchw, DWCONV_NCHW_FIELDS)

enum { GROUP = 4 }; /* vectors computed together */

/* The phase planes, and what would cost divisions per plane: where each tap reads, which columns lie in the image. */
struct phases {
    int64_t rows, pitch;  /* of one phase plane */
    int64_t plane;        /* floats of one phase plane */
    int64_t all;          /* floats of all of them, readable beyond the last tap of the last group */
    int64_t results;      /* floats of the result at the same pitch, in whole groups of vectors */
    int64_t table;        /* floats that the two tables take */
    int64_t *taps;        /* [kh * kw]: distance of the tap's first input */
    struct range *inside; /* [stride_w]: columns of the phase inside the image */
};

static struct phases phases_of(const struct dwconv_nchw *a)
{
    struct phases p = {0};
    p.rows = ceil_div((a->oh - 1) * a->stride_h + (a->kh - 1) * a->dil_h + 1, a->stride_h);
    p.pitch = ceil_div((a->ow - 1) * a->stride_w + (a->kw - 1) * a->dil_w + 1, a->stride_w);
    p.plane = p.rows * p.pitch;
    p.all = round_up(a->stride_h * a->stride_w * p.plane + p.pitch + GROUP * VF, 16);
    p.results = round_up(a->oh * p.pitch, GROUP * VF);
    p.table = round_up(2 * a->kh * a->kw + 4 * a->stride_w, 16);
    return p;
}

static int64_t thread_floats(const struct phases *p)
{
    return p->table + p->all + p->results;
}

static int64_t workspace(const void *args, int nthreads)
{
    struct phases p = phases_of(args);
    return thread_floats(&p) * (int64_t)sizeof(float) * nthreads;
}

static void fill_tables(struct phases *p, const struct dwconv_nchw *a)
{
    for (int64_t i = 0; i < a->kh; i++) {
        for (int64_t j = 0; j < a->kw; j++) {
            int64_t row = i * a->dil_h, column = j * a->dil_w;
            int64_t phase = row % a->stride_h * a->stride_w + column % a->stride_w;
            p->taps[i * a->kw + j] = phase * p->plane + row / a->stride_h * p->pitch + column / a->stride_w;
        }
    }
    for (int64_t j = 0; j < a->stride_w; j++)
        p->inside[j] = valid_outputs(p->pitch, a->iw, a->stride_w, a->pad_l, j);
}

/* Every stride-th float; the common strides are constants, so that the loop vectorises. */
INLINE void gather_columns(float *to, const float *from, int64_t count, int64_t stride)
{
    if (stride == 1)
        copy_floats(to, from, count);
    else if (stride == 2)
        for (int64_t c = 0; c < count; c++)
            to[c] = from[c * 2];
    else
        for (int64_t c = 0; c < count; c++)
            to[c] = from[c * stride];
}

static void split_phases(float *to, const float *x, const struct dwconv_nchw *a, const struct phases *p)
{
    for (int64_t i = 0; i < a->stride_h; i++) {
        for (int64_t j = 0; j < a->stride_w; j++) {
            struct range inside = p->inside[j];
            for (int64_t r = 0; r < p->rows; r++, to += p->pitch) {
                int64_t row = r * a->stride_h + i - a->pad_t;
                if (row < 0 || row >= a->ih) {
                    zero_floats(to, p->pitch);
                    continue;
                }
                const float *from = x + row * a->iw + j - a->pad_l + inside.begin * a->stride_w;
                zero_floats(to, inside.begin);
                gather_columns(to + inside.begin, from, inside.end - inside.begin, a->stride_w);
                zero_floats(to + inside.end, p->pitch - inside.end);
            }
        }
    }
}

static void convolve_plane(float *y, const float *x, const float *w, float bias, const struct dwconv_nchw *a,
                           const struct phases *p)
{
    for (int64_t at = 0; at < p->results; at += GROUP * VF) {
        vf c0 = vset(bias), c1 = c0, c2 = c0, c3 = c0;
        for (int64_t tap = 0; tap < a->kh * a->kw; tap++) {
            const float *from = x + p->taps[tap] + at;
            vf f = vset(w[tap]);
            c0 += f * vload(from);
            c1 += f * vload(from + VF);
            c2 += f * vload(from + 2 * VF);
            c3 += f * vload(from + 3 * VF);
        }
        vstore(y + at, c0);
        vstore(y + at + VF, c1);
        vstore(y + at + 2 * VF, c2);
        vstore(y + at + 3 * VF, c3);
    }
}

/* Clamp, without a call per row: rows of small planes are short. */
INLINE void finish_row(const struct epilogue *e, const float *from, int64_t count, float *to)
{
    float low = e->clamp ? e->low : -INFINITY, high = e->clamp ? e->high : INFINITY;
    for (int64_t i = 0; i < count; i++) {
        float v = from[i];
        v = v < low ? low : v;
        to[i] = v > high ? high : v;
    }
}

static void dwconv_nchw(const void *args, char *const *bases, int tid, int nthreads)
{
    const struct dwconv_nchw *a = args;
    struct phases p = phases_of(a);
    const float *x = RESOLVE(const float, a->x), *w = RESOLVE(const float, a->w);
    const float *bias = RESOLVE(const float, a->bias), *res = RESOLVE(const float, a->res);
    float *y = RESOLVE(float, a->y), *work = RESOLVE(float, a->work) + thread_floats(&p) * tid;
    p.taps = (int64_t *)work;
    p.inside = (struct range *)(p.taps + a->kh * a->kw);
    float *phases = work + p.table, *results = phases + p.all;
    fill_tables(&p, a);
    struct epilogue e = epilogue_make(a->act, a->act_a, a->act_b);
    struct range planes = share(a->n * a->oc, tid, nthreads);
    for (int64_t plane = planes.begin; plane < planes.end; plane++) {
        int64_t c = plane % a->oc;
        split_phases(phases, x + plane * a->ih * a->iw, a, &p);
        convolve_plane(results, phases, w + c * a->kh * a->kw, bias ? bias[c] : 0, a, &p);
        for (int64_t row = 0; row < a->oh; row++) {
            int64_t at = (plane * a->oh + row) * a->ow;
            float *from = results + row * p.pitch;
            if (res || a->act > ACT_CLIP)
                epilogue_row(&e, from, a->ow, NULL, 0, res ? res + at : NULL, y + at);
            else
                finish_row(&e, from, a->ow, y + at);
        }
    }
}

static const struct kernel kernels[] = {
    KERNEL("f32_dwconv_nchw", dwconv_nchw, workspace, dwconv_nchw),
};
FAMILY(dwconv_nchw, kernels)
