/* What a build with AddressSanitizer can be told; nothing in other builds. */
#ifndef PLAIT_SANITIZER_H
#define PLAIT_SANITIZER_H

#if defined __SANITIZE_ADDRESS__
#include <sanitizer/asan_interface.h>
enum { SANITIZED = 1 };
#else
enum { SANITIZED = 0 };
#define ASAN_POISON_MEMORY_REGION(address, size) ((void)(address), (void)(size))
#define ASAN_UNPOISON_MEMORY_REGION(address, size) ((void)(address), (void)(size))
#endif

#endif
