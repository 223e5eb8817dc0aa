/* The greatest speed of dot products (quant.h, bf16.h), to compare kernels with (probe.c has the other limits).
 *
 * Each thread keeps CHAINS independent accumulators; one round adds the products of a dot to each lane of each.  y[tid], a
 * double, is the sum of all lanes: with x and w 1, the number of products.  What includes this has defined the type
 * `chain` of an accumulator. */
#ifndef PLAIT_PROBE_DOT_H
#define PLAIT_PROBE_DOT_H

#include "isa.h"

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

INLINE void probe_chains(const struct probe_dot *a, char *const *bases, int tid, dot_pixel x, dot_weights w)
{
    chain chains[CHAINS];
    for (int i = 0; i < CHAINS; i++)
        chains[i] = (chain){};
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
    RESOLVE(double, a->y)[tid] = sum;
}

#endif
