/* bf16_probe_dot: two products of bfloat16 to a lane. */
#include "dot_bf16.h"

typedef vf chain;
#include "probe_dot.h"

static void probe_dot_run(const void *args, char *const *bases, int tid, int nthreads)
{
    const struct probe_dot *a = args;
    uint16_t x[2], w[VF * 2];
    bf16_narrow(x, (const float[]){(float)a->x, (float)a->x}, 2);
    bf16_narrow(w, &(const float){(float)a->w}, 1);
    for (int i = 1; i < VF * 2; i++)
        w[i] = w[0];
    probe_chains(a, bases, tid, dot_broadcast((const uint8_t *)x), dot_load((const int8_t *)w));
}

static const struct kernel kernels[] = {
    KERNEL("bf16_probe_dot", probe_dot_run, NULL, probe_dot),
};
FAMILY(probe_bf16, kernels)
