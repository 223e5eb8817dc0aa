/* The contract between a kernel and everything around it: references, field descriptors, kernel tables.
 *
 * A kernel is a function and an argument struct.  The struct is declared once, as a list of fields
 *
 *     #define FILL_FIELDS(X, S) X(S, REF, y) X(S, INT, count) X(S, FLOAT, value)
 *     KERNEL_ARGS(fill_args, FILL_FIELDS)
 *
 * and from that one list come the C struct and the descriptor by which Python fills it (plan.c knows no kernel). */
#ifndef PLAIT_H
#define PLAIT_H

#include <stddef.h>
#include <stdint.h>

/* A buffer as a plan sees it: which base, and how many bytes from it.  Bases are resolved at each run, so that one
 * plan serves several threads, each with its own arena and its own inputs. */
struct ref {
    int32_t base;
    int32_t unused;
    int64_t offset;
};

enum { BASE_NULL = 0, BASE_ARENA = 1, BASE_CONSTANT = 2, BASE_CLAIMS = 3, BASE_EXTERNAL = 4 };

/* BASE_CONSTANT's base is address zero and its offset the address itself: constants do not move.  BASE_CLAIMS is no
 * buffer: it is where the threads of a run agree on who does what (chunks.h). */
#define RESOLVE(type, r) ((type *)((uintptr_t)bases[(r).base] + (uintptr_t)(r).offset))

struct field {
    const char *name;
    char kind; /* 'R'eference, 'I'nteger (int64), 'F'loat (float32), or 'O'ption (int64, 0 where it is not given) */
    int32_t offset;
};

typedef void kernel_function(const void *args, char *const *bases, int tid, int nthreads);
typedef int64_t workspace_function(const void *args, int nthreads);

struct kernel {
    const char *name;
    kernel_function *run;
    workspace_function *workspace; /* bytes wanted behind the field `work`; NULL when the kernel has none */
    const struct field *fields;
    int32_t field_count;
    int32_t args_size;
};

/* One kernel file, compiled for one ISA level. */
struct family {
    const struct kernel *kernels;
    int32_t count;
};

typedef struct ref field_type_REF;
typedef int64_t field_type_INT;
typedef float field_type_FLOAT;
typedef int64_t field_type_OPTION;
enum { field_kind_REF = 'R', field_kind_INT = 'I', field_kind_FLOAT = 'F', field_kind_OPTION = 'O' };

#define FIELD_MEMBER(S, kind, name) field_type_##kind name;
#define FIELD_DESCRIPTOR(S, kind, name) {#name, field_kind_##kind, offsetof(struct S, name)},

#define KERNEL_ARGS(args, FIELDS)                                               \
    struct args {                                                               \
        FIELDS(FIELD_MEMBER, args)                                              \
    };                                                                          \
    static const struct field args##_fields[] = {FIELDS(FIELD_DESCRIPTOR, args)};

#define KERNEL(name, run, workspace, args) \
    {name, run, workspace, args##_fields, sizeof args##_fields / sizeof args##_fields[0], sizeof(struct args)}

/* The only symbol a per-ISA object exports: a shared inline function could otherwise be taken by the linker from the
 * AVX-512 copy and crash an older processor. */
#define FAMILY_NAME_(name, isa) plait_##name##__##isa
#define FAMILY_NAME(name, isa) FAMILY_NAME_(name, isa)
#define FAMILY(name, table) \
    const struct family FAMILY_NAME(name, PLAIT_ISA) = {table, sizeof table / sizeof table[0]};

/* Field groups that many kernels share.  split: how threads cut the work, see isa.h. */
#define SPLIT_FIELD(X, S) X(S, OPTION, split)
#define ACT_FIELDS(X, S) X(S, INT, act) X(S, FLOAT, act_a) X(S, FLOAT, act_b)

#endif
