"""Whether the programs that a package stores are what its IR is lowered to."""

from __future__ import annotations

import json

import numpy as np

from plait.backends.build import build
from plait.backends.package import Package
from plait.backends.stored import Stored, store


def verify_programs(package: Package) -> tuple[str, ...]:
    """Lower every plan whose program would run here, and compare; returns the device keys of these plans.

    Raises:
        PackageError: P402, a program differs from its plan.
        RoutineError: P403, a plan cannot be lowered.
    """
    checked = [key for key in package.plans if not package.why_no_program(key)]
    for key in checked:
        stored = package.stored(key)
        assert stored is not None
        lowered = store(build(package.module(key), stored.record["threads"]))
        if lowered is None or not _same(stored, lowered):
            raise package.damaged(f"the program of {key} is not what its IR is lowered to")
    return tuple(checked)


def _same(a: Stored, b: Stored) -> bool:
    return (
        json.dumps(a.record, sort_keys=True) == json.dumps(b.record, sort_keys=True)
        and len(a.constants) == len(b.constants)
        and all(np.array_equal(x, y) for x, y in zip(a.constants, b.constants, strict=True))
    )
