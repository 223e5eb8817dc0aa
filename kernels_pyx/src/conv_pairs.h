/* Direct convolution whose steps multiply pairs of bfloat16: the tiles, which begin with the bias and end with the residual,
 * the activation and one rounding. */
#ifndef PLAIT_CONV_PAIRS_H
#define PLAIT_CONV_PAIRS_H

#include "conv.h"
#include "dot_bf16.h"

enum { TAP_PAIRS = 8 }; /* of a whole block */

#define conv_sum float
#define CONV_PIXEL_BYTES (BLOCK * 2)
#define CONV_ENDING struct epilogue e;
#if defined __AVX512BF16__ && VF == 16
#define CONV_TILES "conv_bf16_tiles_avx512vnni.h"
#elif VF == 16
#define CONV_TILES "conv_bf16_tiles_avx512.h"
#elif VF == 8
#define CONV_TILES "conv_bf16_tiles_avx2.h"
#else
#define CONV_TILES "conv_bf16_tiles_baseline.h"
#endif
#include "conv_steps.h"

#endif
