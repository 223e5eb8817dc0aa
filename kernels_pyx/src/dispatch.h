/* Which kernels this process may run, by name and ISA level. */
#ifndef PLAIT_DISPATCH_H
#define PLAIT_DISPATCH_H

#include "plait.h"

enum { ISA_LEVELS = 3 };

const char *isa_name(int level);
/* 0, or why the level cannot be used here. */
const char *isa_refusal(int level);
int64_t kernel_count(int level);
const struct kernel *kernel_at(int level, int64_t index);

#endif
