"""`plait select`: routine selection on its own, from a problem to a proven choice."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import attrs
import click

from plait.cli.common import DATABASE, DIMS, FILE, JSON, MODEL, MODEL_OR_STDIN, ROUTINES, THREADS, check_output
from plait.cli.output import note, print_json

if TYPE_CHECKING:
    from plait.passes.selection import Problem, Solution
    from plait.passes.selection.conversion import Sharing
    from plait.passes.selection.restrict import Restriction


@attrs.frozen
class Wishes:
    """What the command line asks of the solver."""

    solver: str
    time_limit: float | None = None


@click.command("select")
@click.argument("source", type=MODEL_OR_STDIN, metavar="PROBLEM.json|MODEL")
@click.argument("solution_file", type=MODEL, required=False, metavar="[SOLUTION.json]")
@click.option("-o", "--output", type=FILE, help="The solution to write (routine-selection-solution/1), `-` for stdout.")
@click.option(
    "--solver",
    "solver_name",
    metavar="NAME",
    default="exact",
    show_default=True,
    help="How to choose; `plait select --solver ?` lists the names.",
)
@click.option("--sharing", type=click.Choice(["none", "star", "tree"]), help="Price shared conversions in this way.")
@ROUTINES
@click.option("--export", type=FILE, help="Write the problem itself, such as that of a model, and do not solve it.")
@click.option("--check", "checking", is_flag=True, help="Check SOLUTION.json against PROBLEM.json.")
@click.option("--time-limit", type=click.FloatRange(min=0), metavar="S", help="Seconds for solvers that take long.")
@click.option("-v", "--verbose", is_flag=True, help="Show the routine of every layer, and the conversions.")
@click.option("--threads", type=THREADS, default=1, show_default=True, help="Of a model: threads each layer may use.")
@DATABASE
@DIMS
@JSON
def command(
    source: Path,
    solution_file: Path | None,
    output: Path | None,
    solver_name: str,
    sharing: Sharing | None,
    routines: tuple[str, ...],
    export: Path | None,
    checking: bool,
    time_limit: float | None,
    verbose: bool,
    threads: int,
    db: Path | None,
    dims: tuple[tuple[str, int], ...],
    as_json: bool,
) -> None:
    """Choose a routine for every layer of a selection problem, so that routines and conversions together cost least.

    The problem is a JSON file (docs/selection-format.md). Of a MODEL it is made from measured times, as `plait tune`
    does; --export writes it.
    """
    from plait.cli.select_show import show_check, show_solution

    if solver_name == "?":
        _list_solvers()
        return
    if checking != (solution_file is not None):
        raise click.UsageError(
            "--check takes a problem and a solution: plait select --check PROBLEM.json SOLUTION.json"
        )
    for file in (output, export):
        if file is not None and str(file) != "-":
            check_output(file, inputs=[source])
    is_problem = str(source) == "-" or _is_problem_file(source)
    problem = _read(source) if is_problem else _of_model(source, threads, routines, db, dims)
    if sharing is not None and sharing != problem.sharing:
        problem = attrs.evolve(problem, sharing=sharing)
    if solution_file is not None:
        from plait.passes.selection import read_solution

        if not show_check(problem, read_solution(problem, solution_file), as_json):
            click.get_current_context().exit(1)
        return
    restriction = _forced(problem, routines) if is_problem and routines else None
    if export is not None:
        _export(restriction.problem if restriction else problem, export)
        return
    with _solver_errors():
        found = _solve(restriction.problem if restriction else problem, Wishes(solver_name, time_limit))
    if output is not None:
        _write(problem, restriction.widened(found) if restriction else found, output)
    if str(output) != "-" and (found.found or as_json):
        show_solution(restriction.problem if restriction else problem, found, as_json, verbose)
    if not found.found:
        raise _no_plan(problem, found)


def _list_solvers() -> None:
    from plait.passes.selection import known_solvers
    from plait.passes.selection.solvers import solver_owner

    for name in known_solvers():
        owner = solver_owner(name)
        click.echo(name if owner == "plait" else f"{name}  ({owner})")


def _is_problem_file(path: Path) -> bool:
    """Whether a file is JSON rather than a model: it is called so, or starts with a brace."""
    if path.suffix == ".json":
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


def _of_model(
    path: Path, threads: int, routines: tuple[str, ...], db: Path | None, dims: tuple[tuple[str, int], ...]
) -> Problem:
    import plait
    from plait.cli.common import load_static
    from plait.cli.progress import measuring
    from plait.tuning.problem import problem_of

    module = plait.optimize(load_static(path, dims))
    with measuring() as progress, _solver_errors():
        built = problem_of(module, threads=threads, routines=routines, db=db, progress=progress, name=path.stem)
    return built.problem


def _forced(problem: Problem, routines: tuple[str, ...]) -> Restriction:
    from plait.backends.descriptor import RoutinePattern
    from plait.tuning.forcing import forced

    return forced(problem, [RoutinePattern.parse(text) for text in routines])


def _solve(problem: Problem, wishes: Wishes) -> Solution:
    from plait.passes.selection import SolveOptions, solver

    solve = solver(wishes.solver)
    options = SolveOptions()
    if wishes.time_limit is not None:
        options = attrs.evolve(options, time_limit=wishes.time_limit)
    return solve(problem, options)


@contextlib.contextmanager
def _solver_errors() -> Iterator[None]:
    """What a solver or the making of a problem refuses, as an error for people."""
    from plait.passes.selection import ProblemError

    try:
        yield
    except ProblemError as error:
        raise _error(str(error)) from None


def _no_plan(problem: Problem, solution: Solution) -> Exception:
    return _error(f"{problem.name or 'the problem'}: {solution.describe()}")


def _error(message: str) -> Exception:
    from plait.ir.diagnostics import Diagnostic
    from plait.passes.selection.json_files import NoPlanError

    return NoPlanError(Diagnostic("P702", message))


def _export(problem: Problem, path: Path) -> None:
    from plait.passes.selection import problem_to_json, write_problem

    if str(path) == "-":
        print_json(problem_to_json(problem))
        return
    write_problem(problem, path)
    entries = sum(len(table.routines) for table in problem.tables)
    note(
        f"wrote {path}: {len(problem.layers)} layers, {len(problem.tables)} tables with {entries} routines, "
        f"{len(problem.formats)} formats"
    )


def _write(problem: Problem, solution: Solution, path: Path) -> None:
    from plait.passes.selection import solution_to_json, write_solution

    if str(path) == "-":
        print_json(solution_to_json(problem, solution))
    else:
        write_solution(problem, solution, path)
