/* The greatest speed of products of bytes, to compare integer kernels with (probe.c has the others).
 *
 * q8_probe_dot: each thread keeps CHAINS independent int32 accumulators; one round adds four products to each lane of
 * each.  y[tid], a double, is the sum of all lanes: with x and w 1, the number of products. */
#include "quant.h"

#define PROBE_DOT_FIELDS(X, S) X(S, REF, y) X(S, INT, x) X(S, INT, w) X(S, INT, rounds)
KERNEL_ARGS(probe_dot, PROBE_DOT_FIELDS)

enum { CHAINS = VF == 16 ? 24 : 8 };

/* Nothing is known of a vector after this, so that no product is taken out of the loop. */
#if defined __x86_64__ || defined __i386__
#define FORGET(v) __asm__("" : "+v"(v))
#elif defined __aarch64__
#define FORGET(v) __asm__("" : "+w"(v))
#else
#define FORGET(v) __asm__("" : "+m"(v))
#endif
#if defined __AVX512VNNI__ && VF == 16
#define FORGET_PIXEL(x) FORGET(x)
#else
#define FORGET_PIXEL(x) (void)({ FORGET((x).even); FORGET((x).odd); 0; })
#endif

static void probe_dot_run(const void *args, char *const *bases, int tid, int nthreads)
{
    const struct probe_dot *a = args;
    double *y = RESOLVE(double, a->y);
    uint8_t bytes[4];
    int8_t weights[VF * 4];
    memset(bytes, (int)a->x, sizeof bytes);
    memset(weights, (int)a->w, sizeof weights);
    dot_pixel x = dot_broadcast(bytes);
    dot_weights w = dot_load(weights);
    vi chains[CHAINS];
    for (int i = 0; i < CHAINS; i++)
        chains[i] = viset(0);
    for (int64_t round = 0; round < a->rounds; round++) {
#pragma GCC unroll 24
        for (int i = 0; i < CHAINS; i++) {
            FORGET_PIXEL(x);
            chains[i] = dot(chains[i], x, w);
        }
    }
    double sum = 0;
    for (int i = 0; i < CHAINS; i++)
        for (int lane = 0; lane < VF; lane++)
            sum += chains[i][lane];
    y[tid] = sum;
}

static const struct kernel kernels[] = {
    KERNEL("q8_probe_dot", probe_dot_run, NULL, probe_dot),
};
FAMILY(probe_q8, kernels)
