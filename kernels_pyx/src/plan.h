/* A plan: an array of kernel calls, run in one go by all threads of a pool. */
#ifndef PLAIT_PLAN_H
#define PLAIT_PLAN_H

#include "plait.h"

struct op {
    kernel_function *run;
    void *args;
};

/* One run of ops [first, last); everything a run needs, so that a plan itself is never written to. */
struct plan_run {
    const struct op *ops;
    int64_t first, last;
    char **bases;
    int dynamic; /* 0: each thread does its own share of every op and no more (chunks.h) */
    int64_t repeats;
    int64_t *op_ns;      /* NULL, or one time per op of the range, per repeat */
    int64_t *repeat_ns;  /* NULL, or one time per repeat for the whole range */
    int64_t *stamps;     /* NULL, or [repeat][op][thread][2]: when a thread began an op, and when it was done with it */
    char *flush;         /* NULL, or a buffer larger than the caches, walked before each repeat */
    int64_t flush_bytes;
};

/* Bring `bytes` from every cache back to memory, where the processor has an instruction for that. */
void evict(const char *data, int64_t bytes);

/* 0, or -1 when the threads could not be had. */
int plan_run(struct plan_run *run, int nthreads);

#endif
