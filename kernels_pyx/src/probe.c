/* Probes: kernels that do nothing useful at the greatest speed, to find the limits of a machine.
 *
 * They run as ops of plans, so a limit is measured under the same clock, threads and barriers as the routines that are
 * compared with it.  What a probe computes tells how much work it did, so that a test can see that no compiler has
 * taken some away.
 *
 * f32_probe_fma: each thread keeps CHAINS independent accumulators in registers; one round is one multiply-add for each.
 * y[tid] is the sum of all lanes: with factor and addend 1 the number of multiply-adds, and what the lanes began with.  As
 * the accumulator is what is multiplied, nothing can move out of the loop; as accumulator i begins with i, no two are
 * one.  Without rounds nothing is done: the time is that of a call.
 *
 * f32_probe_read, _write, _copy: every thread works on `count` floats of its own, one part after the other in the
 * buffers, `rounds` times over.  Stores are plain ones, as in all kernels, so a written line is first fetched. */
#include "isa.h"

#define PROBE_FMA_FIELDS(X, S) X(S, REF, y) X(S, FLOAT, factor) X(S, FLOAT, addend) X(S, INT, rounds)
#define PROBE_READ_FIELDS(X, S) X(S, REF, x) X(S, REF, y) X(S, INT, count) X(S, INT, rounds)
#define PROBE_WRITE_FIELDS(X, S) X(S, REF, y) X(S, FLOAT, value) X(S, INT, count) X(S, INT, rounds)
#define PROBE_COPY_FIELDS(X, S) X(S, REF, x) X(S, REF, y) X(S, INT, count) X(S, INT, rounds)
KERNEL_ARGS(probe_fma_args, PROBE_FMA_FIELDS)
KERNEL_ARGS(probe_read_args, PROBE_READ_FIELDS)
KERNEL_ARGS(probe_write_args, PROBE_WRITE_FIELDS)
KERNEL_ARGS(probe_copy_args, PROBE_COPY_FIELDS)

/* Enough to hide the latency of two units (Zen 5: 2 * 4 cycles), and of a multiplication followed by an addition at the
 * baseline, where the two operands leave 14 of the 16 registers. */
enum { CHAINS = VF == 16 ? 24 : VF == 8 ? 12 : 14, STREAMS = 8 };

/* The memory that the loop before has touched may have changed: the next round loads and stores it again. */
#define NEW_ROUND() __asm__ volatile("" ::: "memory")

static void probe_fma_run(const void *args, char *const *bases, int tid, int nthreads)
{
    const struct probe_fma_args *a = args;
    double *y = RESOLVE(double, a->y);
    if (!a->rounds)
        return;
    vf factor = vset(a->factor), addend = vset(a->addend), chains[CHAINS];
    for (int i = 0; i < CHAINS; i++)
        chains[i] = vset(i);
    for (int64_t round = 0; round < a->rounds; round++) {
#pragma GCC unroll 24
        for (int i = 0; i < CHAINS; i++)
            chains[i] = chains[i] * factor + addend;
    }
    double sum = 0;
    for (int i = 0; i < CHAINS; i++)
        for (int lane = 0; lane < VF; lane++)
            sum += chains[i][lane];
    y[tid] = sum;
}

static void probe_read_run(const void *args, char *const *bases, int tid, int nthreads)
{
    const struct probe_read_args *a = args;
    const float *x = RESOLVE(const float, a->x) + tid * a->count;
    double *y = RESOLVE(double, a->y);
    vf streams[STREAMS] = {};
    for (int64_t round = 0; round < a->rounds; round++) {
        for (int64_t i = 0; i + STREAMS * VF <= a->count; i += STREAMS * VF) {
#pragma GCC unroll 8
            for (int s = 0; s < STREAMS; s++)
                streams[s] += vload(x + i + s * VF);
        }
        NEW_ROUND();
    }
    double sum = 0;
    for (int s = 0; s < STREAMS; s++)
        for (int lane = 0; lane < VF; lane++)
            sum += streams[s][lane];
    y[tid] = sum;
}

static void probe_write_run(const void *args, char *const *bases, int tid, int nthreads)
{
    const struct probe_write_args *a = args;
    float *y = RESOLVE(float, a->y) + tid * a->count;
    vf value = vset(a->value);
    for (int64_t round = 0; round < a->rounds; round++) {
        for (int64_t i = 0; i + STREAMS * VF <= a->count; i += STREAMS * VF) {
#pragma GCC unroll 8
            for (int s = 0; s < STREAMS; s++)
                vstore(y + i + s * VF, value);
        }
        NEW_ROUND();
    }
}

static void probe_copy_run(const void *args, char *const *bases, int tid, int nthreads)
{
    const struct probe_copy_args *a = args;
    const float *x = RESOLVE(const float, a->x) + tid * a->count;
    float *y = RESOLVE(float, a->y) + tid * a->count;
    for (int64_t round = 0; round < a->rounds; round++) {
        for (int64_t i = 0; i + STREAMS * VF <= a->count; i += STREAMS * VF) {
#pragma GCC unroll 8
            for (int s = 0; s < STREAMS; s++)
                vstore(y + i + s * VF, vload(x + i + s * VF));
        }
        NEW_ROUND();
    }
}

static const struct kernel kernels[] = {
    KERNEL("f32_probe_fma", probe_fma_run, NULL, probe_fma_args),
    KERNEL("f32_probe_read", probe_read_run, NULL, probe_read_args),
    KERNEL("f32_probe_write", probe_write_run, NULL, probe_write_args),
    KERNEL("f32_probe_copy", probe_copy_run, NULL, probe_copy_args),
};
FAMILY(probe, kernels)
