"""Programs as solvers: the example, the ways in and out, and every way to fail."""

from __future__ import annotations

import json
import shlex
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from plait.passes.selection import Problem, SolveOptions, check, solution_to_json, solver
from plait.passes.selection.solvers.external import External, ExternalSolverError

MakeProblem = Callable[..., Problem]
EXAMPLE = shlex.quote(str(Path(__file__).resolve().parents[3] / "examples/solver/random_plans.py"))
PYTHON = shlex.quote(sys.executable)


@pytest.fixture
def program(tmp_path: Path) -> Callable[[str], str]:
    """A command that runs some Python code with ``json``, ``sys`` and the ``problem`` at hand."""

    def write(code: str, read: str = "json.load(sys.stdin)") -> str:
        (tmp_path / "program.py").write_text(f"import json, sys\nproblem = {read}\n{code}\n")
        return f"{PYTHON} -S {shlex.quote(str(tmp_path / 'program.py'))}"

    return write


def answer_of(problem: Problem, **changes: object) -> str:
    body = solution_to_json(problem, solver("exact")(problem)) | changes
    return f"print({json.dumps(body)!r})"


def test_the_example(make_random: MakeProblem) -> None:
    for seed in range(4):
        problem = make_random(seed)
        best, answer = solver("brute_force")(problem), solver(f"exec:{PYTHON} {EXAMPLE} --plans 300")(problem)
        assert check(problem, answer) == ()
        assert answer.bound is not None and answer.bound <= best.cost <= answer.cost
        assert answer.status == "unknown" if best.status == "infeasible" else answer.found


def test_claims_of_optimality_do_not_count(program: Callable[[str], str], make_chain: MakeProblem) -> None:
    problem = make_chain(12)
    best = solver("exact")(problem)
    answer = solver("exec:" + program(answer_of(problem)))(problem)
    assert (answer.cost, answer.choice, answer.solver) == (best.cost, best.choice, "exec")
    assert answer.status == "feasible" and answer.bound is not None and answer.bound < best.cost
    claim = {"schema": "routine-selection-solution/1", "status": "infeasible"}
    assert solver("exec:" + program(f"print({json.dumps(claim)!r})"))(problem).status == "unknown"


def test_files_instead_of_pipes(tmp_path: Path, make_chain: MakeProblem) -> None:
    problem = make_chain(12)
    code = "import sys, json\nproblem = json.load(open(sys.argv[1]))\nassert len(problem['layers']) == 12\n"
    code += f"open(sys.argv[2], 'w').write({json.dumps(solution_to_json(problem, solver('exact')(problem)))!r})\n"
    (tmp_path / "with files.py").write_text(code)
    command = f"{PYTHON} -S '{tmp_path}/with files.py' {{problem}} {{solution}}"
    assert External(command)(problem).cost == solver("exact")(problem).cost


def test_a_cost_may_differ_in_its_last_digits(program: Callable[[str], str], make_chain: MakeProblem) -> None:
    problem = make_chain(12)
    cost = solver("exact")(problem).cost
    assert External(program(answer_of(problem, cost=cost * (1 + 1e-12))))(problem).cost == cost
    assert External(program(answer_of(problem, cost=None)))(problem).cost == cost
    assert External(program(answer_of(problem, conversions=None)))(problem).cost == cost


@pytest.mark.parametrize(
    ("code", "message"),
    [
        ("sys.exit(3)", "ended with status 3"),
        ("sys.exit('no such algorithm')", "ended with status 1\n  hint: it said: no such algorithm"),
        ("import os, signal; os.kill(os.getpid(), signal.SIGSEGV)", "was ended by SIGSEGV"),
        ("import time; time.sleep(60)", "took longer than 1 s"),
        ("print('thinking')", "gave no valid solution: line 1: not JSON"),
        ("pass", "gave no valid solution: line 1: not JSON"),
        ("sys.stdout.buffer.write(b'\\xff')", "gave no valid solution: its answer: is not UTF-8"),
        ("print('[1]')", "gave no valid solution"),
        ("print('{}')", "gave no valid solution"),
        ("print(NAN)", "NaN is no number of JSON"),
        ("print(SHORT)", "gave no valid solution: choice: has 1 entries, the problem has 12 layers"),
        ("print(MISSING)", "gave no valid solution: choice[0]: routine 7 of layer 0 ('input') does not exist"),
        ("print(CHEAP)", "gave a wrong solution: it claims cost 0.5, its parts sum to"),
        ("print(BOUND)", "gave a wrong solution: its bound 1000000.0 is above its cost"),
        ("print(UNSERVED)", "gave a wrong solution: value"),
        ("print(NOWHERE)", "gave a wrong solution: conversion (99, 0, 1) is out of range"),
    ],
)
def test_failures(code: str, message: str, program: Callable[[str], str], make_chain: MakeProblem) -> None:
    problem = make_chain(12)
    body = solution_to_json(problem, solver("exact")(problem))
    assert body["conversions"]
    wrong = {
        "NAN": body | {"cost": float("nan")},
        "SHORT": body | {"choice": [0]},
        "MISSING": body | {"choice": [7, *body["choice"][1:]]},
        "CHEAP": body | {"cost": 0.5},
        "BOUND": body | {"bound": 1e6},
        "UNSERVED": body | {"conversions": [], "cost": None},
        "NOWHERE": body | {"conversions": [[99, 0, 1]], "cost": None},
    }
    for name, text in wrong.items():
        code = code.replace(name, repr(json.dumps(text)))
    with pytest.raises(ExternalSolverError) as caught:
        External(program(code))(problem, SolveOptions(time_limit=1.0 if "sleep" in code else 60.0))
    (found,) = caught.value.diagnostics
    assert found.code == "P704"
    assert message in str(found), str(found)


def test_the_memory_limit_reaches_the_program(program: Callable[[str], str], make_chain: MakeProblem) -> None:
    pytest.importorskip("resource")
    problem = make_chain(12)
    command = program("everything = bytearray(1 << 30)\n" + answer_of(problem))
    with pytest.raises(ExternalSolverError, match=r"ended with status 1\n  hint: its memory was limited to 400 MiB.*"):
        External(command, memory=400)(problem)
    assert External(program(answer_of(problem)), memory=400)(problem).found


def test_commands_that_cannot_run(tmp_path: Path, make_chain: MakeProblem) -> None:
    problem = make_chain(12)
    for command, message in [
        ("/nowhere/solver", "cannot be started: there is no such program"),
        ("'unfinished", "cannot be read: No closing quotation"),
        (f"{PYTHON} -c 'print(1)' {{solution}}", "wrote no solution file"),
    ]:
        with pytest.raises(ExternalSolverError, match=message):
            External(command)(problem)


def test_what_a_program_starts_ends_with_it(tmp_path: Path, make_chain: MakeProblem) -> None:
    """A child that keeps standard output open must not keep us waiting beyond the limit."""
    code = "import subprocess, sys; subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)'])"
    (tmp_path / "parent.py").write_text(code)
    with pytest.raises(ExternalSolverError, match="took longer than 2 s"):
        External(f"{PYTHON} {shlex.quote(str(tmp_path))}/parent.py")(make_chain(12), SolveOptions(time_limit=2.0))
