"""Solvers by text, looked up when asked for: what is built in, and plug-ins.

A solver of another distribution is an entry point of the group ``plait.solvers``; one in a script is
registered with ``@register_solver``. All of them take a ``Problem`` and ``SolveOptions`` and return a
``Solution`` that carries a proven lower bound.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any, TypeVar

import attrs

from plait.ir.named_registry import Registry
from plait.ir.plugins import origin_of
from plait.passes.selection.options import Solver
from plait.passes.selection.solver_text import configured, read_solver, unknown_solver

S = TypeVar("S", bound=Callable[..., Any])

_BUILTIN = {
    "exact": "exact:solve",
    "greedy": "greedy:solve",
    "single_format": "single_format:solve",
    "fastest": "fastest:solve",
    "chain_dp": "chain_dp:solve",
    "path_dp": "path_dp:solve",
    "pbqp": "pbqp:Pbqp",
    "beam": "beam:Beam",
    "coordinate_descent": "coordinate_descent:CoordinateDescent",
    "annealing": "annealing:Annealing",
    "lns": "lns:Lns",
    "min_sum": "min_sum:MinSum",
    "frontier": "frontier:solve",
    "highs": "highs:solve",
    "toulbar2": "toulbar2:solve",
    "brute_force": "brute_force:solve",
    "exec": "external:External",
}


def _problem(name: str, thing: Any) -> str:
    return "" if callable(thing) else f"{thing!r} cannot be called"


_registry: Registry[Callable[..., Any]] = Registry(
    "solver",
    "plait.solvers",
    {name: f"{__name__}.{target}" for name, target in _BUILTIN.items()},
    problem=_problem,
)


def register_solver(name: str) -> Callable[[S], S]:
    """Decorator: make a function, or an attrs class whose fields are options, known as the solver ``name``.

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


def solver(text: str) -> Solver:
    """The solver of a text: ``exact``, ``beam{width=128}``, ``exec:./my_solver --fast``.

    Raises:
        SolverError: P703, there is none of that name, or an option is wrong.
        PluginError: the plug-in that has it cannot be loaded, or two parties have it.
    """
    read = read_solver(text)
    found = _registry.find(read.name)
    if found is None:
        raise unknown_solver(read, known_solvers())
    return configured(found, read)


def loadable_solvers() -> dict[str, Callable[..., Any]]:
    """All solvers by name, as they are registered; those that cannot be loaded are reported as a warning."""
    return _registry.all()


def solver_summary(name: str) -> str:
    """The first line of what the documentation string of a solver says."""
    lines = (inspect.getdoc(_registry.find(name)) or "").splitlines()
    return lines[0] if lines else ""


def solver_options(name: str) -> dict[str, Any]:
    """The options of a solver's own with their defaults, None for those that have to be given."""
    thing = _registry.find(name)
    fields = attrs.fields(thing) if isinstance(thing, type) and attrs.has(thing) else ()
    return {f.name: None if f.default is attrs.NOTHING else f.default for f in fields}


def solver_owner(name: str) -> str:
    """Who gives a solver: ``plait``, a distribution and its version, or a file."""
    return _registry.owner(name)
