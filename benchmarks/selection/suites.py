"""Instances by name, and suites of them.

    TOPOLOGY[:LAYERS]/fFORMATS/rROUTINES/sSEED[/missing|/ties|/star|/none|/MACHINE]...
    measured/NETWORK
    PATH.json

`residual:1000/f6/r40/s3` has about 1,000 layers of the residual family; equal names give equal instances.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import attrs

from benchmarks.selection.costs import FORMATS, MACHINES, CostModel
from benchmarks.selection.topologies import REAL, topology
from benchmarks.selection.topologies.families import FAMILIES, STRESS
from plait.passes.selection import Problem, read_problem
from plait.passes.selection.conversion import Sharing

MEASURED = Path(__file__).parent / "measured"
MISSING = 0.4
"""Share of routines left out of instances with `missing`."""
_SHARINGS: Mapping[str, Sharing] = {"star": "star", "none": "none"}


class InstanceError(ValueError):
    """There is no such instance; the message says why."""


def instance(name: str) -> Problem:
    """The problem of a name.

    Raises:
        InstanceError: the name is none.
    """
    if name.endswith(".json"):
        return read_problem(name)
    first, *rest = name.split("/")
    if first == "measured":
        return _measured("/".join(rest))
    family, _, layers = first.partition(":")
    if family not in (*REAL, *FAMILIES, *STRESS):
        known = ", ".join((*FAMILIES, *STRESS, *REAL))
        raise InstanceError(f"{name}: there is no topology {family!r}; known are {known}")
    model = CostModel()
    sharing: Sharing = "tree"
    for word in rest:
        if word in _SHARINGS:
            sharing = _SHARINGS[word]
        else:
            model = _with(model, word, name)
    try:
        graph = topology(family, int(layers or 60), model.seed)
    except ValueError:
        raise InstanceError(f"{name}: {layers!r} is no number of layers") from None
    return attrs.evolve(model.problem(graph, name), sharing=sharing)


def _with(model: CostModel, word: str, name: str) -> CostModel:
    """The cost model with what one word of a name says."""
    if word == "missing":
        return attrs.evolve(model, missing=MISSING)
    if word == "ties":
        return attrs.evolve(model, ties=True)
    if word in MACHINES:
        return attrs.evolve(model, machine=MACHINES[word])
    if word[:1] not in ("f", "r", "s") or not word[1:].isdigit():
        raise InstanceError(f"{name}: {word!r} is neither fN, rN, sN, missing, ties, star, none nor a machine")
    number = int(word[1:])
    if word[0] == "r":
        return attrs.evolve(model, routines=number)
    if word[0] == "s":
        return attrs.evolve(model, seed=number)
    if not 1 <= number <= len(FORMATS):
        raise InstanceError(f"{name}: there are 1 to {len(FORMATS)} formats")
    return attrs.evolve(model, formats=number)


def _measured(network: str) -> Problem:
    path = MEASURED / f"{network}.json"
    if not path.exists():
        known = ", ".join(sorted(p.stem for p in MEASURED.glob("*.json")))
        raise InstanceError(f"no measured costs of {network!r}; there are {known}")
    return read_problem(path)


def _named(topologies: tuple[str, ...], sizes: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(f"{family}/{size}" for family in topologies for size in sizes)


_SIZES = ("f4/r12/s0", "f6/r40/s1", "f8/r60/s2")
_MEASURED = tuple(f"measured/{path.stem}" for path in sorted(MEASURED.glob("*.json")))
_STRESS = (
    *_named(tuple(STRESS), _SIZES),
    *_named(("residual", "inception"), ("f6/r40/s3/missing", "f6/r40/s3/ties", "f6/r40/s3/star", "f6/r40/s3/none")),
)
SUITES: Mapping[str, tuple[str, ...]] = {
    "tiny": ("chain:8/f3/r4/s0", "residual:14/f4/r8/s0", "fan_out:12/f4/r8/s0/missing"),
    "synthetic": _named(tuple(FAMILIES), _SIZES),
    "stress": _STRESS,
    "real": _named(REAL, _SIZES),
    "measured": _MEASURED,
    "scale": tuple(
        f"{family}:{layers}/f6/r40/s4"
        for family in ("chain", "residual", "cells", "pyramid")
        for layers in (1_000, 10_000, 100_000)
    ),
    # What solvers are compared on: every family and network once, at the middle size.
    "compare": (*_named((*FAMILIES, *STRESS), ("f6/r40/s1",)), *_named(REAL, ("f6/r40/s1",)), *_MEASURED),
}
