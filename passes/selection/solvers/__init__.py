"""Solvers of the routine-selection problem, by name.

Built-in ones are imported when first asked for; others come from ``@register_solver(name)``, or by entry points of the
group ``plait.solvers`` (name = module:function).  All of them take a ``Problem`` and ``SolveOptions`` and return a
``Solution`` that carries a proven lower bound.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from plait.ir.named_registry import Registry
from plait.ir.plugins import origin_of
from plait.passes.selection.options import Solver

S = TypeVar("S", bound=Solver)

_BUILTIN = ("exact", "greedy", "single_format", "fastest", "brute_force")


def _problem(name: str, thing: Any) -> str:
    return "" if callable(thing) else f"{thing!r} cannot be called"


_registry: Registry[Solver] = Registry(
    "solver", "plait.solvers", {name: f"{__name__}.{name}:solve" for name in _BUILTIN}, problem=_problem
)


def register_solver(name: str) -> Callable[[S], S]:
    """Decorator: make a function known as the solver ``name``.

    Raises:
        PluginError: P602, the name is taken; the message names both owners.
    """

    def register(solve: S) -> S:
        _registry.add(name, solve, origin_of(solve))
        return solve

    return register


def known_solvers() -> tuple[str, ...]:
    """Names of all solvers, built-in ones first.  Imports none of them."""
    return _registry.names()


def solver(name: str) -> Solver:
    """The solver of that name.

    Raises:
        ValueError: there is none.
        PluginError: the plug-in that has it cannot be loaded, or two parties have it.
    """
    found = _registry.find(name)
    if found is None:
        raise ValueError(f"no solver {name!r}; known are {', '.join(known_solvers())}")
    return found


def solver_owner(name: str) -> str:
    """Who gives a solver: ``plait``, a distribution and its version, or a file."""
    return _registry.owner(name)
