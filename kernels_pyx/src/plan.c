/* The executor: all threads enter once per run and meet at a barrier after each op. */
#define _GNU_SOURCE
#include "plan.h"
#include "chunks.h"
#include "clock.h"
#include "pool.h"

#include <string.h>

static void flush_caches(const struct plan_run *run, int tid, int nthreads)
{
    int64_t share = run->flush_bytes / nthreads;
    volatile char *part = run->flush + tid * share;
    for (int64_t i = 0; i < share; i += 64)
        part[i]++;
}

static void run_stamped(const struct op *op, char *const *bases, int tid, int nthreads, int64_t *stamps)
{
    stamps[2 * tid] = clock_ns();
    op->run(op->args, bases, tid, nthreads);
    stamps[2 * tid + 1] = clock_ns();
}

void evict(const char *data, int64_t bytes)
{
#if defined __x86_64__
    for (int64_t i = 0; i < bytes; i += 64)
        __builtin_ia32_clflush(data + i);
    __builtin_ia32_mfence();
#else
    (void)data, (void)bytes;
#endif
}

static void run_job(void *argument, int tid, int nthreads, struct pool *pool)
{
    struct plan_run *run = argument;
    int64_t count = run->last - run->first;
    int by_op = run->op_ns != NULL, timed = by_op || run->repeat_ns;
    for (int64_t repeat = 0; repeat < run->repeats; repeat++) {
        if (run->flush)
            flush_caches(run, tid, nthreads);
        /* Times are those at which barriers open: a thread that wakes late has seen neither the start nor the end. */
        int64_t begin = timed ? pool_timed_barrier(pool, tid) : 0, before = begin;
        for (int64_t i = 0; i < count; i++) {
            const struct op *op = &run->ops[run->first + i];
            if (run->stamps)
                run_stamped(op, run->bases, tid, nthreads, run->stamps + (repeat * count + i) * nthreads * 2);
            else
                op->run(op->args, run->bases, tid, nthreads);
            if (!by_op && !(timed && i + 1 == count)) {
                pool_barrier(pool, tid);
                continue;
            }
            int64_t after = pool_timed_barrier(pool, tid);
            if (by_op && tid == 0)
                run->op_ns[repeat * count + i] = after - before;
            before = after;
        }
        if (run->repeat_ns && tid == 0)
            run->repeat_ns[repeat] = before - begin;
    }
}

int plan_run(struct plan_run *run, int nthreads)
{
    struct claim claims[nthreads];
    struct pool *pool = pool_get(nthreads);
    if (!pool && nthreads > 1)
        return -1;
    memset(claims, 0, sizeof claims);
    run->bases[BASE_CLAIMS] = run->dynamic ? (char *)claims : NULL;
    pool_run(pool, run_job, run);
    return 0;
}
