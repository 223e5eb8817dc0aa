/* Kernels that are wrong, in builds with -Dplanted_bugs=true alone: the sanitizers must report them
 * (tests/kernels/test_sanitizers.py). */
#include "isa.h"

#define PLANTED_FIELDS(X, S) X(S, REF, y) X(S, INT, count)
KERNEL_ARGS(planted, PLANTED_FIELDS)

/* Writes one float more than `count`. */
static void planted_write(const void *args, char *const *bases, int tid, int nthreads)
{
    const struct planted *a = args;
    float *y = RESOLVE(float, a->y);
    for (int64_t i = 0; i <= a->count; i++)
        y[i] = 0;
}

/* Reads whole vectors, beyond the end where `count` is none of them. */
static void planted_read(const void *args, char *const *bases, int tid, int nthreads)
{
    const struct planted *a = args;
    float *y = RESOLVE(float, a->y), sum = 0;
    for (int64_t i = 0; i < a->count; i += VF)
        sum += vsum(vload(y + i));
    y[0] = sum;
}

/* The same with partial vectors, which are masked instructions in builds without sanitizers. */
static void planted_read_part(const void *args, char *const *bases, int tid, int nthreads)
{
    const struct planted *a = args;
    float *y = RESOLVE(float, a->y), sum = 0;
    for (int64_t i = 0; i <= a->count; i += VF)
        sum += vsum(vload_part(y + i, min64(VF, a->count + 1 - i)));
    y[0] = sum;
}

static void planted_write_part(const void *args, char *const *bases, int tid, int nthreads)
{
    const struct planted *a = args;
    float *y = RESOLVE(float, a->y);
    for (int64_t i = 0; i <= a->count; i += VF)
        vstore_part(y + i, vzero(), min64(VF, a->count + 1 - i));
}

static void planted_overflow(const void *args, char *const *bases, int tid, int nthreads)
{
    const struct planted *a = args;
    RESOLVE(float, a->y)[0] = (float)(a->count + INT64_MAX);
}

static const struct kernel kernels[] = {
    KERNEL("planted_write", planted_write, NULL, planted),
    KERNEL("planted_read", planted_read, NULL, planted),
    KERNEL("planted_read_part", planted_read_part, NULL, planted),
    KERNEL("planted_write_part", planted_write_part, NULL, planted),
    KERNEL("planted_overflow", planted_overflow, NULL, planted),
};
FAMILY(planted, kernels)
