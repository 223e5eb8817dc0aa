# Plans: kernel calls with checked arguments, and running them.

cdef class Plan:
    """A list of kernel calls that one call runs, on `threads` threads.

    A plan is built once (`add_constant`, `add_external`, `add`, `arena_bytes`), then run often.  Once built, `run` may be
    called by several Python threads at once: each run takes an arena of its own, and nothing in the plan changes.
    `dynamic`: where a kernel can, threads that are done take what is left of the others' shares; results are the same.
    """

    cdef op *ops
    cdef Py_ssize_t count, capacity
    cdef readonly int threads
    cdef readonly bint dynamic
    cdef Py_ssize_t _arena_bytes
    cdef readonly list externals      # [(bytes, writable)]
    cdef list _constants, _names, _arenas
    cdef dict _constant_refs

    def __cinit__(self, threads=1, dynamic=True):
        if not 1 <= threads <= 256:
            raise ValueError(f"a plan runs on 1 to 256 threads, not {threads}")
        self.threads = threads
        self.externals = []
        self.dynamic = dynamic
        self._constants = []
        self._constant_refs = {}
        self._names = []
        self._arenas = []

    def __dealloc__(self):
        for i in range(self.count):
            free(self.ops[i].args)
        free(self.ops)

    def __len__(self):
        return self.count

    @property
    def arena_bytes(self):
        """Size of the arena each run gets."""
        return self._arena_bytes

    @arena_bytes.setter
    def arena_bytes(self, nbytes):
        if nbytes < 0:
            raise ValueError(f"an arena cannot have {nbytes} bytes")
        self._arena_bytes = nbytes
        self._arenas = []

    @property
    def ops_names(self):
        """The kernels of the plan, in order: [(kernel, isa)]."""
        return list(self._names)

    def add_external(self, nbytes, writable=False):
        """Declare the next external buffer (inputs first, then outputs, in the order `run` gets them)."""
        self.externals.append((int(nbytes), bool(writable)))
        return external(len(self.externals) - 1)

    def add_constant(self, array):
        """A reference to the data of `array` (C-contiguous), which the plan keeps; copied when not 64-byte aligned."""
        found = self._constant_refs.get(id(array))
        if found is not None:
            return found
        kept = np.asarray(array)
        if not kept.flags.c_contiguous:
            raise ValueError(f"constants must be C-contiguous; got shape {kept.shape}, strides {kept.strides}")
        if kept.__array_interface__["data"][0] % 64:
            copy = aligned_empty(kept.shape, kept.dtype)
            copy[...] = kept
            kept = copy
        self._constants.append((array, kept))
        result = Ref(BASE_CONSTANT, kept.__array_interface__["data"][0])
        self._constant_refs[id(array)] = result
        return result

    cdef int _fill_ref(self, ref *r, value, list constants) except -1:
        # `constants`: places and sizes of the constants of a list of calls, whose references are checked against the
        # sizes of what they point into; None: a single call, which may precede the size of the arena.
        cdef int64_t base, offset, end
        if value is None:
            value = null
        elif isinstance(value, np.ndarray):
            value = self.add_constant(value)
        base, offset = value
        if base < 0 and constants is not None and -base <= len(constants):
            place, end = constants[-1 - base]
            if not 0 <= offset <= end:
                raise ValueError(f"no such offset: {offset}")
            r.base = BASE_CONSTANT
            r.offset = <int64_t>place + offset
            return 0
        if base < 0 or base == BASE_CLAIMS or base >= BASE_EXTERNAL + len(self.externals):
            raise ValueError(f"no such base: {base} (declare externals first)")
        if offset < 0 or (base == BASE_ARENA and offset % 4):
            raise ValueError(f"no such offset: {offset}")
        if constants is not None:
            if base == BASE_CONSTANT:
                raise ValueError("a list of calls names constants by their numbers")
            end = (0 if base == BASE_NULL else self._arena_bytes if base == BASE_ARENA
                   else self.externals[base - BASE_EXTERNAL][0])
            if offset > end:
                raise ValueError(f"no such offset: {offset}")
        r.base = base
        r.offset = offset
        return 0

    cdef int _fill_value(self, KernelHandle handle, Py_ssize_t index, char *args, value, list constants) except -1:
        cdef const field *f = &handle.kernel.fields[index]
        try:
            if f.kind == b"I" or f.kind == b"O":
                (<int64_t *>(args + f.offset))[0] = value.__index__()
            elif f.kind == b"F":
                (<float *>(args + f.offset))[0] = float(value)
            else:
                self._fill_ref(<ref *>(args + f.offset), value, constants)
        except (TypeError, AttributeError, OverflowError) as error:
            name, kind = handle.fields[index]
            raise ValueError(f"kernel {handle.name}: field {name!r} wants a {kind}, got {value!r}") from error
        except ValueError as error:
            raise ValueError(f"kernel {handle.name}: field {handle.fields[index][0]!r}: {error}") from error
        return 0

    cdef int _fill(self, KernelHandle handle, char *args, dict fields) except -1:
        for name in fields:
            if name not in handle.index:
                known = ", ".join(n for n, _ in handle.fields)
                raise ValueError(f"kernel {handle.name} has no field {name!r}; its fields are: {known}")
        for i in range(handle.kernel.field_count):
            name = handle.fields[i][0]
            if name not in fields:
                if handle.kernel.fields[i].kind == b"O":
                    continue  # zero, as all arguments are at first
                raise ValueError(f"kernel {handle.name} needs a value for its field {name!r}")
            self._fill_value(handle, i, args, fields[name], None)
        return 0

    cdef int _append(self, KernelHandle handle, char *args) except -1:
        # Takes over `args`.
        if self.count == self.capacity:
            capacity = max(16, 2 * self.capacity)
            grown = <op *>realloc(self.ops, capacity * sizeof(op))
            if not grown:
                free(args)
                raise MemoryError()
            self.ops = grown
            self.capacity = capacity
        self.ops[self.count].run = handle.kernel.run
        self.ops[self.count].args = args
        self._names.append((handle.name, handle.isa))
        self.count += 1
        return 0

    def add(self, kernel, *, isa=None, **fields):
        """Append a kernel call; returns its index.

        Every field wants a value: ints (those called options may be left out), floats, and for references a `Ref`, an
        array (kept as a constant) or None.
        """
        cdef KernelHandle handle = lookup(kernel, isa)
        cdef char *args = <char *>calloc(1, handle.kernel.args_size)
        if not args:
            raise MemoryError()
        try:
            self._fill(handle, args, fields)
        except BaseException:
            free(args)
            raise
        self._append(handle, args)
        return self.count - 1

    def add_calls(self, calls, constants=()):
        """Append many kernel calls: (kernel, values of all its fields in their order), or more behind the two.

        A reference with the base -1 - i points into `constants[i]`, an array of bytes. The sizes of the arena and of
        the externals must be known: each reference must lie in what it names.
        """
        cdef KernelHandle handle
        cdef char *args
        cdef Py_ssize_t i
        cdef list places = [(self.add_constant(c).offset, c.nbytes) for c in constants]
        for call in calls:
            values = call[1]
            handle = lookup(call[0])
            if len(values) != handle.kernel.field_count:
                raise ValueError(f"kernel {handle.name} has {handle.kernel.field_count} fields, got {len(values)}")
            args = <char *>calloc(1, handle.kernel.args_size)
            if not args:
                raise MemoryError()
            try:
                for i in range(handle.kernel.field_count):
                    self._fill_value(handle, i, args, values[i], places)
            except BaseException:
                free(args)
                raise
            self._append(handle, args)

    def workspace_bytes(self, kernel, *, isa=None, **fields):
        """How many bytes the kernel wants behind its field `work` on this plan's threads; 0: none.

        Only integer and float fields count; references may be left out.
        """
        cdef KernelHandle handle = lookup(kernel, isa)
        if not handle.kernel.workspace:
            return 0
        cdef bytes args = bytes(handle.kernel.args_size)
        numbers = {n: fields.get(n, 0) if kind != "ref" else None for n, kind in handle.fields}
        for name in fields:
            if name not in numbers:
                numbers[name] = fields[name]  # refused by name below
        self._fill(handle, PyBytes_AS_STRING(args), numbers)
        return handle.kernel.workspace(PyBytes_AS_STRING(args), self.threads)

    cdef _execute(self, externals, arena, first, last, int64_t repeats, op_ns, repeat_ns, flush, stamps=None,
                  int thread=-1):
        cdef plan_run_args run
        cdef Py_ssize_t n = len(self.externals), acquired = 0
        cdef Py_buffer *buffers = <Py_buffer *>calloc(n + 2, sizeof(Py_buffer))
        cdef char **bases = <char **>calloc(BASE_EXTERNAL + n, sizeof(char *))
        cdef int threads = self.threads, status
        own_arena = None
        try:
            if not buffers or not bases:
                raise MemoryError()
            if last is None:
                last = self.count
            if not 0 <= first <= last <= self.count:
                raise ValueError(f"no ops [{first}, {last}) in a plan of {self.count}")
            if len(externals) != n:
                raise ValueError(f"this plan takes {n} external buffers, got {len(externals)}")
            for i in range(n):
                nbytes, writable = self.externals[i]
                PyObject_GetBuffer(externals[i], &buffers[i], PyBUF_WRITABLE if writable else PyBUF_SIMPLE)
                acquired += 1
                if buffers[i].len != nbytes:
                    raise ValueError(f"external buffer {i} has {buffers[i].len} bytes, the plan expects {nbytes}")
                bases[BASE_EXTERNAL + i] = <char *>buffers[i].buf
            if arena is None:
                try:
                    own_arena = self._arenas.pop()
                except IndexError:
                    own_arena = Memory(self._arena_bytes)
                bases[BASE_ARENA] = (<Memory>own_arena).data
            else:
                PyObject_GetBuffer(arena, &buffers[n], PyBUF_WRITABLE)
                acquired += 1
                if buffers[n].len < self._arena_bytes or <uintptr_t>buffers[n].buf % 64:
                    raise ValueError(f"an arena for this plan has {self._arena_bytes} bytes, 64-byte aligned")
                bases[BASE_ARENA] = <char *>buffers[n].buf
            memset(&run, 0, sizeof(run))
            run.ops = self.ops
            run.first = first
            run.last = last
            run.bases = bases
            run.dynamic = self.dynamic
            run.repeats = repeats
            if op_ns is not None and op_ns.size:
                run.op_ns = <int64_t *><uintptr_t>op_ns.ctypes.data
            if repeat_ns is not None and repeat_ns.size:
                run.repeat_ns = <int64_t *><uintptr_t>repeat_ns.ctypes.data
            if stamps is not None and stamps.size:
                run.stamps = <int64_t *><uintptr_t>stamps.ctypes.data
            if flush is not None:
                run.flush = (<Memory>flush).data
                run.flush_bytes = (<Memory>flush).nbytes
            if thread >= 0:
                for i in range(run.first, run.last):
                    self.ops[i].run(self.ops[i].args, bases, thread, threads)
                return
            with nogil:
                status = plan_run(&run, threads)
            if status:
                raise RuntimeError(f"cannot start a pool of {threads} threads")
        finally:
            if own_arena is not None and own_arena.nbytes == self._arena_bytes:
                self._arenas.append(own_arena)
            for i in range(acquired):
                PyBuffer_Release(&buffers[i])
            free(buffers)
            free(bases)

    def run(self, externals=(), arena=None, first=0, last=None):
        """Run the ops [first, last) (default: all) over these buffers, in one call that holds no lock of Python's."""
        self._execute(externals, arena, first, last, 1, None, None, None)

    def run_part(self, thread, externals=(), arena=None, first=0, last=None):
        """Do what one thread of the plan does in the ops [first, last), in the calling thread: to see how work is cut."""
        if not 0 <= thread < self.threads:
            raise ValueError(f"a plan of {self.threads} threads has no thread {thread}")
        self._execute(externals, arena, first, last, 1, None, None, None, None, thread)

    def run_timed(self, externals=(), arena=None, first=0, last=None):
        """Run, and return the time of each op in nanoseconds (with 2 or more threads: its barrier included)."""
        times = np.zeros((self.count if last is None else last) - first, np.int64)
        self._execute(externals, arena, first, last, 1, times, None, None)
        return times

    def run_traced(self, externals=(), arena=None, first=0, last=None):
        """Run, and return when each thread began and ended its part of each op: [op, thread, 2], in nanoseconds.

        The clock is that of `time.perf_counter_ns`; what lies between an end and the next begin is the barrier.
        """
        stamps = np.zeros(((self.count if last is None else last) - first, self.threads, 2), np.int64)
        self._execute(externals, arena, first, last, 1, None, None, None, stamps)
        return stamps

    def evict_constants(self):
        """Bring the constants from every cache back to memory, as they are when other weights have passed since."""
        cdef uintptr_t data
        for _, kept in self._constants:
            data = kept.ctypes.data
            evict(<const char *>data, kept.nbytes)

    def time_op(self, first, last, repeats, externals=(), arena=None, flush=False):
        """Run the ops [first, last) `repeats` times and return the nanoseconds of each; flush: with cold caches."""
        times = np.zeros(repeats, np.int64)
        cold = Memory(128 << 20) if flush else None
        self._execute(externals, arena, first, last, repeats, None, times, cold)
        return times
