"""toulbar2 through its Python package (extra ``toulbar2``): branch and bound on the cost function network.

De Givry, Schiex and others (https://toulbar2.github.io/toulbar2). It runs in a process of its own, since it keeps its
options in global variables and writes to standard output.
"""

from __future__ import annotations

import importlib.util
import json
import math
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from plait.passes.selection.conflict import find_conflict
from plait.passes.selection.exporters.cfn import network
from plait.passes.selection.options import SolveOptions
from plait.passes.selection.problem import Problem, ProblemError, refuse_budgets
from plait.passes.selection.solution import Solution, evaluate
from plait.passes.selection.solvers.common import cheap_bound, infeasible, nothing_found, priced
from plait.passes.selection.solvers.exact import chosen

NAME = "toulbar2"
_START = 60.0
"""Seconds beyond its own limit after which the process is ended."""
_CHILD = """
import json, sys
import pytoulbar2
network = pytoulbar2.CFN()
try:
    network.Read(sys.argv[1])
    found = network.Solve(timeLimit=int(sys.argv[2]))
except network.Contradiction:
    found = None
states = list(found[0]) if found else None
bound = network.GetDDualBound() if found else None
print()
print(json.dumps({"states": states, "bound": bound}))
"""


def solve(problem: Problem, options: SolveOptions = SolveOptions()) -> Solution:
    """Branch and bound by toulbar2 (extra); the optimum, or plan and bound when `time_limit` is over.

    Raises:
        ProblemError: pytoulbar2 is not installed, or failed.
    """
    refuse_budgets(problem, NAME)
    if importlib.util.find_spec("pytoulbar2") is None:
        raise ProblemError("solver 'toulbar2' needs pytoulbar2: pip install 'plait[toulbar2]'")
    started = time.perf_counter()
    written = network(problem, dominance=options.dominance)
    found = _run(written.text, options.time_limit)
    bound = cheap_bound(problem)
    if found is None or found["states"] is None:
        conflict = find_conflict(problem, written.kept, options.table_limit)
        if conflict:
            return infeasible(solver=NAME, started=started, conflict=conflict)
        return nothing_found(solver=NAME, started=started, bound=bound)
    choice = chosen(written.kept, tuple(found["states"]))
    evaluated = evaluate(problem, choice)
    cost, rounding = evaluated[0], 2 * written.rounding + 1e-12 * abs(evaluated[0])
    lower = found["bound"]
    # What it proves is the optimum of the rounded costs.
    bound = cost if lower >= cost - rounding else max(bound, lower - rounding)
    return priced(problem, choice, solver=NAME, started=started, bound=bound, evaluated=evaluated)


def _run(text: str, seconds: float) -> dict[str, Any] | None:
    """States and bound of a network; None when toulbar2 had to be ended."""
    with tempfile.TemporaryDirectory(prefix="plait-toulbar2-") as folder:
        file = Path(folder) / "problem.cfn"
        file.write_text(text, encoding="utf-8")
        command = [sys.executable, "-c", _CHILD, str(file), str(max(1, math.ceil(seconds)))]
        try:
            done = subprocess.run(command, capture_output=True, text=True, timeout=seconds + _START)
        except subprocess.TimeoutExpired:
            return None
    try:
        found: dict[str, Any] = json.loads(_last(done.stdout))
    except ValueError:
        said = (done.stderr.strip() or done.stdout.strip()).splitlines()[-1:]
        raise ProblemError(f"toulbar2 failed with status {done.returncode}: {' '.join(said)}") from None
    return found


def _last(text: str) -> str:
    """The last line of a text."""
    return (text.strip().splitlines() or [""])[-1]
