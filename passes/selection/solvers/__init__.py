"""Solvers of the routine-selection problem, by name.

A solver is registered as ``module:function`` and imported when first asked for; plug-ins use
``register_solver``.  All of them take a ``Problem`` and ``SolveOptions`` and return a ``Solution`` that
carries a proven lower bound.
"""

from __future__ import annotations

from importlib import import_module
from typing import cast

from plait.passes.selection.options import Solver

_SOLVERS: dict[str, str] = {}


def register_solver(name: str, target: str) -> None:
    """Make ``target`` ("module:function") known as ``name``; a taken name is an error."""
    if name in _SOLVERS:
        raise ValueError(f"solver {name!r} is given by both {_SOLVERS[name]} and {target}")
    _SOLVERS[name] = target


def known_solvers() -> tuple[str, ...]:
    """Names of all solvers, in order of registration."""
    return tuple(_SOLVERS)


def solver(name: str) -> Solver:
    """The solver of that name."""
    if name not in _SOLVERS:
        raise ValueError(f"no solver {name!r}; known are {', '.join(known_solvers())}")
    module, _, function = _SOLVERS[name].partition(":")
    return cast(Solver, getattr(import_module(module), function))


for _name in ("exact", "greedy", "single_format", "fastest", "brute_force"):
    register_solver(_name, f"{__name__}.{_name}:solve")
