/* A persistent pool of threads that enter a job together and meet at barriers inside it. */
#ifndef PLAIT_POOL_H
#define PLAIT_POOL_H

#include <stdint.h>

struct pool;

/* Every thread of the job calls this, thread 0 being the caller of pool_run. */
typedef void pool_job(void *argument, int tid, int nthreads, struct pool *pool);

/* The process's pool of that many threads; created at first use, and anew in a forked child.  NULL: no memory or no
 * thread to be had.  One thread needs no pool: pool_run(NULL, ...) calls the job directly. */
struct pool *pool_get(int nthreads);
void pool_run(struct pool *pool, pool_job *job, void *argument);
void pool_barrier(struct pool *pool, int tid);

/* The same; returns the time in ns at which it opened, which is one time for all threads (now, for one thread). */
int64_t pool_timed_barrier(struct pool *pool, int tid);
/* Joins all threads of all pools; later pool_get calls start again. */
void pool_shutdown(void);

#endif
