"""Step-by-step construction of a ``Problem``, for code that walks a model."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence

from plait.passes.selection.conversion import Sharing
from plait.passes.selection.problem import (
    Adapts,
    Format,
    LayerSpec,
    Matrix,
    Problem,
    ProblemError,
    Routine,
    RoutineTable,
    ValueSpec,
)


class ProblemBuilder:
    """Collects formats, conversions, routine tables and layers; ``build`` validates.

    Formats are given by name throughout; everything else by the index that the adding method returns.

        b = ProblemBuilder(["f32.nchw", "f32.nhwc"])
        size = b.adapts({("f32.nchw", "f32.nhwc"): 3.0, ("f32.nhwc", "f32.nchw"): 3.5})
        x = b.input("x", "f32.nchw", size)
        relu = b.table("relu 1x64x56x56", [b.routine("vec", ["f32.nhwc"], ["f32.nhwc"], 12.5)])
        (y,) = b.layer("relu_1", relu, [x], [size])
        b.output("y", y, "f32.nchw")
        problem = b.build()
    """

    def __init__(
        self, formats: Iterable[str | Format], *, sharing: Sharing = "tree", unit: str = "us", name: str = ""
    ) -> None:
        self._formats = tuple(f if isinstance(f, Format) else Format(f) for f in formats)
        self._index = {f.name: i for i, f in enumerate(self._formats)}
        self._sharing: Sharing = sharing
        self._unit = unit
        self._name = name
        self._adapts: dict[Matrix, int] = {}
        self._values: list[ValueSpec] = []
        self._tables: dict[str, tuple[int, RoutineTable]] = {}
        self._layers: list[LayerSpec] = []

    def format(self, name: str) -> int:
        """Index of a format."""
        if name not in self._index:
            raise ProblemError(f"unknown format {name!r}; known are {', '.join(self._index)}")
        return self._index[name]

    def adapts(self, costs: Mapping[tuple[str, str], float]) -> int:
        """Index of the conversion costs {(from, to): cost}; pairs left out have no direct conversion."""
        count = len(self._formats)
        rows = [[0.0 if f == g else math.inf for g in range(count)] for f in range(count)]
        for (source, target), cost in costs.items():
            rows[self.format(source)][self.format(target)] = float(cost)
        return self._adapts.setdefault(tuple(map(tuple, rows)), len(self._adapts))

    def routine(
        self,
        name: str,
        inputs: Iterable[str],
        outputs: Iterable[str],
        cost: float,
        *,
        std: float | None = None,
        samples: int | None = None,
        resources: Mapping[str, float] | None = None,
    ) -> Routine:
        """A routine whose ports are given by format names."""
        ports_in = tuple(self.format(f) for f in inputs)
        ports_out = tuple(self.format(f) for f in outputs)
        return Routine(name, ports_in, ports_out, float(cost), std, samples, resources or {})

    def table(self, signature: str, routines: Iterable[Routine]) -> int:
        """Index of the table of a layer signature; repeating it with equal routines is no error."""
        table = RoutineTable(signature, tuple(routines))
        number, known = self._tables.setdefault(signature, (len(self._tables), table))
        if known != table:
            raise ProblemError(f"table {signature!r} is given twice with different routines")
        return number

    def has_table(self, signature: str) -> bool:
        """Whether the signature already has a table: spares collecting its routines again."""
        return signature in self._tables

    def table_index(self, signature: str) -> int:
        """Index of a table given before."""
        if signature not in self._tables:
            raise ProblemError(f"no table for signature {signature!r}")
        return self._tables[signature][0]

    def value(self, adapts: int, *, elements: int = 0, name: str = "") -> int:
        """A new value; some layer must list it among its outputs."""
        self._values.append(ValueSpec(adapts, elements, name))
        return len(self._values) - 1

    def layer(
        self, name: str, table: int, inputs: Sequence[int], adapts: Sequence[int], *, op: str = ""
    ) -> tuple[int, ...]:
        """Add the next layer of the schedule; one new value per entry of ``adapts``, returned in order."""
        outputs = tuple(self.value(a, name=name if q == 0 else f"{name}.{q}") for q, a in enumerate(adapts))
        self.place(name, table, inputs, outputs, op=op)
        return outputs

    def place(self, name: str, table: int, inputs: Sequence[int], outputs: Sequence[int], *, op: str = "") -> None:
        """Add the next layer of the schedule over values made by ``value``."""
        self._layers.append(LayerSpec(name, table, tuple(inputs), tuple(outputs), op))

    def input(self, name: str, format: str, adapts: int, *, elements: int = 0) -> int:
        """A graph input that arrives in one format; returns its value."""
        value = self.value(adapts, elements=elements, name=name)
        table = self.table(f"input {format}", [self.routine(format, [], [format], 0.0)])
        self.place(name, table, (), (value,), op="input")
        return value

    def output(self, name: str, value: int, format: str) -> None:
        """A graph output that must leave in one format."""
        table = self.table(f"output {format}", [self.routine(format, [format], [], 0.0)])
        self.place(name, table, (value,), (), op="output")

    def build(self) -> Problem:
        """The validated problem."""
        return Problem(
            self._formats,
            tuple(Adapts(matrix) for matrix in self._adapts),
            tuple(self._values),
            tuple(table for _, table in self._tables.values()),
            tuple(self._layers),
            self._sharing,
            self._unit,
            name=self._name,
        )
