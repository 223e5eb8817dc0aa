"""Solvers as text: names, options, errors with their places."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import attrs
import pytest

from plait.passes.selection import Problem, Solution, SolveOptions, SolverError, register_solver, solver
from plait.passes.selection import solvers as registry
from plait.passes.selection.solver_text import read_solver
from plait.passes.selection.solvers.annealing import Annealing
from plait.passes.selection.solvers.beam import Beam
from plait.passes.selection.solvers.pbqp import Pbqp


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("beam", Beam()),
        ("beam{}", Beam()),
        (" beam { width = 7 } ", Beam(7)),
        ("annealing{heat=0.5,seed=1}", Annealing(seed=1, heat=0.5)),
        ("pbqp{graph=pairwise}", Pbqp("pairwise")),
        ('pbqp{graph="pairwise"}', Pbqp("pairwise")),
    ],
)
def test_options(text: str, wanted: object) -> None:
    assert solver(text) == wanted


@pytest.mark.parametrize(
    ("text", "column", "end", "message"),
    [
        ("", 1, 2, "expected the name of a solver"),
        ("{width=1}", 1, 2, "expected the name of a solver"),
        ("beem", 1, 5, "no solver 'beem'"),
        (" beem{width=1}", 2, 6, "no solver 'beem'"),
        ("beam{", 5, 6, "this brace is not closed"),
        ("beam exact", 6, 11, "unexpected 'exact' after the solver"),
        ("beam{wide=3}", 6, 10, "solver beam has no option 'wide'"),
        ("exact{width=3}", 7, 12, "solver exact has no option 'width'"),
        ("beam{width=3,width=4}", 14, 19, "option 'width' is given twice"),
        ("beam{width=-1}", 6, 11, "option width of solver beam: wants an integer of at least 0, got -1"),
        ("beam{width=many}", 6, 11, "option width of solver beam: wants an integer of at least 0, got 'many'"),
        ("min_sum{damping=1.5}", 9, 16, "option damping of solver min_sum: wants a number from 0 to 0.99, got 1.5"),
        ("pbqp{graph=tree}", 6, 11, "option graph of solver pbqp: wants star or pairwise, got 'tree'"),
        ("exact{dominance=1}", 7, 16, "option dominance of solver exact: wants true or false, got 1"),
        ("exact{table_limit=true}", 7, 18, "option table_limit of solver exact: wants an integer, got True"),
    ],
)
def test_errors(text: str, column: int, end: int, message: str) -> None:
    with pytest.raises(SolverError) as caught:
        solver(text)
    (found,) = caught.value.diagnostics
    assert found.code == "P703" and found.message.startswith(message)
    assert found.span is not None
    assert (found.span.line, found.span.column, found.span.end) == (1, column, end)


def test_a_near_miss_is_suggested() -> None:
    with pytest.raises(SolverError, match="did you mean beam") as caught:
        solver("beem")
    assert isinstance(caught.value, ValueError) and caught.value.exit_code == 2


def test_common_options_reach_every_solver(make_chain: Callable[..., Problem]) -> None:
    problem = make_chain(12)
    text = solver("brute_force{brute_limit=3}")
    with pytest.raises(ValueError, match="the limit is 3"):
        text(problem)
    with pytest.raises(ValueError, match="the limit is 3"):
        text(problem, SolveOptions(brute_limit=10**9))


@pytest.fixture
def own_registry(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(registry, "_registry", registry._registry.copy())
    yield


@pytest.mark.usefixtures("own_registry")
def test_options_of_own_solvers(make_chain: Callable[..., Problem]) -> None:
    @register_solver("mine")
    @attrs.frozen
    class Mine:
        """The best of mine."""

        start: str

        def __call__(self, problem: Problem, options: SolveOptions = SolveOptions()) -> Solution:
            return attrs.evolve(solver(self.start)(problem, options), solver="mine")

    with pytest.raises(SolverError, match="solver mine needs option start"):
        solver("mine")
    answer = solver("mine{start=greedy}")(make_chain(12))
    assert (answer.solver, registry.solver_summary("mine")) == ("mine", "The best of mine.")


def test_commands_are_taken_as_they_are() -> None:
    assert read_solver("exec:./my_solver --width 3").options == {"command": "./my_solver --width 3"}


def test_every_solver_has_a_summary() -> None:
    for name in registry.loadable_solvers():
        assert 20 < len(registry.solver_summary(name)) < 120, name
