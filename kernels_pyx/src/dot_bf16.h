/* Products of pairs of bfloat16. */
#ifndef PLAIT_DOT_BF16_H
#define PLAIT_DOT_BF16_H

#include "bf16.h"
#include "broadcast.h"

/* Products of two numbers of a pixel with two weights of each of VF channels, added to float32:
 *     acc[c] += x[0] w[c][0] + x[1] w[c][1]
 * One instruction with AVX512-BF16, which takes subnormal numbers for zeros; else two multiply-adds of what is widened. */
#if defined __AVX512BF16__ && VF == 16
typedef vi dot_pixel, dot_weights;

INLINE dot_pixel dot_broadcast(const uint8_t *x)
{
    return broadcast_quad(x);
}

INLINE dot_weights dot_load(const int8_t *w)
{
    return (vi)vload((const float *)w);
}

INLINE vf dot(vf acc, dot_pixel x, dot_weights w)
{
    __asm__("vdpbf16ps %2, %1, %0" : "+v"(acc) : "v"(x), "v"(w));
    return acc;
}
#else
typedef struct {
    vf even, odd;
} dot_pixel, dot_weights;

INLINE dot_pixel dot_pair(vi v)
{
    return (dot_pixel){(vf)(v << 16), (vf)(v & (int32_t)0xffff0000)};
}

INLINE dot_pixel dot_broadcast(const uint8_t *x)
{
    return dot_pair(*(const quad *)x - (vi){});
}

INLINE dot_weights dot_load(const int8_t *w)
{
    return dot_pair((vi)vload((const float *)w));
}

INLINE vf dot(vf acc, dot_pixel x, dot_weights w)
{
    acc += x.even * w.even;
    acc += x.odd * w.odd;
    return acc;
}
#endif

#endif
