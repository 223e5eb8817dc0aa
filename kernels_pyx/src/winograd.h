/* One-dimensional Winograd transforms F(m, 3) on vectors, for m = 2, 4, 6 outputs from m + 2 inputs.
 *
 * Interpolation points 0, 1, -1 | 2, -2 | 1/2, -1/2 and infinity.  kernels_pyx/packing.py has the filters' side. */
#ifndef PLAIT_WINOGRAD_H
#define PLAIT_WINOGRAD_H

#include "element.h"

/* r = B^T d */
INLINE void winograd_input(int m, const vf *d, vf *r)
{
    if (m == 2) {
        r[0] = d[0] - d[2];
        r[1] = d[1] + d[2];
        r[2] = d[2] - d[1];
        r[3] = d[3] - d[1];
    } else if (m == 4) {
        vf even = d[4] - 4.0f * d[2], odd = d[3] - 4.0f * d[1];
        vf even2 = d[4] - d[2], odd2 = 2.0f * (d[3] - d[1]);
        r[0] = 4.0f * d[0] - 5.0f * d[2] + d[4];
        r[1] = even + odd;
        r[2] = even - odd;
        r[3] = even2 + odd2;
        r[4] = even2 - odd2;
        r[5] = 4.0f * d[1] - 5.0f * d[3] + d[5];
    } else {
        vf even = d[2] - 4.25f * d[4] + d[6], odd = d[1] - 4.25f * d[3] + d[5];
        vf even2 = 0.25f * d[2] - 1.25f * d[4] + d[6], odd2 = 0.5f * d[1] - 2.5f * d[3] + 2.0f * d[5];
        vf even3 = 4.0f * d[2] - 5.0f * d[4] + d[6], odd3 = 2.0f * d[1] - 2.5f * d[3] + 0.5f * d[5];
        r[0] = d[0] - d[6] + 5.25f * (d[4] - d[2]);
        r[1] = even + odd;
        r[2] = even - odd;
        r[3] = even2 + odd2;
        r[4] = even2 - odd2;
        r[5] = even3 + odd3;
        r[6] = even3 - odd3;
        r[7] = d[7] - d[1] + 5.25f * (d[3] - d[5]);
    }
}

/* s = A^T p */
INLINE void winograd_output(int m, const vf *p, vf *s)
{
    vf plus = p[1] + p[2], minus = p[1] - p[2];
    if (m == 2) {
        s[0] = p[0] + plus;
        s[1] = minus + p[3];
    } else if (m == 4) {
        vf plus2 = p[3] + p[4], minus2 = p[3] - p[4];
        s[0] = p[0] + plus + plus2;
        s[1] = minus + 2.0f * minus2;
        s[2] = plus + 4.0f * plus2;
        s[3] = minus + 8.0f * minus2 + p[5];
    } else {
        vf plus2 = p[3] + p[4], minus2 = p[3] - p[4], plus3 = p[5] + p[6], minus3 = p[5] - p[6];
        s[0] = p[0] + plus + plus2 + plus3;
        s[1] = minus + 2.0f * minus2 + 0.5f * minus3;
        s[2] = plus + 4.0f * plus2 + 0.25f * plus3;
        s[3] = minus + 8.0f * minus2 + 0.125f * minus3;
        s[4] = plus + 16.0f * plus2 + 0.0625f * plus3;
        s[5] = minus + 32.0f * minus2 + 0.03125f * minus3 + p[7];
    }
}

/* One vector of channels of a patch of (m + 2)^2 inputs, to the positions v[0], v[position], ... */
INLINE void winograd_input_tile(int m, const element *x, int64_t row, int64_t column, float *v, int64_t position)
{
    enum { MOST = 8 };
    int size = m + 2;
    vf half[MOST * MOST], d[MOST], r[MOST];
    for (int j = 0; j < size; j++) {
#pragma GCC unroll 8
        for (int i = 0; i < size; i++)
            d[i] = eload(x + i * row + j * column);
        winograd_input(m, d, r);
#pragma GCC unroll 8
        for (int i = 0; i < size; i++)
            half[i * MOST + j] = r[i];
    }
    for (int i = 0; i < size; i++) {
        winograd_input(m, half + i * MOST, r);
#pragma GCC unroll 8
        for (int j = 0; j < size; j++)
            vstore(v + (i * size + j) * position, r[j]);
    }
}

/* One vector of channels of the m x m results of a tile, from its products at p[0], p[position], ... */
INLINE void winograd_output_tile(int m, const float *p, int64_t position, vf *y)
{
    enum { MOST = 8 };
    int size = m + 2;
    vf half[MOST * MOST], d[MOST], s[MOST];
    for (int j = 0; j < size; j++) {
#pragma GCC unroll 8
        for (int i = 0; i < size; i++)
            d[i] = vload(p + (i * size + j) * position);
        winograd_output(m, d, s);
#pragma GCC unroll 8
        for (int i = 0; i < m; i++)
            half[i * MOST + j] = s[i];
    }
    for (int i = 0; i < m; i++)
        winograd_output(m, half + i * MOST, y + i * m);
}

#endif
