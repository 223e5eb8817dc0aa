/* The executor: all threads enter once per run and meet at a barrier after each op. */
#define _GNU_SOURCE
#include "plan.h"
#include "pool.h"

#include <time.h>

static int64_t now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static void flush_caches(const struct plan_run *run, int tid, int nthreads)
{
    int64_t share = run->flush_bytes / nthreads;
    volatile char *part = run->flush + tid * share;
    for (int64_t i = 0; i < share; i += 64)
        part[i]++;
}

static void run_job(void *argument, int tid, int nthreads, struct pool *pool)
{
    struct plan_run *run = argument;
    int64_t count = run->last - run->first;
    int timed = tid == 0;
    for (int64_t repeat = 0; repeat < run->repeats; repeat++) {
        if (run->flush)
            flush_caches(run, tid, nthreads);
        if (run->flush || run->repeat_ns)
            pool_barrier(pool);
        int64_t begin = timed && run->repeat_ns ? now_ns() : 0;
        int64_t before = timed && run->op_ns ? now_ns() : 0;
        for (int64_t i = 0; i < count; i++) {
            const struct op *op = &run->ops[run->first + i];
            op->run(op->args, run->bases, tid, nthreads);
            pool_barrier(pool);
            if (timed && run->op_ns) {
                int64_t after = now_ns();
                run->op_ns[repeat * count + i] = after - before;
                before = after;
            }
        }
        if (timed && run->repeat_ns)
            run->repeat_ns[repeat] = now_ns() - begin;
    }
}

int plan_run(struct plan_run *run, int nthreads)
{
    struct pool *pool = pool_get(nthreads);
    if (!pool && nthreads > 1)
        return -1;
    pool_run(pool, run_job, run);
    return 0;
}
