/* q8_probe_dot: four products of bytes to a lane. */
#include "quant.h"

typedef vi chain;
#include "probe_dot.h"

static void probe_dot_run(const void *args, char *const *bases, int tid, int nthreads)
{
    const struct probe_dot *a = args;
    uint8_t bytes[4];
    int8_t weights[VF * 4];
    memset(bytes, (int)a->x, sizeof bytes);
    memset(weights, (int)a->w, sizeof weights);
    probe_chains(a, bases, tid, dot_broadcast(bytes), dot_load(weights));
}

static const struct kernel kernels[] = {
    KERNEL("q8_probe_dot", probe_dot_run, NULL, probe_dot),
};
FAMILY(probe_q8, kernels)
