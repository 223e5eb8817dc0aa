"""Functions and modules."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from plait.ir.diagnostics import Diagnostic, IRError, Span
from plait.ir.layer import Layer
from plait.ir.region import Region
from plait.ir.values import Array, Constant, Value


class Function:
    """A named region. `main` is the network; `output_names` are the names callers use for the outputs."""

    def __init__(self, name: str, arguments: Sequence[Value] = ()) -> None:
        self.name = name
        self.body = Region(arguments)
        self.body.owner = self
        self.output_names: list[str] = []
        self.comment = ""
        """Lines of comment that stand before the function in the text, without their `//`."""
        self.span: Span | None = None
        """Where the function stands in a text file, for diagnostics."""

    @property
    def arguments(self) -> list[Value]:
        return self.body.arguments

    @property
    def outputs(self) -> tuple[Value, ...]:
        return self.body.outputs

    def set_outputs(self, values: Sequence[Value], names: Sequence[str] | None = None) -> None:
        """State what the function yields and how callers call it (default: the names of the values)."""
        self.body.outputs = values
        self.output_names = list(names) if names is not None else [v.name for v in values]

    def __iter__(self) -> Iterator[Layer]:
        return iter(self.body)

    def walk(self) -> Iterator[Layer]:
        """All layers in the order of the text, those of nested regions included."""
        return self.body.walk()

    def symbols(self) -> list[str]:
        """Names of the dimension symbols of the arguments, in order of appearance."""
        seen: dict[str, None] = {}
        for argument in self.arguments:
            for symbol in sorted(argument.type.symbols()):
                seen[symbol] = None
        return list(seen)


class Module:
    """A compilation unit: functions, and constants by name."""

    def __init__(self, functions: Sequence[Function] = ()) -> None:
        self.functions: dict[str, Function] = {f.name: f for f in functions}
        self.constants: dict[str, Constant] = {}
        self.weights_file: str | None = None
        """Name (relative to the IR text) of the safetensors file that holds the constants too large to stand inline."""

    @property
    def main(self) -> Function:
        """The network.

        Raises:
            IRError: P003, there is none.
        """
        if "main" not in self.functions:
            raise IRError(Diagnostic("P003", "there is no net @main", hint="@main is the net that is run and tuned"))
        return self.functions["main"]

    def walk(self) -> Iterator[Layer]:
        """All layers of all functions."""
        for function in self.functions.values():
            yield from function.walk()

    def add_constant(self, name: str, data: Array) -> Constant:
        """Add a constant; a number is appended to the name if it is taken."""
        # Not ascontiguousarray, which makes a vector of a scalar.
        return self.adopt(Constant(self.free_name(name), np.asarray(data, order="C")))

    def adopt(self, constant: Constant) -> Constant:
        """Add a constant object under its own, free name."""
        assert constant.name not in self.constants, constant.name
        self.constants[constant.name] = constant
        return constant

    def free_name(self, name: str) -> str:
        """`name`, or `name.1`, `name.2`, ... if constants have that name already."""
        candidate, n = name, 0
        while candidate in self.constants:
            n += 1
            candidate = f"{name}.{n}"
        return candidate

    def constants_in_types(self) -> set[str]:
        """Names of the constants that types name as scales and zero points: types of values, and of constants that are
        read."""
        values = [
            *(v for f in self.functions.values() for v in f.body.values()),
            *filter(_is_read, self.constants.values()),
        ]
        return {name for v in values for name in v.type.constant_names()}

    def drop_unused_constants(self) -> int:
        """Remove constants that no layer reads and no type of what remains names; returns how many."""
        named = self.constants_in_types()
        unused = [name for name, c in self.constants.items() if not c.users and name not in named]
        for name in unused:
            del self.constants[name]
        return len(unused)

    def clone(self) -> Module:
        """A deep copy of the structure; constants' data are shared."""
        from plait.ir.clone import clone_module

        return clone_module(self)

    def __eq__(self, other: object) -> bool:
        """Same text and same constants."""
        if not isinstance(other, Module):
            return NotImplemented
        from plait.ir.text.printer import print_module

        return print_module(self) == print_module(other) and all(
            _same_data(c, other.constants[n]) for n, c in self.constants.items()
        )

    __hash__ = None  # type: ignore[assignment]

    def __str__(self) -> str:
        from plait.ir.text.printer import print_module

        return print_module(self)


def _is_read(constant: Constant) -> bool:
    return bool(constant.users)


def _same_data(a: Constant, b: Constant) -> bool:
    if not (a.has_data and b.has_data):
        return a.has_data == b.has_data
    return np.array_equal(a.data, b.data, equal_nan=a.type.dtype.is_inexact)
