/* Vectors of one ISA level, and how work is cut among threads.  Included by every per-ISA source.
 *
 * VF floats make a vector: 4, 8 or 16.  GCC vector extensions carry all arithmetic, so one source serves every level;
 * intrinsics appear only where the extensions have no word (minimum, maximum, square root). */
#ifndef PLAIT_ISA_H
#define PLAIT_ISA_H

#include "plait.h"

#include <math.h>
#include <string.h>

#if defined __AVX512F__
#define VF 16
#elif defined __AVX2__
#define VF 8
#else
#define VF 4
#endif
#if defined __SSE2__
#include <immintrin.h>
#endif

/* BLOCK: channels side by side in the blocked layout.  Every file is compiled for nchw16c; those with blocked kernels
 * again, with PLAIT_BLOCK defined, for blocks of one vector (meson.build), where the plain kernels are left out. */
#ifdef PLAIT_BLOCK
#define PLAIN(...)
#else
#define PLAIT_BLOCK 16
#define PLAIN(...) __VA_ARGS__,
#endif
#define TEXT_OF_(x) #x
#define TEXT_OF(x) TEXT_OF_(x)
#define BLOCKED "nchw" TEXT_OF(PLAIT_BLOCK) "c"
enum { BLOCK = PLAIT_BLOCK };

/* A kernel file rarely needs all of these. */
#define INLINE static inline __attribute__((always_inline, unused))

typedef float vf __attribute__((vector_size(VF * 4)));
typedef int32_t vi __attribute__((vector_size(VF * 4)));
typedef uint32_t vu32 __attribute__((vector_size(VF * 4)));
typedef float vf_unaligned __attribute__((vector_size(VF * 4), aligned(4), may_alias));

INLINE vf vload(const float *p)
{
    return *(const vf_unaligned *)p;
}

INLINE void vstore(float *p, vf v)
{
    *(vf_unaligned *)p = v;
}

INLINE vf vset(float s)
{
    return s - (vf){};
}

INLINE vf vzero(void)
{
    return (vf){};
}

INLINE vf vselect(vi mask, vf yes, vf no)
{
    return (vf)(((vi)yes & mask) | ((vi)no & ~mask));
}

/* x86 semantics, kept everywhere: with a NaN in either operand the result is the second one.  So a bound goes first
 * and the data second, and NaN passes through. */
INLINE vf vmax(vf bound, vf x)
{
#if VF == 16
    return _mm512_max_ps(bound, x);
#elif VF == 8
    return _mm256_max_ps(bound, x);
#elif defined __SSE2__
    return _mm_max_ps(bound, x);
#else
    return vselect(bound > x, bound, x);
#endif
}

INLINE vf vmin(vf bound, vf x)
{
#if VF == 16
    return _mm512_min_ps(bound, x);
#elif VF == 8
    return _mm256_min_ps(bound, x);
#elif defined __SSE2__
    return _mm_min_ps(bound, x);
#else
    return vselect(bound < x, bound, x);
#endif
}

/* Lanes where a NaN was seen: maxima and minima lose them, as they take the other number. */
#if VF == 16
typedef __mmask16 nan_mask;
INLINE nan_mask nan_in(vf x, vf y)
{
    return _mm512_cmp_ps_mask(x, y, _CMP_UNORD_Q);
}

INLINE vf nan_where(nan_mask seen, vf x)
{
    return _mm512_mask_mov_ps(x, seen, vset(NAN));
}
#else
typedef vi nan_mask;
INLINE nan_mask nan_in(vf x, vf y)
{
    return (x != x) | (y != y);
}

INLINE vf nan_where(nan_mask seen, vf x)
{
    return (vf)((vi)x | seen); /* all bits set is a NaN */
}
#endif

static const nan_mask no_nan __attribute__((unused));

INLINE vf vsqrt(vf x)
{
#if VF == 16
    return _mm512_sqrt_ps(x);
#elif VF == 8
    return _mm256_sqrt_ps(x);
#elif defined __SSE2__
    return _mm_sqrt_ps(x);
#else
    for (int i = 0; i < VF; i++)
        x[i] = sqrtf(x[i]);
    return x;
#endif
}

INLINE vf vabs(vf x)
{
    return (vf)((vi)x & 0x7fffffff);
}

/* AddressSanitizer does not see what masked instructions access: its builds go lane by lane. */
#if defined __SANITIZE_ADDRESS__
#define MASKED(vector) 0
#else
#define MASKED(vector) (VF == vector)
#endif

/* The first `count` <= VF floats; the other lanes are zero. */
INLINE vf vload_part(const float *p, int64_t count)
{
#if MASKED(16)
    return _mm512_maskz_loadu_ps((__mmask16)((1u << count) - 1), p);
#elif MASKED(8)
    const vi lane = {0, 1, 2, 3, 4, 5, 6, 7};
    return _mm256_maskload_ps(p, (__m256i)((int32_t)count > lane));
#else
    if (count >= VF)
        return vload(p);
    vf v = vzero();
    for (int64_t i = 0; i < VF - 1; i++)
        if (i < count)
            v[i] = p[i];
    return v;
#endif
}

/* The same where most vectors are whole: they take the plain load. */
INLINE vf load_lanes(const float *p, int64_t lanes)
{
    return lanes == VF ? vload(p) : vload_part(p, lanes);
}

INLINE void vstore_part(float *p, vf v, int64_t count)
{
#if MASKED(16)
    _mm512_mask_storeu_ps(p, (__mmask16)((1u << count) - 1), v);
#else /* masked stores of AVX2 are slow on some processors */
    if (count >= VF) {
        vstore(p, v);
        return;
    }
    for (int64_t i = 0; i < VF - 1; i++)
        if (i < count)
            p[i] = v[i];
#endif
}

INLINE void store_lanes(float *p, vf v, int64_t lanes)
{
    if (lanes == VF)
        vstore(p, v);
    else
        vstore_part(p, v, lanes);
}

INLINE float vsum(vf v)
{
    float s = 0;
    for (int i = 0; i < VF; i++)
        s += v[i];
    return s;
}

INLINE int64_t min64(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

INLINE int64_t max64(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

INLINE int64_t ceil_div(int64_t a, int64_t b)
{
    return (a + b - 1) / b;
}

INLINE int64_t round_up(int64_t a, int64_t b)
{
    return ceil_div(a, b) * b;
}

struct range {
    int64_t begin, end;
};

/* The part of [0, total) that thread `tid` does.  Every kernel cuts rows by this one rule, so that a thread finds in
 * its own cache the rows it wrote in the op before. */
INLINE struct range share(int64_t total, int tid, int nthreads)
{
    return (struct range){total * tid / nthreads, total * (tid + 1) / nthreads};
}

/* Few rows would leave threads idle (7 rows, 2 threads: 4 and 3); then channels are cut instead. */
INLINE int rows_suffice(int64_t rows, int nthreads)
{
    return nthreads == 1 || rows >= 7 * nthreads || (rows % nthreads == 0 && rows > 0);
}

/* The field `split` of kernels that can cut their work in two ways; kernels_pyx/__init__.py has the same list.  The
 * caller knows which cut leaves data where the next op wants them; without word from it the kernel decides. */
enum { SPLIT_AUTO, SPLIT_ROWS, SPLIT_CHANNELS };

/* Whether to cut image rows, rather than channels; `best` is what the kernel would do. */
INLINE int cut_rows(int64_t split, int best)
{
    return split == SPLIT_AUTO ? best : split == SPLIT_ROWS;
}

/* Work of the shape [outer][rows][row], outer being channels: by rows if there are enough of them, else by outer, else
 * inside the row, unless `split` says otherwise.  Cutting never changes what is computed for an element, so results do
 * not depend on the number of threads. */
struct block_range {
    struct range outer, rows, row;
};

INLINE int cut_rows_of(int64_t split, int64_t outer, int64_t rows, int nthreads)
{
    return cut_rows(split, rows_suffice(rows, nthreads) || (outer < nthreads && rows >= nthreads));
}

INLINE struct block_range share_block(int64_t split, int64_t outer, int64_t rows, int64_t row, int tid, int nthreads)
{
    struct block_range r = {{0, outer}, {0, rows}, {0, row}};
    if (cut_rows_of(split, outer, rows, nthreads))
        r.rows = share(rows, tid, nthreads);
    else if (outer >= nthreads || split == SPLIT_CHANNELS)
        r.outer = share(outer, tid, nthreads);
    else
        r.row = share(row, tid, nthreads);
    return r;
}

/* The positions o of an output axis for which o * stride - pad + tap lies inside [0, size). */
INLINE struct range valid_outputs(int64_t out, int64_t size, int64_t stride, int64_t pad, int64_t tap)
{
    int64_t shift = pad - tap; /* o * stride >= shift and o * stride <= size - 1 + shift */
    int64_t begin = shift > 0 ? ceil_div(shift, stride) : 0;
    int64_t end = size - 1 + shift < 0 ? 0 : (size - 1 + shift) / stride + 1;
    begin = min64(begin, out);
    return (struct range){begin, max64(begin, min64(end, out))};
}

INLINE void copy_floats(float *to, const float *from, int64_t count)
{
    int64_t i = 0;
    for (; i + VF <= count; i += VF)
        vstore(to + i, vload(from + i));
#if MASKED(16)
    if (i < count) {
        __mmask16 part = (__mmask16)((1u << (count - i)) - 1);
        _mm512_mask_storeu_ps(to + i, part, _mm512_maskz_loadu_ps(part, from + i));
    }
#else
    for (; i < count; i++)
        to[i] = from[i];
#endif
}

INLINE void zero_floats(float *to, int64_t count)
{
    for (int64_t i = 0; i < count; i++)
        to[i] = 0;
}

/* The same cut for kernels that treat every element alike: `count` contiguous spans of `length` floats, `step` apart. */
struct spans {
    int64_t count, first, step, length;
};

INLINE struct spans share_spans(int64_t split, int64_t outer, int64_t rows, int64_t row, int tid, int nthreads)
{
    if (cut_rows_of(split, outer, rows, nthreads)) {
        struct range r = share(rows, tid, nthreads);
        return (struct spans){outer, r.begin * row, rows * row, (r.end - r.begin) * row};
    }
    int64_t unit = outer >= nthreads || split == SPLIT_CHANNELS ? max64(1, rows * row) : 1;
    struct range r = share(outer * rows * row / unit, tid, nthreads);
    return (struct spans){1, r.begin * unit, 0, (r.end - r.begin) * unit};
}

#endif
