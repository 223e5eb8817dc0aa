/* What images are made of: float32, or bfloat16 where PLAIT_BF16 is defined, or float16 where PLAIT_F16 is (meson.build
 * compiles some sources so once more).  Of both there are blocks only, and PLAIT_NARROW is defined.  Either way vectors are float32, and so are sums, biases and filters that are not said to be elements. */
#ifndef PLAIT_ELEMENT_H
#define PLAIT_ELEMENT_H

#include "act.h"

#if defined PLAIT_BF16 || defined PLAIT_F16
#define PLAIT_NARROW
#undef PLAIN /* blocks of channels only */
#define PLAIN(...)
typedef uint16_t element;
enum { NARROW = 1 };
#ifdef PLAIT_BF16
#include "bf16.h"
#define ELEMENT "bf16"
#define NARROW_(function) bf16_##function
#else
#include "half.h"
#define ELEMENT "f16"
#define NARROW_(function) half_##function
#endif
#define eload NARROW_(load)
#define estore NARROW_(store)
#define eload_part NARROW_(load_part)
#define estore_part NARROW_(store_part)
#define ewiden NARROW_(widen)
#define enarrow NARROW_(narrow)

INLINE float element_at(const element *p)
{
#ifdef PLAIT_BF16
    union {
        uint32_t bits;
        float number;
    } wide = {(uint32_t)*p << 16};
    return wide.number;
#elif VF > 4
    return _cvtsh_ss(*p);
#else
    return half_widened((vi){*p})[0];
#endif
}

/* `count` elements, or one for all where the step is 0, as floats; where these are to be written; and written back. */
INLINE const float *row_in(float *room, const element *x, int64_t step, int64_t count)
{
    ewiden(room, x, step ? count : 1);
    return room;
}

INLINE float *row_for(float *room, element *y)
{
    return room;
}

INLINE void row_out(element *y, const float *row, int64_t count)
{
    enarrow(y, row, count);
}
#else
typedef float element;
enum { NARROW = 0 };
#define ELEMENT "f32"
#define eload vload
#define estore vstore
#define eload_part vload_part
#define estore_part vstore_part

INLINE float element_at(const element *p)
{
    return *p;
}

INLINE const float *row_in(float *room, const element *x, int64_t step, int64_t count)
{
    return x;
}

INLINE float *row_for(float *room, element *y)
{
    return y;
}

INLINE void row_out(element *y, const float *row, int64_t count)
{
}
#endif

enum { ROW_ROOM = NARROW ? 2048 : 1 }; /* floats */

INLINE void copy_elements(element *y, const element *x, int64_t count)
{
#ifdef PLAIT_NARROW
    memcpy(y, x, (size_t)count * sizeof *y);
#else
    copy_floats(y, x, count);
#endif
}

INLINE vf eload_lanes(const element *p, int64_t lanes)
{
    return lanes == VF ? eload(p) : eload_part(p, lanes);
}

/* Elements that are stands for outside of the image. */
static const element no_pixel[VF] __attribute__((unused));

static __attribute__((noinline, unused)) vf late_act(const struct epilogue *e, vf x)
{
    float row[VF] __attribute__((aligned(64)));
    vstore(row, x);
    act_apply(row, row, VF, e->act, e->a, e->b);
    return vload(row);
}

/* The activation before the number is rounded; that of floats which is EPILOGUE_LATE follows when a row is stored. */
INLINE vf element_now(const struct epilogue *e, vf x)
{
    return NARROW && e->kind == EPILOGUE_LATE ? late_act(e, x) : epilogue_now(e, x);
}

#endif
