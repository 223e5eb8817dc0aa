/* Depthwise convolution of bytes over NHWC, one filter for each channel.
 *
 * Taps are done four at a time: the bytes of 4 * VF channels under each of them are interleaved, so that four taps of a
 * channel lie side by side, and multiplied by weights packed [c / 16][kh * kw / 4][16][4], zeros beyond the last tap and
 * channel.  Interleaving stays inside of 16 bytes, so vectors of sums have the channels of several such groups, four of
 * each; weights are brought into that order once, sums back at the end.  bias (with the zero point of x) and scale are in
 * blocks of 64; outside of the image is x_zero.  Threads cut rows, or images, or channels. */
#include "conv.h"
#include "quant.h"

#define DWCONV_NHWC_Q8_FIELDS(X, S)                                                                  \
    CONV_OPERANDS(X, S) X(S, REF, scale) X(S, REF, work) CONV_GEOMETRY(X, S) X(S, INT, x_zero)       \
    REQUANT_FIELDS(X, S) RESIDUAL_FIELDS(X, S) SHIFTS_FIELD(X, S)
KERNEL_ARGS(dwconv_nhwc_q8, DWCONV_NHWC_Q8_FIELDS)

enum { GROUP = 4 * VF, LANES = VF / 4, LANE = 16, QUAD = GROUP * 4 };

/* GROUP bytes, of which `count` may be read. */
INLINE vi load_channels(const uint8_t *x, int64_t count)
{
#if MASKED(16)
    if (count < GROUP)
        return (vi)_mm512_maskz_loadu_epi8(((__mmask64)1 << count) - 1, x);
#else
    uint8_t part[GROUP] = {0};
    if (count < GROUP) {
        memcpy(part, x, (size_t)count);
        x = part;
    }
#endif
    vi v;
    memcpy(&v, x, sizeof v);
    return v;
}

INLINE void store_channels(uint8_t *y, const uint8_t *part, int64_t count)
{
#if MASKED(16)
    _mm512_mask_storeu_epi8(y, ((__mmask64)1 << count) - 1, _mm512_loadu_si512(part));
#else
    memcpy(y, part, (size_t)count);
#endif
}

#if VF == 16
#define UNPACK(half, bits, a, b) (vi)_mm512_unpack##half##_epi##bits((__m512i)(a), (__m512i)(b))
#elif VF == 8
#define UNPACK(half, bits, a, b) (vi)_mm256_unpack##half##_epi##bits((__m256i)(a), (__m256i)(b))
#elif defined __SSE2__
#define UNPACK(half, bits, a, b) (vi)_mm_unpack##half##_epi##bits((__m128i)(a), (__m128i)(b))
#endif

/* Four bytes of each channel side by side; t: a byte of each channel, for four taps. */
INLINE void interleave(const vi t[4], vi quads[4])
{
#ifdef UNPACK
    vi low01 = UNPACK(lo, 8, t[0], t[1]), high01 = UNPACK(hi, 8, t[0], t[1]);
    vi low23 = UNPACK(lo, 8, t[2], t[3]), high23 = UNPACK(hi, 8, t[2], t[3]);
    quads[0] = UNPACK(lo, 16, low01, low23);
    quads[1] = UNPACK(hi, 16, low01, low23);
    quads[2] = UNPACK(lo, 16, high01, high23);
    quads[3] = UNPACK(hi, 16, high01, high23);
#else
    for (int i = 0; i < GROUP; i++)
        for (int j = 0; j < 4; j++)
            ((uint8_t *)quads)[i * 4 + j] = ((const uint8_t *)(t + j))[i];
#endif
}

/* Sums in the order of channels: 16 bytes of each of four vectors become a vector. */
INLINE void order_sums(vi s[4])
{
#if VF == 16
    __m512i ab = _mm512_shuffle_i32x4((__m512i)s[0], (__m512i)s[1], 0x44), cd = _mm512_shuffle_i32x4((__m512i)s[2], (__m512i)s[3], 0x44);
    __m512i ef = _mm512_shuffle_i32x4((__m512i)s[0], (__m512i)s[1], 0xee), gh = _mm512_shuffle_i32x4((__m512i)s[2], (__m512i)s[3], 0xee);
    s[0] = (vi)_mm512_shuffle_i32x4(ab, cd, 0x88);
    s[1] = (vi)_mm512_shuffle_i32x4(ab, cd, 0xdd);
    s[2] = (vi)_mm512_shuffle_i32x4(ef, gh, 0x88);
    s[3] = (vi)_mm512_shuffle_i32x4(ef, gh, 0xdd);
#elif VF == 8
    __m256i a = (__m256i)s[0], b = (__m256i)s[1], c = (__m256i)s[2], d = (__m256i)s[3];
    s[0] = (vi)_mm256_permute2x128_si256(a, b, 0x20);
    s[1] = (vi)_mm256_permute2x128_si256(c, d, 0x20);
    s[2] = (vi)_mm256_permute2x128_si256(a, b, 0x31);
    s[3] = (vi)_mm256_permute2x128_si256(c, d, 0x31);
#else
    (void)s;
#endif
}

INLINE dot_pixel pixel_of(vi quads)
{
#if defined __AVX512VNNI__ && VF == 16
    return quads;
#else
    return (dot_pixel){quads & 0x00ff00ff, (vi)((vu16)quads >> 8)};
#endif
}

struct sizes {
    int64_t quads, groups;
    int64_t weights, outside, taps; /* bytes of the workspace of a thread; of taps pointers and steps */
};

static struct sizes sizes_of(const struct dwconv_nhwc_q8 *a)
{
    int64_t quads = ceil_div(a->kh * a->kw, 4), groups = ceil_div(a->ic, GROUP);
    return (struct sizes){
        quads, groups, groups * quads * QUAD, round_up(a->ic, 64),
        round_up(quads * 4 * (int64_t)(sizeof(char *) + sizeof(int64_t)), 64),
    };
}

static int64_t dwconv_workspace(const void *args, int nthreads)
{
    struct sizes s = sizes_of(args);
    return (s.weights + s.outside + s.taps) * nthreads;
}

/* [group][quad of taps][4 vectors]: lane l of vector v has channels 16 l + 4 v and the three behind. */
static void order_weights(int8_t *to, const int8_t *w, const struct sizes *s, int64_t channels)
{
    for (int64_t group = 0; group < s->groups; group++)
        for (int64_t quad = 0; quad < s->quads; quad++)
            for (int v = 0; v < 4; v++)
                for (int l = 0; l < LANES; l++, to += LANE) {
                    int64_t block = group * LANES + l;
                    if (block * 16 < channels)
                        memcpy(to, w + ((block * s->quads + quad) * 4 + v) * LANE, LANE);
                    else
                        memset(to, 0, LANE);
                }
}

/* How far the taps of a window lie behind its first one; those beyond the last one may be anywhere. */
static void tap_steps(int64_t *steps, const struct dwconv_nhwc_q8 *a, int64_t quads)
{
    for (int64_t i = 0; i < a->kh; i++)
        for (int64_t j = 0; j < a->kw; j++)
            *steps++ = (i * a->dil_h * a->iw + j * a->dil_w) * a->ic;
    for (int64_t t = a->kh * a->kw; t < quads * 4; t++)
        *steps++ = 0;
}

/* Where the taps of an output pixel lie. */
static void find_taps(const uint8_t **restrict taps, const int64_t *restrict steps, const struct dwconv_nhwc_q8 *a,
                      const uint8_t *x, const uint8_t *outside, int64_t quads, int64_t h, int64_t w)
{
    int64_t top = h * a->stride_h - a->pad_t, left = w * a->stride_w - a->pad_l;
    int64_t bottom = top + (a->kh - 1) * a->dil_h, right = left + (a->kw - 1) * a->dil_w;
    if (top >= 0 && left >= 0 && bottom < a->ih && right < a->iw) {
        const uint8_t *first = x + (top * a->iw + left) * a->ic;
        for (int64_t t = 0; t < quads * 4; t++)
            taps[t] = first + steps[t];
        return;
    }
    for (int64_t t = a->kh * a->kw; t < quads * 4; t++)
        taps[t] = outside;
    for (int64_t row = top; row <= bottom; row += a->dil_h)
        for (int64_t column = left; column <= right; column += a->dil_w) {
            int inside = row >= 0 && row < a->ih && column >= 0 && column < a->iw;
            *taps++ = inside ? x + (row * a->iw + column) * a->ic : outside;
        }
}

/* The sums of up to GROUP channels from `first` on. */
INLINE void sum_group(const uint8_t *const *taps, const int8_t *w, int64_t quads, int64_t first, int64_t count, vi s[4])
{
    for (int v = 0; v < 4; v++)
        s[v] = viset(0);
    for (int64_t quad = 0; quad < quads; quad++, taps += 4, w += QUAD) {
        vi t[4], bytes[4];
        for (int i = 0; i < 4; i++)
            t[i] = load_channels(taps[i] + first, count);
        interleave(t, bytes);
        for (int v = 0; v < 4; v++)
            s[v] = dot(s[v], pixel_of(bytes[v]), dot_load(w + v * VF * 4));
    }
    order_sums(s);
}

struct ending {
    const int32_t *bias;
    const float *scale;
    struct requant to;
    int plain, shrinks;
};

INLINE void store_group(const struct ending *e, vi s[4], int64_t first, int64_t count, const uint8_t *res, uint8_t *y)
{
    const int32_t *bias = e->bias + first;
    const float *scale = e->scale + first;
    if (e->plain) {
        uint8_t part[GROUP], *to = count == GROUP ? y : part;
        vf f[4];
        for (int v = 0; v < 4; v++) {
            f[v] = to_float(s[v] + viload(bias + v * VF)) * vload(scale + v * VF);
            f[v] = e->shrinks ? f[v] : below_high(f[v], &e->to);
        }
        requantize_store4(to, &e->to, 4, f[0], f[1], f[2], f[3]);
        if (count < GROUP)
            store_channels(y, part, count);
        return;
    }
    int32_t sums[GROUP];
    for (int v = 0; v < 4; v++)
        vistore(sums + v * VF, s[v]);
    requantize_row(&e->to, sums, count, bias, scale, 1, res, y);
}

static void dwconv_run(const void *args, char *const *bases, int tid, int nthreads)
{
    const struct dwconv_nhwc_q8 *a = args;
    const uint8_t *x = RESOLVE(const uint8_t, a->x), *res = RESOLVE(const uint8_t, a->res);
    uint8_t *y = RESOLVE(uint8_t, a->y);
    struct sizes s = sizes_of(a);
    int8_t *w = RESOLVE(int8_t, a->work) + (s.weights + s.outside + s.taps) * tid;
    uint8_t *outside = (uint8_t *)w + s.weights;
    const uint8_t **taps = (const uint8_t **)(outside + s.outside);
    int64_t *steps = (int64_t *)(taps + s.quads * 4);
    struct ending e = {
        RESOLVE(const int32_t, a->bias), RESOLVE(const float, a->scale), requant_make(a->zero, a->low, a->high),
        !a->shifts && !res, !a->shifts && scales_shrink(RESOLVE(const float, a->scale), a->ic, res ? a->res_scale : 0),
    };
    e.to.shifts = a->shifts;
    e.to.res_zero = (int32_t)a->res_zero;
    e.to.res_scale = a->res_scale;
    order_weights(w, RESOLVE(const int8_t, a->w), &s, a->ic);
    memset(outside, (int)a->x_zero, (size_t)a->ic);
    tap_steps(steps, a, s.quads);
    struct block_range part = share_block(a->split, a->n, a->oh, s.groups, tid, nthreads);
    for (int64_t image = part.outer.begin; image < part.outer.end; image++) {
        const uint8_t *from = x + image * a->ih * a->iw * a->ic;
        for (int64_t h = part.rows.begin; h < part.rows.end; h++) {
            for (int64_t column = 0; column < a->ow; column++) {
                int64_t at = ((image * a->oh + h) * a->ow + column) * a->ic;
                find_taps(taps, steps, a, from, outside, s.quads, h, column);
                for (int64_t group = part.row.begin; group < part.row.end; group++) {
                    int64_t first = group * GROUP, count = min64(GROUP, a->ic - first);
                    vi sums[4];
                    sum_group(taps, w + group * s.quads * QUAD, s.quads, first, count, sums);
                    store_group(&e, sums, first, count, res ? res + at + first : NULL, y + at + first);
                }
            }
        }
    }
}

static const struct kernel kernels[] = {
    KERNEL("q8_dwconv_nhwc", dwconv_run, dwconv_workspace, dwconv_nhwc_q8),
};
FAMILY(dwconv_nhwc_q8, kernels)
