/* Matrix products of bytes.
 *
 * q8_gemm: y[m][n] = x[m][k] w, weights packed [n / 64][k / 4][64][4] (gemm_q8.h), with the zero point of x in the bias.
 * `w_zero` (int32, or NULL) are zero points of the columns of w.  Threads cut rows, or panels where rows are few.
 *
 * q8_matmul: y = a b in two batch dimensions; rows of a lie k apart, those of b n.  With a_zero and b_zero, the zero
 * points of a and of each column of b,
 *     sum (a - a_zero)(b - b_zero) = sum a b - b_zero * sum a - a_zero * sum b + k * a_zero * b_zero
 * Panels of b are packed into per-thread workspace, as signed bytes: `turn` says that b is unsigned, so that its top bits
 * are turned, and b_zero is 128 less than that of the bytes.  Threads cut batches, else rows, else columns.
 *
 * `scale` and all that belongs to columns is in whole panels.  With `sums` y is the int32 of the sums. */
#include "gemm_q8.h"

#define Q8_GEMM_FIELDS(X, S)                                                                             \
    X(S, REF, x) X(S, REF, w) X(S, REF, w_zero) X(S, REF, bias) X(S, REF, scale) X(S, REF, y) X(S, REF, work) \
    X(S, INT, m) X(S, INT, k) X(S, INT, n) REQUANT_FIELDS(X, S) SHIFTS_FIELD(X, S) X(S, OPTION, sums)
#define Q8_MATMUL_FIELDS(X, S)                                                                           \
    X(S, REF, a) X(S, REF, b) X(S, REF, b_zero) X(S, REF, scale) X(S, REF, y) X(S, REF, work)             \
    X(S, INT, batch0) X(S, INT, batch1) X(S, INT, m) X(S, INT, k) X(S, INT, n)                           \
    X(S, INT, a_batch0) X(S, INT, a_batch1) X(S, INT, b_batch0) X(S, INT, b_batch1)                      \
    X(S, INT, a_zero) X(S, INT, turn) REQUANT_FIELDS(X, S) SHIFTS_FIELD(X, S) X(S, OPTION, sums)
KERNEL_ARGS(q8_gemm, Q8_GEMM_FIELDS)
KERNEL_ARGS(q8_matmul, Q8_MATMUL_FIELDS)

enum { CHUNK_BYTES = 256 << 10, LINE = 64 };

/* Sums of the bytes of rows. */
static void sum_rows(int32_t *to, const uint8_t *x, int64_t rows, int64_t k)
{
    for (int64_t r = 0; r < rows; r++, x += k) {
        int32_t sum = 0;
        for (int64_t i = 0; i < k; i++)
            sum += x[i];
        to[r] = sum;
    }
}

/* Rows that all panels pass over while they stay in L2. */
static int64_t chunk_rows(int64_t k)
{
    return round_up(max64(1, CHUNK_BYTES / max64(k, 1)), GEMM_Q8_MOST_ROWS);
}

/* Sums of rows, for each thread. */
static int64_t gemm_workspace(const void *args, int nthreads)
{
    return round_up(((const struct q8_gemm *)args)->m * (int64_t)sizeof(int32_t), LINE) * nthreads;
}

static void gemm_run(const void *args, char *const *bases, int tid, int nthreads)
{
    const struct q8_gemm *a = args;
    const uint8_t *x = RESOLVE(const uint8_t, a->x);
    const int8_t *w = RESOLVE(const int8_t, a->w);
    const int32_t *zeros = RESOLVE(const int32_t, a->w_zero), *bias = RESOLVE(const int32_t, a->bias);
    const float *scale = RESOLVE(const float, a->scale);
    uint8_t *y = RESOLVE(uint8_t, a->y);
    int64_t size = a->sums ? (int64_t)sizeof(int32_t) : 1;
    int32_t *sums = NULL;
    struct requant to = requant_make(a->zero, a->low, a->high);
    to.shifts = a->shifts;
    struct range rows = {0, a->m}, panels = {0, ceil_div(a->n, Q8_PANEL)};
    if (a->m >= 8 * nthreads)
        rows = share(a->m, tid, nthreads);
    else
        panels = share(panels.end, tid, nthreads);
    if (zeros) {
        sums = (int32_t *)(RESOLVE(char, a->work) + gemm_workspace(args, 1) * tid);
        sum_rows(sums, x + rows.begin * a->k, rows.end - rows.begin, a->k);
    }
    struct gemm_q8 o = {
        .taps = 1, .row_step = a->k, .ldy = a->n * size, .to = a->sums ? NULL : &to,
        .shrinks = !a->sums && !a->shifts && scales_shrink(scale, a->n, 0),
    };
    gemm_q8_run_of(&o, a->k);
    int64_t chunk = chunk_rows(a->k);
    for (int64_t row = rows.begin; row < rows.end; row += chunk) {
        for (int64_t panel = panels.begin; panel < panels.end; panel++) {
            int64_t first = panel * Q8_PANEL;
            o.a = x + row * a->k;
            o.b = w + first * round_up(a->k, 4);
            o.bias = bias + first;
            o.zeros = zeros ? zeros + first : NULL;
            o.row_sums = sums ? sums + row - rows.begin : NULL;
            o.scale = scale ? scale + first : NULL;
            o.y = y + (row * a->n + first) * size;
            gemm_q8_by_panel(o, min64(chunk, rows.end - row), min64(Q8_PANEL, a->n - first));
        }
    }
}

/* Bytes of the workspace of a thread: a packed panel, its biases, sums of rows. */
struct matmul_space {
    int64_t panel, bias, rows;
};

static struct matmul_space space_of(const struct q8_matmul *a)
{
    return (struct matmul_space){
        round_up(a->k, 4) * Q8_PANEL, Q8_PANEL * (int64_t)sizeof(int32_t), round_up(a->m * (int64_t)sizeof(int32_t), LINE),
    };
}

static int64_t matmul_workspace(const void *args, int nthreads)
{
    struct matmul_space s = space_of(args);
    return (s.panel + s.bias + s.rows) * nthreads;
}

/* Four bytes, one below the other, of each of `columns` columns; `rows` of them are there. */
static void pack_quad(int8_t *to, const uint8_t *b, int64_t step, int64_t rows, int64_t columns, uint8_t turn)
{
    int64_t c = 0;
#if defined __SSE2__
    __m128i flip = _mm_set1_epi8((char)turn);
    for (; rows == 4 && c + 16 <= columns; c += 16) {
        __m128i r[4];
        for (int i = 0; i < 4; i++)
            r[i] = _mm_xor_si128(_mm_loadu_si128((const __m128i_u *)(b + i * step + c)), flip);
        __m128i low01 = _mm_unpacklo_epi8(r[0], r[1]), high01 = _mm_unpackhi_epi8(r[0], r[1]);
        __m128i low23 = _mm_unpacklo_epi8(r[2], r[3]), high23 = _mm_unpackhi_epi8(r[2], r[3]);
        __m128i_u *y = (__m128i_u *)(to + c * 4);
        _mm_storeu_si128(y, _mm_unpacklo_epi16(low01, low23));
        _mm_storeu_si128(y + 1, _mm_unpackhi_epi16(low01, low23));
        _mm_storeu_si128(y + 2, _mm_unpacklo_epi16(high01, high23));
        _mm_storeu_si128(y + 3, _mm_unpackhi_epi16(high01, high23));
    }
#endif
    for (; c < Q8_PANEL; c++)
        for (int64_t i = 0; i < 4; i++)
            to[c * 4 + i] = i < rows && c < columns ? (int8_t)(b[i * step + c] ^ turn) : 0;
}

/* A panel of b, and what is added to its sums: -a_zero * (sum of each column - k * b_zero). */
static void pack_panel(const struct q8_matmul *a, const uint8_t *b, int64_t columns, const int32_t *zeros, int8_t *to,
                       int32_t *bias)
{
    const uint8_t ones[4] = {1, 1, 1, 1};
    dot_pixel one = dot_broadcast(ones);
    vi sums[Q8_PANEL / VF];
    for (int v = 0; v < Q8_PANEL / VF; v++)
        sums[v] = viset(0);
    for (int64_t k = 0; k < a->k; k += 4, to += GEMM_Q8_QUAD) {
        pack_quad(to, b + k * a->n, a->n, min64(4, a->k - k), columns, a->turn ? 0x80 : 0);
        for (int v = 0; v < Q8_PANEL / VF; v++)
            sums[v] = dot(sums[v], one, dot_load(to + v * VF * 4));
    }
    for (int v = 0; v < Q8_PANEL / VF; v++) {
        vu32 zero = zeros ? (vu32)viload(zeros + v * VF) : (vu32){};
        vu32 total = (vu32)sums[v] - zero * (uint32_t)a->k;
        vistore(bias + v * VF, -(vi)(total * (uint32_t)a->a_zero));
    }
}

static void matmul_run(const void *args, char *const *bases, int tid, int nthreads)
{
    const struct q8_matmul *a = args;
    const uint8_t *a_base = RESOLVE(const uint8_t, a->a), *b_base = RESOLVE(const uint8_t, a->b);
    const int32_t *zeros = RESOLVE(const int32_t, a->b_zero);
    const float *scale = RESOLVE(const float, a->scale);
    uint8_t *y = RESOLVE(uint8_t, a->y);
    struct matmul_space space = space_of(a);
    int8_t *packed = RESOLVE(int8_t, a->work) + (space.panel + space.bias + space.rows) * tid;
    int32_t *bias = (int32_t *)(packed + space.panel), *sums = bias + Q8_PANEL;
    int64_t size = a->sums ? (int64_t)sizeof(int32_t) : 1, chunk = chunk_rows(a->k);
    struct requant to = requant_make(a->zero, a->low, a->high);
    to.shifts = a->shifts;
    struct range batches = {0, a->batch0 * a->batch1}, rows = {0, a->m}, panels = {0, ceil_div(a->n, Q8_PANEL)};
    if (rows_suffice(batches.end, nthreads))
        batches = share(batches.end, tid, nthreads);
    else if (a->m >= 8 * nthreads)
        rows = share(a->m, tid, nthreads);
    else
        panels = share(panels.end, tid, nthreads);
    struct gemm_q8 o = {
        .taps = 1, .row_step = a->k, .b = packed, .bias = bias, .ldy = a->n * size, .to = a->sums ? NULL : &to,
        .shrinks = !a->sums && !a->shifts && scales_shrink(scale, a->n, 0),
    };
    gemm_q8_run_of(&o, a->k);
    for (int64_t batch = batches.begin; batch < batches.end; batch++) {
        int64_t i = batch / a->batch1, j = batch % a->batch1;
        const uint8_t *a_rows = a_base + i * a->a_batch0 + j * a->a_batch1;
        const uint8_t *b_rows = b_base + i * a->b_batch0 + j * a->b_batch1;
        if (zeros)
            sum_rows(sums, a_rows + rows.begin * a->k, rows.end - rows.begin, a->k);
        for (int64_t panel = panels.begin; panel < panels.end; panel++) {
            int64_t first = panel * Q8_PANEL, columns = min64(Q8_PANEL, a->n - first);
            pack_panel(a, b_rows + first, columns, zeros ? zeros + first : NULL, packed, bias);
            o.zeros = zeros ? zeros + first : NULL;
            o.scale = scale ? scale + first : NULL;
            for (int64_t row = rows.begin; row < rows.end; row += chunk) {
                o.a = a_rows + row * a->k;
                o.row_sums = zeros ? sums + row - rows.begin : NULL;
                o.y = y + ((batch * a->m + row) * a->n + first) * size;
                gemm_q8_by_panel(o, min64(chunk, rows.end - row), columns);
            }
        }
    }
}

static const struct kernel kernels[] = {
    KERNEL("q8_gemm", gemm_run, gemm_workspace, q8_gemm),
    KERNEL("q8_matmul", matmul_run, matmul_workspace, q8_matmul),
};
FAMILY(matmul_q8, kernels)
