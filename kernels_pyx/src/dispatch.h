/* Which kernels this process may run, by name and ISA level. */
#ifndef PLAIT_DISPATCH_H
#define PLAIT_DISPATCH_H

#include "plait.h"

enum { ISA_LEVELS = 4 };

const char *isa_name(int level);
/* 0, or why the level cannot be used here. */
const char *isa_refusal(int level);
/* The level whose kernels stand in for those that this one has no build of; -1: it has builds of all. */
int isa_extends(int level);
int64_t kernel_count(int level);
const struct kernel *kernel_at(int level, int64_t index);

#endif
