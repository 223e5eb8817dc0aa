"""The runner of the laboratory: limits, failures, logs, and what records say together."""

from __future__ import annotations

import itertools
import math
import os
import time
from collections.abc import Iterator
from pathlib import Path

import attrs
import numpy as np
import pytest

from benchmarks.selection.records import Limits, Record, contradictions, read_records, references
from benchmarks.selection.runner import run_all
from benchmarks.selection.suites import instance
from plait.passes.selection import Problem, ProblemError, Solution, SolveOptions, register_solver, solver

CHAIN = "chain:8/f3/r4/s0"
ROOMY = Limits(20.0, 500)
_numbers = itertools.count()


def record(behave: object, limits: Limits = ROOMY) -> Record:
    """What a run of a solver gives that is a function."""
    name = f"laboratory_{next(_numbers)}"
    register_solver(name)(behave)  # type: ignore[type-var]
    (found,) = run_all([CHAIN], [name], limits, instance)
    return found


def test_a_proven_plan() -> None:
    best = solver("exact")(instance(CHAIN))
    (found,) = run_all([CHAIN], ["exact"], Limits(), instance)
    assert (found.status, found.cost, found.bound) == ("optimal", best.cost, best.cost)
    assert found.memory is not None and 0 <= found.memory < 500
    assert found.layers == len(instance(CHAIN).layers)


def test_a_solver_that_does_not_end_is_killed() -> None:
    def hang(problem: Problem, options: SolveOptions) -> Solution:
        time.sleep(3600)
        raise AssertionError

    found = record(hang, Limits(0.1, 500))
    assert (found.status, found.cost, found.seconds) == ("timeout", None, 0.1)


def test_a_solver_that_takes_too_much_memory() -> None:
    def greedy(problem: Problem, options: SolveOptions) -> Solution:
        np.ones(2**28)
        raise AssertionError

    found = record(greedy)
    assert (found.status, found.message) == ("memory", "more than 500 MiB")


def test_a_solver_that_ends_the_process() -> None:
    found = record(lambda problem, options: os._exit(3))
    assert (found.status, found.message) == ("crashed", "ended with status 3")


def test_a_solver_that_raises() -> None:
    def defect(problem: Problem, options: SolveOptions) -> Solution:
        raise KeyError("oh")

    def refusal(problem: Problem, options: SolveOptions) -> Solution:
        raise ProblemError("too many formats")

    assert record(defect).message == "KeyError: 'oh'"
    assert (record(refusal).status, record(refusal).message) == ("refused", "too many formats")


def test_a_plan_that_does_not_hold_is_wrong() -> None:
    def liar(problem: Problem, options: SolveOptions) -> Solution:
        best = solver("exact")(problem, options)
        return attrs.evolve(best, cost=best.cost / 2, bound=best.cost / 2)

    found = record(liar)
    assert found.status == "wrong" and found.message
    assert not found.found


def test_what_the_log_has_is_not_run_again(tmp_path: Path) -> None:
    log = tmp_path / "deep" / "log.jsonl"
    runs = tmp_path / "runs"

    def counted(problem: Problem, options: SolveOptions) -> Solution:
        if problem == instance(CHAIN):  # and not what it warms up with
            with open(runs, "a") as file:
                file.write("run\n")
        return solver("greedy")(problem, options)

    name = f"laboratory_{next(_numbers)}"
    register_solver(name)(counted)

    def again(limits: Limits = ROOMY) -> Iterator[Record]:
        return run_all([CHAIN], [name], limits, instance, log)

    first = list(again())
    assert list(again()) == first == read_records(log)
    assert runs.read_text() == "run\n"
    list(again(Limits(3.0)))
    assert runs.read_text() == "run\nrun\n", "other limits, another run"
    log.write_text(log.read_text() + '{"instance": "cut o')
    assert len(read_records(log)) == 2


def made(name: str, cost: float | None, bound: float | None, status: str = "feasible") -> Record:
    return Record("net", "0", name, Limits(), 9, status, cost, bound)


def test_the_reference_is_the_best_of_all_runs() -> None:
    runs = [made("a", 12.0, 5.0), made("b", 10.0, 0.0), made("c", None, None, "timeout"), made("d", 1.0, 0.0, "wrong")]
    best = references(runs)["net"]
    assert (best.cost, best.bound, best.proven) == (10.0, 5.0, False)
    assert [best.gap(r) for r in runs] == [pytest.approx(0.2), 0.0, math.inf, math.inf]
    assert references([*runs, made("e", 11.0, 10.0)])["net"].proven


def test_bounds_above_plans_are_told() -> None:
    assert contradictions([made("a", 12.0, 5.0), made("b", 10.0, 10.0)]) == []
    assert contradictions([made("a", 12.0, 11.0), made("b", 10.0, 10.0)]) == [
        "net: a claims the bound 11.0, there is a plan of 10.0"
    ]
