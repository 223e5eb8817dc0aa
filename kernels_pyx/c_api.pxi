# What the binding uses of the sources in src/, of the C library and of Python.

cdef extern from "plait.h" nogil:
    struct ref:
        int32_t base
        int64_t offset
    struct field:
        const char *name
        char kind
        int32_t offset
    ctypedef void kernel_function(const void *args, char *const *bases, int tid, int nthreads)
    ctypedef int64_t workspace_function(const void *args, int nthreads)
    struct kernel:
        const char *name
        kernel_function *run
        workspace_function *workspace
        const field *fields
        int32_t field_count
        int32_t args_size
    int BASE_NULL
    int BASE_ARENA
    int BASE_CONSTANT
    int BASE_CLAIMS
    int BASE_EXTERNAL

cdef extern from "dispatch.h" nogil:
    int ISA_LEVELS
    const char *isa_name(int level)
    const char *isa_refusal(int level)
    int isa_extends(int level)
    int64_t kernel_count(int level)
    const kernel *kernel_at(int level, int64_t index)

cdef extern from "plan.h" nogil:
    struct op:
        kernel_function *run
        void *args
    struct plan_run_args "plan_run":
        const op *ops
        int64_t first
        int64_t last
        char **bases
        int dynamic
        int64_t repeats
        int64_t *op_ns
        int64_t *repeat_ns
        int64_t *stamps
        char *flush
        int64_t flush_bytes
    void evict(const char *data, int64_t bytes)
    int plan_run(plan_run_args *run, int nthreads)

cdef extern from "pool.h" nogil:
    void pool_shutdown()

cdef extern from "sanitizer.h" nogil:
    int SANITIZED
    void ASAN_POISON_MEMORY_REGION(void *address, size_t size)
    void ASAN_UNPOISON_MEMORY_REGION(void *address, size_t size)

cdef extern from "version.h":
    const char *PLAIT_KERNELS_HASH

cdef extern from "<stdlib.h>" nogil:
    int posix_memalign(void **memory, size_t alignment, size_t size)

cdef extern from "<sys/mman.h>" nogil:
    int madvise(void *address, size_t length, int advice)
    int MADV_HUGEPAGE

cdef extern from "Python.h":
    int PyBuffer_FillInfo(Py_buffer *view, object exporter, void *data, Py_ssize_t length, int readonly,
                          int flags) except -1
