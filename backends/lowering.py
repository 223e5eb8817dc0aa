"""What routines lower to: kernel calls on buffers, and layers computed by Python.

Buffers have sizes and, once all calls are known, live ranges; addresses come last (`plait.backends.memory`).
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable
from typing import Any

import attrs
import numpy as np

from plait.backends.aliasing import Alias, Homes
from plait.ir.layer import Layer
from plait.ir.layout import default_layout
from plait.ir.quantization import Lookup
from plait.ir.values import Array, Constant, Value


@attrs.define(eq=False)
class Buffer:
    """A stretch of memory: in the arena, an external array (input or output), or a constant.

    `first` and `last` are the steps between which its content matters. An alias lies at `alias_offset` bytes of another
    buffer.
    """

    name: str
    nbytes: int
    external: int | None = None
    constant: Array | None = None
    alias: Buffer | None = None
    alias_offset: int = 0
    first: int = -1
    last: int = -1
    offset: int = -1

    def root(self) -> Buffer:
        """The buffer that owns the memory."""
        return self if self.alias is None else self.alias.root()

    def root_offset(self) -> int:
        """Bytes from the start of the root."""
        return 0 if self.alias is None else self.alias_offset + self.alias.root_offset()

    @property
    def in_arena(self) -> bool:
        root = self.root()
        return root.external is None and root.constant is None


@attrs.frozen
class Place:
    """A position in a buffer: what kernels call a reference."""

    buffer: Buffer
    offset: int = 0


Field = int | float | Place | None


@attrs.define(eq=False)
class KernelCall:
    """A call of a compiled kernel. `places` among the fields decide live ranges."""

    kernel: str
    fields: dict[str, Field]
    layer: int = -1


@attrs.define(eq=False)
class PythonCall:
    """A layer computed by Python: `run` takes arrays as they are stored, and gives one or a tuple."""

    run: Callable[..., Any]
    operands: tuple[tuple[Value, Place | None], ...]
    results: tuple[tuple[Value, Place], ...]
    layer: int = -1


Step = KernelCall | PythonCall


@functools.cache
def kernel_field_order(kernel: str) -> tuple[str, ...]:
    """Names of the argument fields of a compiled kernel."""
    from plait.kernels_pyx import kernel_fields

    return tuple(name for name, _ in kernel_fields(kernel))


@functools.cache
def kernel_options(kernel: str) -> dict[str, int]:
    """The argument fields that may be left out, and what they are then."""
    from plait.kernels_pyx import kernel_fields

    return {name: 0 for name, kind in kernel_fields(kernel) if kind == "option"}


def no_constants(name: str) -> Array:
    """The lookup of a module without constants.

    Raises:
        KeyError: always.
    """
    raise KeyError(name)


class Lowering:
    """Collects the steps of a function.

    Routines see `place`, `constant`, `workspace`, `alias`, `call`, `python`, `lookup` and `threads`.
    """

    def __init__(self, threads: int, lookup: Lookup = no_constants) -> None:
        from plait.kernels_pyx import Plan

        self.threads = threads
        self.lookup = lookup
        """The elements of a constant of the module by name: of scales and zero points that types name."""
        self._sizer = Plan(threads)
        self.steps: list[Step] = []
        self.buffers: list[Buffer] = []
        self._of_value: dict[Value, Buffer] = {}
        self._homes = Homes(lambda value: value.type.nbytes)
        self._constants: dict[int, tuple[Array, Buffer]] = {}
        self._layer = -1
        self._split = 0
        self._views = True

    # --- for routines ---

    def place(self, value: Value, offset: int = 0) -> Place:
        """Where a value lies. Constants lie as they are: row-major in their logical shape."""
        if isinstance(value, Constant):
            return Place(self.constant(value.data).buffer, offset)
        if value not in self._of_value:
            buffer = Buffer(value.name, value.type.nbytes)
            if home := self._homes.home(value):
                buffer.alias, buffer.alias_offset = self.place(home[0]).buffer, home[1]
            self._of_value[value] = self._new(buffer)
        return Place(self._of_value[value], offset)

    def constant(self, data: Array) -> Place:
        """An array that the plan keeps: packed weights, tables."""
        data = np.ascontiguousarray(data)
        if id(data) not in self._constants:
            # The array is kept beside its buffer, so that its id stays taken.
            self._constants[id(data)] = (data, self._new(Buffer("constant", data.nbytes, constant=data)))
        return Place(self._constants[id(data)][1])

    def stand_in(self, value: Value, place: Place) -> None:
        """Let a value that is none of the module's lie at the beginning of a buffer: an operand or result of a layer
        that computes part of the one being lowered."""
        self._of_value[value] = place.buffer

    def workspace(self, nbytes: int) -> Place:
        """Scratch memory for the calls of this layer."""
        return Place(self._new(Buffer("workspace", max(nbytes, 1))))

    def alias(self, value: Value, host: Value, offset: int = 0) -> bool:
        """Let a value lie in another's memory, `offset` bytes into it; whether it does.

        What a routine announces (`Routine.aliases`) has been granted or refused before. Other values, results that
        nothing has asked a place for, may still be put there; an output of the function has its place.
        """
        return self._views and self._alias(value, host, offset)

    def _alias(self, value: Value, host: Value, offset: int = 0) -> bool:
        if self._homes.lies_in(Alias(value, host, offset)):
            return True
        constant = isinstance(value, Constant) or isinstance(host, Constant)
        if constant or value in self._of_value or self._homes.home(value):
            return False
        buffer = Buffer(value.name, value.type.nbytes, alias=self.place(host).buffer, alias_offset=offset)
        self._of_value[value] = self._new(buffer)
        return True

    def overwrite(self, result: Value, operand: Value) -> bool:
        """Let a result lie where an operand does, whose last reader is the layer being lowered.

        False if something else may read the operand, or the result has a place already: it gets memory of its own. The
        last call of the layer may write what it has just read; earlier ones leave the operand as it is.
        """
        buffer = self.place(operand).buffer
        # A view shares its memory with values that have readers of their own.
        mine = operand.use_count == 1 and buffer.alias is None and buffer.in_arena
        return mine and self._alias(result, operand)

    def call(self, kernel: str, **fields: Field) -> None:
        """Call a compiled kernel; its fields are those of `plait.kernels_pyx.kernel_fields(kernel)`.

        The field `work` of kernels that need scratch memory is filled here, and `split` as the variant has it.
        """
        if "split" in kernel_field_order(kernel):
            fields.setdefault("split", self._split)
        numbers: dict[str, Any] = {k: v for k, v in fields.items() if isinstance(v, (int, float))}
        if nbytes := self._sizer.workspace_bytes(kernel, **numbers):
            fields["work"] = self.workspace(nbytes)
        elif "work" in kernel_field_order(kernel):
            fields["work"] = None
        self.steps.append(KernelCall(kernel, fields, self._layer))

    def python(self, layer: Layer, run: Callable[..., Any] | None = None) -> None:
        """Compute a layer by a Python function, or by its NumPy reference.

        Args:
            run: takes the operands as they are stored (None for an absent one), constants row-major; returns the
                result, or a tuple of them.

        Raises:
            ValueError: the reference is to run and a value is not row-major (nchw), as arrays in logical order are.
        """
        for value in (*layer.operands, *layer.results) if run is None else ():
            if value.type.layout != default_layout(value.type.rank):
                raise ValueError(
                    f"{layer.describe()} is computed by Python, "
                    f"but %{value.name} is in {value.type.layout}, not row-major"
                )
        operands = tuple(
            (v, self.place(v)) if v is not None else (layer.results[0], None) for v in layer.operand_slots()
        )
        self.steps.append(
            PythonCall(run or layer.reference, operands, tuple((r, self.place(r)) for r in layer.results), self._layer)
        )

    # --- for the planner ---

    def settle(self, aliases: Iterable[Alias]) -> None:
        """Grant aliases, in order, as far as possible: once inputs and outputs are bound, and before any lowering."""
        self._homes = Homes(lambda value: value.type.nbytes, fixed=self._of_value)
        for alias in aliases:
            self._homes.settle(alias)

    def refuse_views(self) -> None:
        """Grant no aliases but of results that lie where an operand does which nothing else reads (`overwrite`)."""
        self._views = False

    def bind(self, value: Value, external: int) -> None:
        """State that a value is an external array."""
        self._of_value[value] = self.external(value, external).buffer

    def external(self, value: Value, index: int) -> Place:
        """An external array that takes a value, which may live elsewhere."""
        return Place(self._new(Buffer(value.name, value.type.nbytes, external=index)))

    def start_layer(self, index: int, split: str = "") -> None:
        """Following steps belong to this layer of the function, and cut their work in this way."""
        from plait.kernels_pyx import Split

        self._layer = index
        self._split = int(Split[split.upper() or "AUTO"])

    def is_bound(self, value: Value) -> bool:
        """Whether a value has a place already."""
        return value in self._of_value

    def _new(self, buffer: Buffer) -> Buffer:
        self.buffers.append(buffer)
        return buffer
