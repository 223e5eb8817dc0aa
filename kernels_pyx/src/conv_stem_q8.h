/* Rows of images of few channels, as stems of networks read them: NHWC bytes, made of plain NCHW or NHWC, bytes or floats
 * that are quantized. */
#ifndef PLAIT_CONV_STEM_Q8_H
#define PLAIT_CONV_STEM_Q8_H

#include "adapt_q8.h"
#include "conv_bands.h"

enum { STEM_RUN = 256 }; /* pixels of a row that are quantized before they are interleaved */

/* `count` pixels of three channels from rows of their own. */
static void interleave_3(uint8_t *to, const uint8_t *const rows[3], int64_t count)
{
    int64_t i = 0;
#if defined __AVX2__
#define FROM(c, at) ((at) % 3 == (c) ? (at) / 3 : 0x80)
#define FROM_4(c, at) FROM(c, at), FROM(c, at + 1), FROM(c, at + 2), FROM(c, at + 3)
#define FROM_16(c, at) {FROM_4(c, at), FROM_4(c, at + 4), FROM_4(c, at + 8), FROM_4(c, at + 12)}
#define FROM_ALL(c) {FROM_16(c, 0), FROM_16(c, 16), FROM_16(c, 32)}
    static const _Alignas(16) uint8_t from[3][3][16] = {FROM_ALL(0), FROM_ALL(1), FROM_ALL(2)};
    for (; i + 16 <= count; i += 16) {
        for (int part = 0; part < 3; part++) {
            __m128i bytes = _mm_setzero_si128();
            for (int c = 0; c < 3; c++)
                bytes = _mm_or_si128(bytes, _mm_shuffle_epi8(_mm_loadu_si128((const __m128i_u *)(rows[c] + i)),
                                                             *(const __m128i *)from[c][part]));
            _mm_storeu_si128((__m128i_u *)(to + 3 * i + 16 * part), bytes);
        }
    }
#endif
    for (; i < count; i++)
        for (int c = 0; c < 3; c++)
            to[3 * i + c] = rows[c][i];
}

/* Pixels from rows of their channels, `step` apart. */
static void interleave(uint8_t *to, const uint8_t *rows, int64_t step, int64_t channels, int64_t count)
{
    if (channels == 3) {
        const uint8_t *const three[3] = {rows, rows + step, rows + 2 * step};
        interleave_3(to, three, count);
        return;
    }
    for (int64_t c = 0; c < channels; c++)
        for (int64_t i = 0; i < count; i++)
            to[i * channels + c] = rows[c * step + i];
}

static void row_from_nchw(char *to, const char *x, const struct conv_shape *s, const struct conv_input *in,
                          int64_t block, int64_t row, int64_t columns)
{
    interleave((uint8_t *)to, (const uint8_t *)x + row * s->iw, s->ih * s->iw, in->unit, columns);
}

static void row_from_nhwc(char *to, const char *x, const struct conv_shape *s, const struct conv_input *in,
                          int64_t block, int64_t row, int64_t columns)
{
    memcpy(to, x + row * s->iw * in->unit, (size_t)(columns * in->unit));
}

/* The context of these is a struct quantize. */
static void row_from_float_nchw(char *to, const char *x, const struct conv_shape *s, const struct conv_input *in,
                                int64_t block, int64_t row, int64_t columns)
{
    enum { AT_ONCE = 3 };
    uint8_t bytes[AT_ONCE][STEM_RUN];
    for (int64_t first = 0; first < columns; first += STEM_RUN) {
        int64_t count = min64(STEM_RUN, columns - first);
        uint8_t *pixels = (uint8_t *)to + first * in->unit;
        for (int64_t c = 0; c < in->unit; c++) {
            const float *from = (const float *)x + (c * s->ih + row) * s->iw + first;
            quantize(in->context, bytes[c % AT_ONCE], from, count);
            if (in->unit != AT_ONCE)
                for (int64_t i = 0; i < count; i++)
                    pixels[i * in->unit + c] = bytes[c % AT_ONCE][i];
        }
        if (in->unit == AT_ONCE)
            interleave(pixels, bytes[0], STEM_RUN, AT_ONCE, count);
    }
}

static void row_from_float_nhwc(char *to, const char *x, const struct conv_shape *s, const struct conv_input *in,
                                int64_t block, int64_t row, int64_t columns)
{
    quantize(in->context, (uint8_t *)to, (const float *)x + row * s->iw * in->unit, columns * in->unit);
}

#endif
