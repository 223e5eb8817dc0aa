# Aligned memory, and marking parts of it for sanitizers.

cdef class Memory:
    """A 64-byte aligned block of bytes, with the buffer protocol; huge pages are asked for above 2 MiB."""

    cdef char *data
    cdef readonly Py_ssize_t nbytes

    def __cinit__(self, Py_ssize_t nbytes):
        cdef size_t huge = 2 << 20
        cdef void *data = <void *>0
        if nbytes < 0:
            raise ValueError(f"a buffer cannot have {nbytes} bytes")
        if posix_memalign(&data, huge if <size_t>nbytes >= huge else 64, max(nbytes, 1)) != 0:
            raise MemoryError(f"no memory for a buffer of {nbytes} bytes")
        if <size_t>nbytes >= huge:
            madvise(data, nbytes, MADV_HUGEPAGE)
        memset(data, 0, max(nbytes, 1))
        self.data = <char *>data
        self.nbytes = nbytes

    def __dealloc__(self):
        free(self.data)

    def __getbuffer__(self, Py_buffer *buffer, int flags):
        PyBuffer_FillInfo(buffer, self, self.data, self.nbytes, 0, flags)

    def __releasebuffer__(self, Py_buffer *buffer):
        pass


def aligned_empty(shape, dtype=np.float32):
    """A zeroed array whose data is 64-byte aligned."""
    dtype = np.dtype(dtype)
    count = int(np.prod(shape, dtype=np.int64))
    return np.frombuffer(Memory(count * dtype.itemsize), dtype=dtype, count=count).reshape(shape)


def sanitized():
    """Whether this is a build with AddressSanitizer (`make sanitize`)."""
    return bool(SANITIZED)


def poison(buffer, begin, end, on=True):
    """From now on (or, `on=False`, no longer) report kernels that touch the bytes [begin, end) of a writable buffer.

    Does nothing in a build without sanitizers.  `begin` should be a multiple of 8.
    """
    cdef Py_buffer view
    PyObject_GetBuffer(buffer, &view, PyBUF_WRITABLE)
    try:
        if not 0 <= begin <= end <= view.len:
            raise ValueError(f"no bytes [{begin}, {end}) in a buffer of {view.len}")
        if on:
            ASAN_POISON_MEMORY_REGION(<char *>view.buf + <Py_ssize_t>begin, <size_t>(end - begin))
        else:
            ASAN_UNPOISON_MEMORY_REGION(<char *>view.buf + <Py_ssize_t>begin, <size_t>(end - begin))
    finally:
        PyBuffer_Release(&view)
