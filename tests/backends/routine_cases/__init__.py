"""Cases for every routine: layers of each kind with shapes below, at and above the blocks of the kernels.

A file for each family of layers has their `KINDS`: kind -> what yields the cases. `check(kind)` runs each case on each
routine that takes it and compares with the layer's NumPy reference. Run as a program (`python -m routine_cases`, from
this folder's parent) the package prints the failures as JSON; so the tests reach ISA levels below the one that this
process was started with (`PLAIT_MAX_ISA`).
"""

from __future__ import annotations

import functools

from plait.backends.routine import known_routines
from routine_cases import (
    blocks,
    conversion,
    convolution,
    elementwise,
    linear,
    movement,
    narrow,
    normalization,
    pooling,
    quantized,
)
from routine_cases.case import Case
from routine_cases.running import check_case, ways

_FAMILIES = (
    elementwise,
    convolution,
    blocks,
    linear,
    pooling,
    normalization,
    movement,
    conversion,
    quantized,
    narrow,
)
KINDS = tuple(dict.fromkeys(kind for family in _FAMILIES for kind in family.KINDS))


@functools.cache
def cases(kind: str) -> tuple[Case, ...]:
    """The cases of one kind of layer."""
    return tuple(case for family in _FAMILIES if kind in family.KINDS for case in family.KINDS[kind]())


def check(kind: str) -> list[str]:
    """Failures of all routines of one kind of layer on all its cases."""
    failures = []
    for case in cases(kind):
        wanted = case.reference()
        for routine in known_routines(kind):
            if routine.refuse(case.layer) is not None:
                continue
            for variant in ways(routine, case):
                try:
                    problem = check_case(case, wanted, routine, variant)
                except Exception as error:
                    problem = f"{type(error).__name__}: {error}"
                if problem:
                    failures.append(f"{case.name} by {routine.path_with(variant)}: {problem}")
    return failures
