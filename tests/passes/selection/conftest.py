"""Small random selection problems for the tests.

All costs are multiples of 1/8, so that sums are exact in any order and optima compare with ``==``.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable
from typing import TypeAlias

import pytest

from plait.passes.selection import Adapts, Format, LayerSpec, Problem, Routine, RoutineTable, ValueSpec
from plait.passes.selection.conversion import SHARING_MODES

MakeProblem: TypeAlias = Callable[..., Problem]


@pytest.fixture(scope="session")
def make_random() -> MakeProblem:
    """``random_problem``, for test modules that can not import this one."""
    return random_problem


@pytest.fixture(scope="session")
def make_chain() -> MakeProblem:
    """``chain_problem``, likewise."""
    return chain_problem


def random_problem(seed: int) -> Problem:
    """A DAG of up to six layers: fan-out, joins, several outputs, missing conversions, ties, shared tables.

    The sharing mode goes round with the seed; about one problem in six is infeasible.
    """
    rng = random.Random(seed)
    formats = rng.randint(2, 4)
    adapts = tuple(_adapts(rng, formats) for _ in range(rng.randint(1, 2)))
    layers: list[LayerSpec] = []
    tables: dict[tuple[int, int], list[int]] = {}
    made: list[RoutineTable] = []
    values: list[ValueSpec] = []
    for number in range(rng.randint(2, 6)):
        ports_in = min(rng.choice([0, 1, 1, 1, 2, 2, 3]), 3 if values else 0)
        ports_out = rng.choice([0, 1, 1, 1, 1, 2])
        shape = (ports_in, ports_out)
        if shape not in tables or rng.random() < 0.7:
            tables.setdefault(shape, []).append(len(made))
            made.append(_table(rng, formats, len(made), ports_in, ports_out))
        inputs = tuple(rng.randrange(len(values)) for _ in range(ports_in))
        outputs = tuple(range(len(values), len(values) + ports_out))
        values += [ValueSpec(rng.randrange(len(adapts))) for _ in outputs]
        layers.append(LayerSpec(f"layer{number}", rng.choice(tables[shape]), inputs, outputs))
    names = tuple(Format(f"f{f}") for f in range(formats))
    return Problem(names, adapts, tuple(values), tuple(made), tuple(layers), SHARING_MODES[seed % 3])


def _cost(rng: random.Random, most: int) -> float:
    return rng.randint(0, most) / 8


def _adapts(rng: random.Random, formats: int) -> Adapts:
    missing = rng.choice([0.0, 0.2, 0.5, 0.8])
    most = rng.choice([8, 80, 800])
    return Adapts(
        tuple(
            tuple(0.0 if f == g else math.inf if rng.random() < missing else _cost(rng, most) for g in range(formats))
            for f in range(formats)
        )
    )


def _table(rng: random.Random, formats: int, number: int, ports_in: int, ports_out: int) -> RoutineTable:
    most = rng.choice([4, 80])
    uniform = rng.random() < 0.4
    routines = []
    for k in range(rng.randint(1, 4)):
        ports = [rng.randrange(formats) for _ in range(ports_in + ports_out)]
        if uniform:
            ports = ports[:1] * len(ports)
        routines.append(Routine(f"r{k}", tuple(ports[:ports_in]), tuple(ports[ports_in:]), _cost(rng, most)))
    return RoutineTable(f"table{number}", tuple(routines))


def chain_problem(layers: int, *, block: int = 0, formats: int = 4, seed: int = 0) -> Problem:
    """A chain; with ``block`` every so many layers a sum with the block's input, as in ResNets."""
    rng = random.Random(seed)
    adapts = Adapts(
        tuple(tuple(0.0 if f == g else rng.randint(8, 80) / 8 for g in range(formats)) for f in range(formats))
    )
    unary = [
        RoutineTable(
            f"conv{t}",
            tuple(
                Routine(f"r{k}", (rng.randrange(formats),), (rng.randrange(formats),), rng.randint(8, 400) / 8)
                for k in range(3 * formats)
            ),
        )
        for t in range(8)
    ]
    joined = RoutineTable("add", tuple(Routine(f"f{f}", (f, f), (f,), 1.0) for f in range(formats)))
    source = RoutineTable("input", (Routine("f0", (), (0,), 0.0),))
    specs, start = [LayerSpec("input", 9, (), (0,))], 0
    while len(specs) < layers:
        last = len(specs) - 1
        if block and len(specs) % block == 0:
            specs.append(LayerSpec(f"add{last}", 8, (last, start), (last + 1,)))
            start = last + 1
        else:
            specs.append(LayerSpec(f"conv{last}", rng.randrange(8), (last,), (last + 1,)))
    names = tuple(Format(f"f{f}") for f in range(formats))
    tables = (*unary, joined, source)
    return Problem(names, (adapts,), tuple(ValueSpec(0) for _ in specs), tables, tuple(specs))
