"""Compares the exact solver with reference solutions that another program made.

A folder holds problems `NAME.json` (`routine-selection/1`) and solutions `NAME.sol.json`
(`routine-selection-solution/1`). A program fills it when called as `PROGRAM suite FOLDER --seed SEED --solve`.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import attrs

from benchmarks.support.markdown import MarkdownTable, number
from plait.passes.selection import Problem, SolveOptions, check, read_problem, solver

TOLERANCE = 1e-6
"""By how much, relative to the cost, ours and the reference may differ."""
NARROW = 2
"""Width up to which a problem counts as narrow."""


class OracleError(ValueError):
    """A program that makes reference solutions failed."""


def folders_of(oracle: Path, seeds: Sequence[int], keep: Path) -> list[Path]:
    """The folder itself, or folders that the program ``oracle`` fills below ``keep``, one for each seed.

    What is there already is not made again; a folder gets its name when it is complete.

    Raises:
        OracleError: the program ends with an error.
    """
    if oracle.is_dir():
        return [oracle]
    found = []
    for seed in seeds:
        folder = keep / f"seed-{seed}"
        if not folder.exists():
            part = folder.with_name(f"{folder.name}.part")
            command = [sys.executable, str(oracle), "suite", str(part), "--seed", str(seed), "--solve"]
            done = subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, check=False)
            if done.returncode:
                last = done.stderr.strip().rpartition("\n")[2]
                raise OracleError(f"{oracle} ended with status {done.returncode}: {last}")
            part.rename(folder)
        found.append(folder)
    return found


@attrs.frozen
class Comparison:
    """Our answer beside the reference. ``complaint`` is empty where they agree."""

    name: str
    layers: int
    width: int | None
    budgeted: bool
    status: str
    reference_status: str
    cost: float | None
    reference: float | None
    seconds: float
    complaint: str


def compare_all(folders: Iterable[Path], solver_text: str = "exact") -> Iterator[Comparison]:
    """All problems of folders that have a reference solution."""
    for folder in folders:
        for path in sorted(folder.glob("*.json")):
            reference = path.with_suffix(".sol.json")
            if reference.exists():
                yield compare(path, json.loads(reference.read_text(encoding="utf-8")), solver_text)


def compare(path: Path, reference: dict[str, object], solver_text: str = "exact") -> Comparison:
    """One problem, solved and compared with a reference solution."""
    problem = read_problem(path)
    solution = solver(solver_text)(problem, SolveOptions(time_limit=60.0))
    known = reference.get("cost")
    cost = float(known) if isinstance(known, int | float) else None
    complaints = check(problem, solution) or _disagreement(problem, solution.status, solution.cost, reference, cost)
    if solution.found and solution.bound is None:
        complaints = ("it has no bound",)
    return Comparison(
        f"{path.parent.name}/{path.stem}",
        len(problem.layers),
        solution.width,
        bool(problem.budgets),
        solution.status,
        str(reference.get("status")),
        solution.cost if solution.found else None,
        cost,
        solution.seconds,
        complaints[0] if complaints else "",
    )


def _disagreement(
    problem: Problem, status: str, cost: float, reference: dict[str, object], known: float | None
) -> tuple[str, ...]:
    """A sentence where the answers cannot both be right, or ours is not proven."""
    theirs = reference.get("status")
    if status not in ("optimal", "infeasible"):
        return (f"nothing is proven: {status}",)
    if (status == "infeasible") != (theirs == "infeasible"):
        return (f"it says {status}, the reference {theirs}",)
    if known is None or status == "infeasible":
        return ()
    room = TOLERANCE * max(1.0, abs(known))
    # A reference that is not proven may be beaten.
    if cost > known + room or (theirs == "optimal" and cost < known - room):
        return (f"it costs {cost!r}, the reference {known!r}",)
    return ()


def markdown(found: Sequence[Comparison]) -> str:
    """Figures of all comparisons, and the ones that disagree."""
    table = MarkdownTable(("problems", ">number", ">agree", ">median s", ">worst s", ">worst width"))
    groups = {
        "without budgets": [c for c in found if not c.budgeted],
        f"of these, width at most {NARROW}": [
            c for c in found if not c.budgeted and c.width is not None and c.width <= NARROW
        ],
        "with budgets": [c for c in found if c.budgeted],
    }
    for title, some in groups.items():
        times = sorted(c.seconds for c in some)
        agree = sum(not c.complaint for c in some)
        width = max((c.width for c in some if c.width is not None), default=None)
        table.add(
            title,
            len(some),
            agree,
            number(times[len(times) // 2] if times else None, ".3f"),
            number(times[-1] if times else None, ".3f"),
            "-" if width is None else width,
        )
    lines = [str(table)]
    slowest = max(found, key=lambda c: c.seconds, default=None)
    if slowest is not None:
        lines.append(f"Slowest: {slowest.name}, {slowest.seconds:.3f} s at width {slowest.width}.")
    lines += [f"- {c.name}: {c.complaint}" for c in found if c.complaint]
    return "\n\n".join(lines) + "\n"
