/* Runs the pool and the executor under ThreadSanitizer: `pool_harness SCENARIO`; exit status 0 when all results are right.
 *
 * Built by test_pool.py from this file, pool.c and plan.c.  -DPLANTED_RACE makes one op count without care, which must
 * be reported. */
#define _GNU_SOURCE
#include "chunks.h"
#include "plan.h"
#include "pool.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { LENGTH = 240, OPS = 12, CHUNKS = 9, MOST_THREADS = 8 };

/* What the ops of one run work on: bases[BASE_EXTERNAL]. */
struct data {
    int value[LENGTH];                    /* each op adds one */
    int taken[OPS][MOST_THREADS][CHUNKS]; /* how often each chunk was done; not atomic on purpose */
    int by_others[MOST_THREADS];          /* chunks that a thread took of others */
    int careless;
    int slow; /* the thread that sleeps in each chunk; -1: none */
};

struct args {
    int op;
};

/* Threads change places from op to op, so that every op reads what another thread wrote in the one before. */
static void add_one(const void *argument, char *const *bases, int tid, int nthreads)
{
    const struct args *a = argument;
    struct data *d = (struct data *)bases[BASE_EXTERNAL];
    int part = (tid + a->op) % nthreads;
    for (int i = LENGTH * part / nthreads; i < LENGTH * (part + 1) / nthreads; i++)
        d->value[i]++;
#ifdef PLANTED_RACE
    d->careless++;
#endif
}

/* Shares have CHUNKS chunks, those of odd threads one less. */
static void add_one_by_chunks(const void *argument, char *const *bases, int tid, int nthreads)
{
    const struct args *a = argument;
    struct data *d = (struct data *)bases[BASE_EXTERNAL];
    struct chunks c = chunks_begin(bases[BASE_CLAIMS], tid, nthreads, CHUNKS);
    for (int64_t chunk; (chunk = chunk_take(&c)) >= 0;) {
        int count = CHUNKS - c.owner % 2;
        if (chunk >= count)
            continue;
        d->taken[a->op][c.owner][chunk]++;
        d->by_others[tid] += c.owner != tid;
        int begin = LENGTH * c.owner / nthreads, size = LENGTH * (c.owner + 1) / nthreads - begin;
        for (int64_t i = begin + size * chunk / count; i < begin + size * (chunk + 1) / count; i++)
            d->value[i]++;
        if (tid == d->slow)
            usleep(2000);
    }
}

static const struct args numbers[OPS] = {{0}, {1}, {2}, {3}, {4}, {5}, {6}, {7}, {8}, {9}, {10}, {11}};

/* One run of alternating ops; the number of things that went wrong. */
static int run_once(struct data *d, int nthreads, int dynamic, int64_t repeats, int64_t *op_ns)
{
    struct op ops[OPS];
    char *bases[BASE_EXTERNAL + 1] = {0};
    int64_t *repeat_ns = op_ns ? op_ns + repeats * OPS : NULL;
    for (int i = 0; i < OPS; i++)
        ops[i] = (struct op){i % 3 ? add_one_by_chunks : add_one, (void *)&numbers[i]};
    int slow = d->slow;
    memset(d, 0, sizeof *d);
    d->slow = slow;
    bases[BASE_EXTERNAL] = (char *)d;
    struct plan_run run = {.ops = ops, .first = 0, .last = OPS, .bases = bases, .dynamic = dynamic,
                           .repeats = repeats, .op_ns = op_ns, .repeat_ns = repeat_ns};
    if (plan_run(&run, nthreads))
        return 1;
    int wrong = 0;
    for (int i = 0; i < LENGTH; i++)
        wrong += d->value[i] != OPS * repeats;
    for (int op = 0; op < OPS; op++)
        for (int owner = 0; owner < nthreads; owner++)
            for (int chunk = 0; op % 3 && chunk < CHUNKS - owner % 2; chunk++)
                wrong += d->taken[op][owner][chunk] != repeats;
    return wrong;
}

static int many_runs(int nthreads, int times)
{
    struct data d = {.slow = -1};
    int wrong = 0;
    for (int i = 0; i < times; i++)
        wrong += run_once(&d, nthreads, i % 4 != 0, 1 + i % 3, NULL);
    return wrong;
}

static int runs(void)
{
    return many_runs(1, 20) + many_runs(2, 300) + many_runs(5, 50);
}

static int slow_thread(void)
{
    int wrong = 0;
    for (int slow = 0; slow < 3; slow++) {
        struct data d = {.slow = slow};
        wrong += run_once(&d, 3, 1, 1, NULL);
        int others = d.by_others[0] + d.by_others[1] + d.by_others[2];
        wrong += others == 0; /* it sleeps at least 2 ms in each of 60 chunks: the others must take some */
        wrong += run_once(&d, 3, 0, 1, NULL);
        wrong += d.by_others[0] + d.by_others[1] + d.by_others[2] != 0;
    }
    return wrong;
}

static int timed(void)
{
    struct data d = {.slow = -1};
    int64_t ns[(OPS + 1) * 5];
    int wrong = 0;
    for (int times = 0; times < 50; times++) {
        wrong += run_once(&d, 3, 1, 5, ns);
        for (int repeat = 0; repeat < 5; repeat++) {
            int64_t sum = 0;
            for (int op = 0; op < OPS; op++)
                sum += ns[repeat * OPS + op];
            wrong += sum != ns[5 * OPS + repeat];
        }
    }
    return wrong;
}

static void *caller(void *argument)
{
    int *answer = argument;
    *answer = many_runs(*answer, 60);
    return NULL;
}

/* Callers with these numbers of threads, at once. */
static int call_at_once(const int *nthreads, int count)
{
    pthread_t threads[16];
    int answers[16], wrong = 0;
    for (int i = 0; i < count; i++) {
        answers[i] = nthreads[i];
        if (pthread_create(&threads[i], NULL, caller, &answers[i]))
            abort();
    }
    for (int i = 0; i < count; i++) {
        pthread_join(threads[i], NULL);
        wrong += answers[i];
    }
    return wrong;
}

static int callers(void)
{
    return call_at_once((const int[]){2, 2, 2, 2}, 4);
}

static int several_pools(void)
{
    return call_at_once((const int[]){1, 2, 3, 4, 3}, 5);
}

static int restart(void)
{
    int wrong = 0;
    for (int i = 0; i < 20; i++) {
        wrong += many_runs(2, 3) + many_runs(4, 3);
        if (i % 4 == 0)
            usleep(20000); /* the pool sleeps by then */
        pool_shutdown();
        if (i % 3 == 0)
            pool_shutdown();
    }
    return wrong;
}

static int fork_while_idle(void)
{
    int wrong = many_runs(2, 5) + many_runs(3, 5);
    for (int i = 0; i < 3; i++) {
        if (i == 2)
            usleep(50000);
        pid_t child = fork();
        if (child == 0)
            _exit(many_runs(2, 5) + many_runs(3, 5) ? 1 : 0);
        int status = -1;
        waitpid(child, &status, 0);
        wrong += status != 0;
        wrong += many_runs(2, 5);
    }
    return wrong;
}

static const struct {
    const char *name;
    int (*run)(void);
} scenarios[] = {
    {"runs", runs},       {"slow_thread", slow_thread},     {"timed", timed},     {"callers", callers},
    {"several_pools", several_pools}, {"restart", restart}, {"fork", fork_while_idle},
};

int main(int count, char **arguments)
{
    for (size_t i = 0; i < sizeof scenarios / sizeof scenarios[0]; i++) {
        if (count == 2 && strcmp(arguments[1], scenarios[i].name) == 0) {
            int wrong = scenarios[i].run();
            pool_shutdown();
            printf("%s: %d wrong\n", scenarios[i].name, wrong);
            return wrong ? 1 : 0;
        }
    }
    fprintf(stderr, "no such scenario\n");
    return 2;
}
