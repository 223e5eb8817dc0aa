/* Thread pool: bounded spin, then sleep.
 *
 * Spinning alone collapses when a core is taken away (a 1 ms layer takes 40 ms), sleeping alone costs microseconds per
 * op.  So both waits, for a job and at a barrier, spin a bounded number of times, then sleep on a futex; a barrier
 * between two awake threads costs tens of nanoseconds.
 *
 * There is no sched_yield on the way: beside other processes each one gives away a whole time slice.  Measured, with
 * MobileNetV2 on two threads of two cores and as many busy processes: 122 ms a run with up to 1000 yields before the
 * sleep, 7 ms without.  Two threads on one core are parted after SPINS instead (keep_apart). */
#define _GNU_SOURCE
#include "pool.h"
#include "clock.h"

#include <linux/futex.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { MAX_THREADS = 256, SPINS = 500, MORE_SPINS = 10000, CACHE_LINE = 64 };

/* A word that threads wait on to change. */
struct event {
    _Alignas(CACHE_LINE) _Atomic uint32_t value;
    _Atomic int32_t sleepers;
};

struct pool {
    int nthreads;
    pthread_mutex_t use; /* one job at a time */
    pool_job *job;
    void *argument;
    struct event started;  /* counts jobs */
    struct event released; /* counts barriers */
    _Alignas(CACHE_LINE) _Atomic int32_t arrived;
    int64_t released_ns; /* when the last timed barrier opened */
    _Atomic int stop;
    int workers;
    struct {
        _Alignas(CACHE_LINE) _Atomic int number;
    } core[MAX_THREADS]; /* where each thread was last seen */
    pthread_t threads[MAX_THREADS];
    struct worker {
        struct pool *pool;
        int tid;
        uint32_t seen;
    } worker[MAX_THREADS];
};

static struct pool *pools[MAX_THREADS + 1];
static pthread_mutex_t pools_lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_once_t fork_handler = PTHREAD_ONCE_INIT;

static inline void cpu_relax(void)
{
#if defined __x86_64__
    __builtin_ia32_pause();
#endif
}

/* Two threads on one core wait for each other at every barrier, and the scheduler may leave them there for seconds
 * though another core is idle.  So threads note where they run whenever they enter a job or a barrier, and one that has
 * waited long on the core of another moves to a core that nobody noted.  It is a nudge, not a
 * pin: all cores are allowed again at once. */
static void note_core(struct pool *pool, int tid)
{
    atomic_store_explicit(&pool->core[tid].number, sched_getcpu(), memory_order_relaxed);
}

static void keep_apart(struct pool *pool, int tid)
{
    cpu_set_t allowed, free, one;
    int here = sched_getcpu(), met = 0, core = 0;
    for (int other = 0; other < pool->nthreads; other++)
        met |= other != tid && atomic_load_explicit(&pool->core[other].number, memory_order_relaxed) == here;
    if (!met || sched_getaffinity(0, sizeof allowed, &allowed) || CPU_COUNT(&allowed) < pool->nthreads)
        return;
    free = allowed;
    for (int other = 0; other < pool->nthreads; other++)
        CPU_CLR(atomic_load_explicit(&pool->core[other].number, memory_order_relaxed), &free);
    while (core < CPU_SETSIZE && !CPU_ISSET(core, &free))
        core++;
    if (core == CPU_SETSIZE)
        return;
    CPU_ZERO(&one);
    CPU_SET(core, &one);
    if (sched_setaffinity(0, sizeof one, &one) == 0)
        sched_setaffinity(0, sizeof allowed, &allowed);
    note_core(pool, tid);
}

/* Waits until the event is no longer `old`. */
static void event_wait(struct event *event, uint32_t old, struct pool *pool, int tid)
{
    for (int i = 0; i < SPINS; i++) {
        if (atomic_load_explicit(&event->value, memory_order_acquire) != old)
            return;
        cpu_relax();
    }
    keep_apart(pool, tid);
    for (int i = 0; i < MORE_SPINS; i++) {
        if (atomic_load_explicit(&event->value, memory_order_acquire) != old)
            return;
        cpu_relax();
    }
    atomic_fetch_add(&event->sleepers, 1);
    while (atomic_load(&event->value) == old)
        syscall(SYS_futex, &event->value, FUTEX_WAIT_PRIVATE, old, NULL, NULL, 0);
    atomic_fetch_sub(&event->sleepers, 1);
}

/* Sequentially consistent on purpose: either the sleeper sees the new value, or we see the sleeper. */
static void event_advance(struct event *event)
{
    atomic_fetch_add(&event->value, 1);
    if (atomic_load(&event->sleepers) > 0)
        syscall(SYS_futex, &event->value, FUTEX_WAKE_PRIVATE, MAX_THREADS, NULL, NULL, 0);
}

static inline void barrier(struct pool *pool, int tid, int stamped)
{
    uint32_t round = atomic_load_explicit(&pool->released.value, memory_order_relaxed);
    note_core(pool, tid);
    if (atomic_fetch_add(&pool->arrived, 1) + 1 == pool->nthreads) {
        atomic_store_explicit(&pool->arrived, 0, memory_order_relaxed);
        if (stamped)
            pool->released_ns = clock_ns();
        event_advance(&pool->released);
    } else {
        event_wait(&pool->released, round, pool, tid);
    }
}

void pool_barrier(struct pool *pool, int tid)
{
    if (pool)
        barrier(pool, tid, 0);
}

int64_t pool_timed_barrier(struct pool *pool, int tid)
{
    if (!pool)
        return clock_ns();
    barrier(pool, tid, 1);
    /* The next round cannot overwrite this before every thread has arrived there. */
    return pool->released_ns;
}

static void *worker_main(void *argument)
{
    struct worker *self = argument;
    struct pool *pool = self->pool;
    for (;;) {
        event_wait(&pool->started, self->seen, pool, self->tid);
        self->seen++;
        if (atomic_load(&pool->stop))
            return NULL;
        note_core(pool, self->tid);
        pool->job(pool->argument, self->tid, pool->nthreads, pool);
        pool_barrier(pool, self->tid);
    }
}

void pool_run(struct pool *pool, pool_job *job, void *argument)
{
    if (!pool) {
        job(argument, 0, 1, NULL);
        return;
    }
    pthread_mutex_lock(&pool->use);
    pool->job = job;
    pool->argument = argument;
    note_core(pool, 0);
    event_advance(&pool->started);
    job(argument, 0, pool->nthreads, pool);
    pool_barrier(pool, 0);
    pthread_mutex_unlock(&pool->use);
}

static void pool_free(struct pool *pool)
{
    pthread_mutex_lock(&pool->use);
    atomic_store(&pool->stop, 1);
    event_advance(&pool->started);
    for (int i = 0; i < pool->workers; i++)
        pthread_join(pool->threads[i], NULL);
    pthread_mutex_unlock(&pool->use);
    pthread_mutex_destroy(&pool->use);
    free(pool);
}

/* Threads do not survive a fork.  Their stacks and pool records are left behind: nobody knows in what state. */
static void forget_pools(void)
{
    for (int i = 0; i <= MAX_THREADS; i++)
        pools[i] = NULL;
    pthread_mutex_init(&pools_lock, NULL);
}

static void install_fork_handler(void)
{
    pthread_atfork(NULL, NULL, forget_pools);
}

static struct pool *pool_create(int nthreads)
{
    struct pool *pool = aligned_alloc(CACHE_LINE, (sizeof *pool + CACHE_LINE - 1) / CACHE_LINE * CACHE_LINE);
    if (!pool)
        return NULL;
    *pool = (struct pool){.nthreads = nthreads};
    pthread_mutex_init(&pool->use, NULL);
    for (int i = 0; i < nthreads - 1; i++) {
        pool->worker[i] = (struct worker){pool, i + 1, 0};
        if (pthread_create(&pool->threads[i], NULL, worker_main, &pool->worker[i])) {
            pool_free(pool);
            return NULL;
        }
        pool->workers++;
    }
    return pool;
}

struct pool *pool_get(int nthreads)
{
    if (nthreads <= 1 || nthreads > MAX_THREADS)
        return NULL;
    pthread_once(&fork_handler, install_fork_handler);
    pthread_mutex_lock(&pools_lock);
    if (!pools[nthreads])
        pools[nthreads] = pool_create(nthreads);
    struct pool *pool = pools[nthreads];
    pthread_mutex_unlock(&pools_lock);
    return pool;
}

void pool_shutdown(void)
{
    pthread_mutex_lock(&pools_lock);
    for (int i = 0; i <= MAX_THREADS; i++) {
        if (pools[i])
            pool_free(pools[i]);
        pools[i] = NULL;
    }
    pthread_mutex_unlock(&pools_lock);
}
