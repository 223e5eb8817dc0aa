"""Integer programs as free MPS: the program that ``highs`` solves, for any solver of mixed integer programs.

Columns ``x<layer>_<routine>`` say which routine (by its index in the problem) runs a layer; the others stand for ways
to make the copies of values. All are between 0 and 1.
"""

from __future__ import annotations

import math

from plait.passes.selection.cheapest_ways import cheapest_ways, unshared
from plait.passes.selection.exporters.names import plain
from plait.passes.selection.ilp import Program, Rows
from plait.passes.selection.problem import Problem, refuse_budgets
from plait.passes.selection.reductions import reduce


def to_mps(problem: Problem) -> str:
    """A problem as an integer program.

    Raises:
        ProblemError: the problem has budgets, or a value may be wanted in too many formats.
    """
    refuse_budgets(problem, "mps")
    kept = reduce(problem)
    stated = unshared(problem) if problem.sharing == "none" else problem
    program = Program(stated, kept, cheapest_ways(stated, kept))
    names = [f"c{column}" for column in range(len(program.lp.cost))]
    for layer, columns in enumerate(program.x):
        for routine, column in columns.items():
            names[column] = f"x{layer}_{routine}"
    return mps_text(program.lp, names, plain(problem.name) or "problem")


def mps_text(program: Rows, names: list[str], title: str) -> str:
    """A program in free MPS; ``names`` of its columns."""
    kinds = [_kind(least, most) for least, most in zip(program.least, program.most, strict=True)]
    lines = [f"NAME {title}", "ROWS", " N cost", *(f" {kind} r{row}" for row, (kind, _) in enumerate(kinds)), "COLUMNS"]
    entries: list[list[str]] = [[] for _ in names]
    for row, column, entry in zip(program.rows, program.columns, program.entries, strict=True):
        if entry:
            entries[column].append(f" {names[column]} r{row} {entry!r}")
    inside = False
    for column, name in enumerate(names):
        if program.integer[column] != inside:
            inside = program.integer[column]
            lines.append(f" M{column} 'MARKER' '{'INTORG' if inside else 'INTEND'}'")
        lines += [f" {name} cost {program.cost[column]!r}", *entries[column]]
    if inside:
        lines.append(" M 'MARKER' 'INTEND'")
    lines += ["RHS", *(f" rhs r{row} {right!r}" for row, (_, right) in enumerate(kinds) if right)]
    lines += ["BOUNDS", *(f" UP bound {name} 1" for name in names), "ENDATA", ""]
    return "\n".join(lines)


def _kind(least: float, most: float) -> tuple[str, float]:
    """Sense and right side of a row."""
    if least == most:
        return "E", least
    assert math.isinf(least) != math.isinf(most), "rows have one finite side"
    return ("G", least) if math.isinf(most) else ("L", most)
