/* Reading or writing an image, part by part: what moving data between the caches of cores costs is measured with it.
 *
 * The image is [outer][rows][columns][lanes] floats (NCHW: outer c, lanes 1; NHWC: outer 1, lanes c; NCHW16c: outer
 * c / 16, lanes 16).  By rows and by channels each thread touches its part; otherwise every thread touches all.  With
 * `write` each element becomes 1, else a thread stores the sum of what it saw at sums[16 * tid]. */
#include "isa.h"

#define TOUCH_FIELDS(X, S)                                                                              \
    X(S, REF, x) X(S, REF, sums) X(S, INT, outer) X(S, INT, rows) X(S, INT, columns) X(S, INT, lanes) \
    SPLIT_FIELD(X, S) X(S, INT, write)
KERNEL_ARGS(touch, TOUCH_FIELDS)

static float touch_run(float *x, int64_t count, int write)
{
    vf s0 = vzero(), s1 = vzero(), one = vset(1.0f);
    int64_t i = 0;
    for (; i + 2 * VF <= count; i += 2 * VF) {
        if (write) {
            vstore(x + i, one);
            vstore(x + i + VF, one);
        } else {
            s0 += vload(x + i);
            s1 += vload(x + i + VF);
        }
    }
    float sum = vsum(s0 + s1);
    for (; i < count; i++) {
        if (write)
            x[i] = 1.0f;
        else
            sum += x[i];
    }
    return sum;
}

static void touch(const void *args, char *const *bases, int tid, int nthreads)
{
    const struct touch *a = args;
    float *x = RESOLVE(float, a->x), sum = 0;
    struct range outer = {0, a->outer}, rows = {0, a->rows}, lanes = {0, a->lanes};
    if (a->split == SPLIT_ROWS)
        rows = share(a->rows, tid, nthreads);
    else if (a->split == SPLIT_CHANNELS && a->outer > 1)
        outer = share(a->outer, tid, nthreads);
    else if (a->split == SPLIT_CHANNELS)
        lanes = share(a->lanes, tid, nthreads);
    int whole = lanes.end - lanes.begin == a->lanes;
    int64_t pieces = whole ? 1 : a->columns, length = whole ? a->columns * a->lanes : lanes.end - lanes.begin;
    for (int64_t o = outer.begin; o < outer.end; o++)
        for (int64_t r = rows.begin; r < rows.end; r++)
            for (int64_t p = 0; p < pieces; p++)
                sum += touch_run(x + ((o * a->rows + r) * a->columns + p) * a->lanes + lanes.begin, length, a->write != 0);
    RESOLVE(float, a->sums)[BLOCK * tid] = sum;
}

static const struct kernel kernels[] = {
    KERNEL("f32_touch", touch, NULL, touch),
};
FAMILY(touch, kernels)
