"""Where `plait select` gets its problem, and where it puts it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import attrs
import click

from plait.cli.output import note, print_json

if TYPE_CHECKING:
    from plait.cli.select import Wishes
    from plait.passes.selection import Problem
    from plait.passes.selection.restrict import Restriction


def obtain(wishes: Wishes) -> Problem:
    """The problem of a file or of a model, with the sharing mode and budgets that are asked for."""
    from plait.passes.selection import Budget

    problem = _read(wishes.source) if _is_problem(wishes.source) else _of_model(wishes)
    if wishes.sharing is not None and wishes.sharing != problem.sharing:
        problem = attrs.evolve(problem, sharing=wishes.sharing)
    if wishes.budgets:
        limits = {(resource, "peak" if resource == "memory" else "sum"): limit for resource, limit in wishes.budgets}
        kept = tuple(b for b in problem.budgets if (b.resource, b.kind) not in limits)
        added = tuple(Budget(*key, limit) for key, limit in limits.items())
        problem = attrs.evolve(problem, budgets=(*kept, *added))
    return problem


def forced(problem: Problem, wishes: Wishes) -> Restriction | None:
    """The problem with forced routines; None without any. Those of a model were left out when it was measured."""
    from plait.backends.descriptor import RoutinePattern
    from plait.tuning.forcing import forced as force

    if not wishes.routines or not _is_problem(wishes.source):
        return None
    return force(problem, [RoutinePattern.parse(text) for text in wishes.routines])


def _is_problem(path: Path) -> bool:
    """Whether a file is JSON rather than a model: standard input, a file that is called so, or starts with a brace."""
    if str(path) == "-" or path.suffix == ".json":
        return True
    with open(path, "rb") as file:
        return file.read(64).lstrip().startswith(b"{")


def _read(path: Path) -> Problem:
    from plait.passes.selection import problem_from_json, read_problem
    from plait.passes.selection.json_files import parse_json

    if str(path) != "-":
        return read_problem(path)
    with click.open_file("-", "rb") as file:
        return parse_json(file.read(), "<stdin>", problem_from_json)


def _of_model(wishes: Wishes) -> Problem:
    import plait
    from plait.cli.common import load_static
    from plait.cli.progress import measuring
    from plait.tuning.problem import problem_of

    module = plait.optimize(load_static(wishes.source, wishes.dims))
    with measuring() as progress:
        built = problem_of(
            module,
            threads=wishes.threads,
            routines=wishes.routines,
            db=wishes.db,
            progress=progress,
            name=wishes.source.stem,
        )
    return built.problem


def export_problem(problem: Problem, path: Path, form: str | None) -> None:
    """Write a problem in a form (None: what the suffix says, else JSON); `-` is standard output."""
    from plait.ir.files import write_text
    from plait.passes.selection import problem_to_json, write_problem
    from plait.passes.selection.exporters import EXPORTERS

    exporter = EXPORTERS.get(path.suffix if form is None else f".{form}")
    if exporter is not None:
        text = exporter(problem)
        if str(path) == "-":
            click.echo(text, nl=not text.endswith("\n"))
        else:
            write_text(path, text)
            note(f"wrote {path}")
        return
    if str(path) == "-":
        print_json(problem_to_json(problem))
        return
    write_problem(problem, path)
    entries = sum(len(table.routines) for table in problem.tables)
    note(
        f"wrote {path}: {len(problem.layers)} layers, {len(problem.tables)} tables with {entries} routines, "
        f"{len(problem.formats)} formats"
    )
