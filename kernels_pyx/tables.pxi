# The kernels of each ISA level, by name.

cdef dict _levels = {}  # ISA name -> {kernel name -> KernelHandle}


cdef class KernelHandle:
    """A kernel of one ISA level."""

    cdef const kernel *kernel
    cdef readonly str name
    cdef readonly str isa
    cdef readonly tuple fields
    cdef dict index

    def __repr__(self):
        return f"<kernel {self.name} ({self.isa})>"


cdef KernelHandle _make_handle(const kernel *k, str isa):
    cdef KernelHandle handle = KernelHandle.__new__(KernelHandle)
    kinds = {"R": "ref", "I": "int", "F": "float", "O": "option"}
    handle.kernel = k
    handle.isa = isa
    handle.name = k.name.decode()
    handle.fields = tuple((k.fields[i].name.decode(), kinds[chr(k.fields[i].kind)]) for i in range(k.field_count))
    handle.index = {name: i for i, (name, _) in enumerate(handle.fields)}
    return handle


def _load_levels():
    names = [isa_name(level).decode() for level in range(ISA_LEVELS)]
    cap = os.environ.get("PLAIT_MAX_ISA", names[-1])
    if cap not in names:
        raise ValueError(f"PLAIT_MAX_ISA is {cap!r}; known levels: {', '.join(names)}")
    for level in range(names.index(cap) + 1):
        if not isa_refusal(level):
            handles = [_make_handle(kernel_at(level, i), names[level]) for i in range(kernel_count(level))]
            below = _levels[names[isa_extends(level)]] if isa_extends(level) >= 0 else {}
            _levels[names[level]] = {**below, **{handle.name: handle for handle in handles}}


_load_levels()


def available_isas():
    """The ISA levels this process may use, lowest first."""
    return list(_levels)


def isas_with(name):
    """The ISA levels this process may use that have a build of the kernel `name`, lowest first.

    A level such as avx512vnni has builds of low-precision kernels only; the others are those of the level it extends.
    """
    return [isa for isa, table in _levels.items() if name in table and (<KernelHandle>table[name]).isa == isa]


def compiled_isas():
    """The ISA levels in this build, lowest first, whether or not this processor has them."""
    return [isa_name(level).decode() for level in range(ISA_LEVELS) if kernel_count(level)]


def isa_level():
    """The highest ISA level this process may use; the environment variable PLAIT_MAX_ISA caps it."""
    return list(_levels)[-1]


def kernel_names(isa=None):
    """The names of the kernels of level `isa` (default: the highest), sorted. Levels differ in their blocked layouts."""
    return sorted(_kernels(isa))


def _kernels(isa):
    level = isa_level() if isa is None else isa
    if level not in _levels:
        raise ValueError(f"ISA level {level!r} is not available here; available: {', '.join(_levels)}")
    return _levels[level]


def lookup(name, isa=None):
    """The kernel `name` of level `isa` (default: the highest)."""
    kernels = _kernels(isa)
    try:
        return kernels[name]
    except KeyError:
        raise ValueError(f"no kernel named {name!r}; known: {', '.join(sorted(kernels))}") from None


def kernel_fields(name, isa=None):
    """The argument fields of a kernel: a list of (field, "ref" | "int" | "float" | "option").

    An option is an int that may be left out, and is 0 then.
    """
    return list(lookup(name, isa).fields)


def version_hash():
    """A hash of the kernel sources this build was made of; part of the key of stored timings."""
    return PLAIT_KERNELS_HASH.decode()


def shutdown():
    """Join all pool threads (also done at exit), while no plan is running; a later run starts them again."""
    with nogil:
        pool_shutdown()
