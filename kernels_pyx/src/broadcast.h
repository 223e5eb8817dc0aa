/* Four bytes, which may lie anywhere, in all lanes of a vector: what a step of a register tile takes of a pixel. */
#ifndef PLAIT_BROADCAST_H
#define PLAIT_BROADCAST_H

#include "isa.h"

typedef int32_t quad __attribute__((aligned(1), may_alias)); /* four bytes */

/* Assembly keeps the compiler from loading early, for which there are no registers.  AddressSanitizer does not see what
 * assembly reads. */
INLINE vi broadcast_quad(const uint8_t *x)
{
#if VF == 16 && !defined __SANITIZE_ADDRESS__
    vi v;
    __asm__("vpbroadcastd %1, %0" : "=v"(v) : "m"(*(const quad *)x));
    return v;
#else
    return *(const quad *)x - (vi){};
#endif
}

#endif
