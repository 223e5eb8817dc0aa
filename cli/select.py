"""`plait select`: routine selection on its own, from a problem to a proven choice."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import attrs
import click

from plait.cli.common import DATABASE, DIMS, FILE, JSON, MODEL, MODEL_OR_STDIN, ROUTINES, THREADS, check_output
from plait.cli.output import print_json

if TYPE_CHECKING:
    from plait.passes.selection import Problem, Solution, SolveOptions
    from plait.passes.selection.conversion import Sharing
    from plait.passes.selection.makespan import Transfers
    from plait.passes.selection.restrict import Restriction
    from plait.passes.selection.sensitivity import LayerSensitivity


class BudgetType(click.ParamType):  # type: ignore[type-arg]
    """`energy=120`: a resource and its limit."""

    name = "RESOURCE=LIMIT"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[str, float]:
        if isinstance(value, tuple):
            return value
        resource, _, limit = str(value).rpartition("=")
        with contextlib.suppress(ValueError):
            if resource and abs(float(limit)) < float("inf"):
                return resource, float(limit)
        self.fail(f"{value!r} is not of the form RESOURCE=LIMIT, such as energy=120", param, ctx)


@attrs.frozen
class Wishes:
    """The command line of `plait select`."""

    source: Path
    solution_file: Path | None
    output: Path | None
    solver_name: str
    sharing: Sharing | None
    routines: tuple[str, ...]
    export: Path | None
    budgets: tuple[tuple[str, float], ...]
    pareto: str | None
    to: str | None
    best: int | None
    sensitive: bool
    checking: bool
    objective: str
    transfers: Transfers
    trace: Path | None
    time_limit: float | None
    verbose: bool
    threads: int
    db: Path | None
    dims: tuple[tuple[str, int], ...]
    as_json: bool

    @property
    def options(self) -> SolveOptions:
        """Limits for the solver."""
        from plait.passes.selection import SolveOptions

        return SolveOptions() if self.time_limit is None else SolveOptions(time_limit=self.time_limit)


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
@click.option(
    "--budget",
    "budgets",
    type=BudgetType(),
    multiple=True,
    help="Limit a resource: the sum of its use, of memory the peak along the schedule. May be repeated.",
)
@click.option("--pareto", metavar="RESOURCE", help="Show what using less of a resource costs.")
@click.option(
    "--to",
    type=click.Choice(["json", "cfn", "mps"]),
    help="What --export writes: the problem itself, a cost function network, an integer program (default: by suffix).",
)
@click.option("--best", type=click.IntRange(min=1), metavar="N", help="Show the N best plans instead of one.")
@click.option(
    "--sensitivity", "sensitive", is_flag=True, help="Show how firmly each choice stands (-v: of every routine)."
)
@click.option("--check", "checking", is_flag=True, help="Check SOLUTION.json against PROBLEM.json.")
@click.option(
    "--objective",
    type=click.Choice(["sum", "makespan"]),
    default="sum",
    show_default=True,
    help="What to keep small: the sum of all costs, or when the last layer is done with devices at work side by side.",
)
@click.option(
    "--transfers",
    type=click.Choice(["both", "neither"]),
    default="both",
    show_default=True,
    help="Which devices a conversion between two of them keeps busy.",
)
@click.option("--trace", type=FILE, help="Write what each device does when, for Perfetto or chrome://tracing.")
@click.option("--time-limit", type=click.FloatRange(min=0), metavar="S", help="Seconds for solvers that take long.")
@click.option("-v", "--verbose", is_flag=True, help="Show the routine of every layer, and the conversions.")
@click.option("--threads", type=THREADS, default=1, show_default=True, help="Of a model: threads each layer may use.")
@DATABASE
@DIMS
@JSON
def command(**given: Any) -> None:
    """Choose a routine for every layer of a selection problem, so that routines and conversions together cost least.

    The problem is a JSON file (docs/selection-format.md). Of a MODEL it is made from measured times, as `plait tune`
    does; --export writes it.
    """
    wishes = Wishes(**given)
    if wishes.solver_name == "?":
        _list_solvers()
        return
    _check_usage(wishes)
    with selection_errors():
        _run(wishes)


def _check_usage(wishes: Wishes) -> None:
    if wishes.checking != (wishes.solution_file is not None):
        raise click.UsageError(
            "--check takes a problem and a solution: plait select --check PROBLEM.json SOLUTION.json"
        )
    if wishes.to is not None and wishes.export is None:
        raise click.UsageError("--to goes with --export")
    if wishes.sensitive and (wishes.objective, wishes.best, wishes.pareto) != ("sum", None, None):
        raise click.UsageError("--sensitivity goes with one plan of the least sum")
    if wishes.trace is not None and wishes.objective != "makespan":
        raise click.UsageError("--trace goes with --objective makespan")
    for file in (wishes.output, wishes.export, wishes.trace):
        if file is not None and str(file) != "-":
            check_output(file, inputs=[wishes.source])


def _run(wishes: Wishes) -> None:
    from plait.cli.select_problem import export_problem, forced, obtain

    problem = obtain(wishes)
    if wishes.solution_file is not None:
        _check(problem, wishes.solution_file, wishes.as_json)
        return
    restriction = forced(problem, wishes)
    asked = restriction.problem if restriction else problem
    if wishes.export is not None:
        export_problem(asked, wishes.export, wishes.to)
    elif wishes.pareto is not None:
        _pareto(asked, wishes, wishes.pareto)
    elif wishes.best is not None:
        _n_best(asked, wishes, wishes.best)
    elif wishes.objective == "makespan":
        _makespan(problem, restriction, wishes)
    else:
        _solve(problem, restriction, wishes)


def _check(problem: Problem, file: Path, as_json: bool) -> None:
    from plait.cli.select_show import show_check
    from plait.passes.selection import read_solution

    if not show_check(problem, read_solution(problem, file), as_json):
        click.get_current_context().exit(1)


def _solve(problem: Problem, restriction: Restriction | None, wishes: Wishes) -> None:
    from plait.cli.select_show import show_solution
    from plait.passes.selection import solver

    asked = restriction.problem if restriction else problem
    found = solver(wishes.solver_name)(asked, wishes.options)
    _write(problem, restriction.widened(found) if restriction else found, wishes.output)
    layers = _sensitivity(asked, found, wishes) if wishes.sensitive and found.found else None
    if str(wishes.output) != "-" and (found.found or wishes.as_json):
        show_solution(asked, found, wishes.as_json, wishes.verbose, layers)
    _demand_plan(problem, found)


def _sensitivity(problem: Problem, solution: Solution, wishes: Wishes) -> tuple[LayerSensitivity, ...]:
    from plait.passes.selection.sensitivity import sensitivity

    if solution.status != "optimal":
        raise _error(f"sensitivity is defined for an optimal plan, this one is {solution.status}")
    return sensitivity(problem, solution, wishes.options)


def _n_best(problem: Problem, wishes: Wishes, count: int) -> None:
    from plait.cli.select_show import show_ranking
    from plait.passes.selection.nbest import n_best

    ranking = n_best(problem, count, wishes.options)
    if ranking.solutions:
        _write(problem, ranking.solutions[0], wishes.output)
    if ranking.solutions or wishes.as_json:
        show_ranking(problem, ranking, wishes.as_json)
    if not ranking.solutions:
        from plait.passes.selection import solver

        _demand_plan(problem, solver("exact")(problem, wishes.options))


def _makespan(problem: Problem, restriction: Restriction | None, wishes: Wishes) -> None:
    from plait.cli.select_show import show_scheduled
    from plait.ir.files import write_text
    from plait.passes.selection.makespan import chrome_trace, minimize_makespan

    asked = restriction.problem if restriction else problem
    found = minimize_makespan(asked, wishes.options, transfers=wishes.transfers)
    extra: dict[str, Any] = {}
    if found.timeline is not None:
        extra = {"objective": "makespan", "makespan": found.timeline.makespan, "makespan_bound": found.bound}
    _write(problem, restriction.widened(found.solution) if restriction else found.solution, wishes.output, extra)
    if wishes.trace is not None and found.timeline is not None:
        import json

        write_text(wishes.trace, json.dumps(chrome_trace(asked, found.timeline)) + "\n")
    if str(wishes.output) != "-" and (found.timeline is not None or wishes.as_json):
        show_scheduled(asked, found, wishes.as_json, wishes.verbose)
    _demand_plan(problem, found.solution)


def _pareto(problem: Problem, wishes: Wishes, resource: str) -> None:
    from plait.cli.select_show import show_front
    from plait.passes.selection.budgets import pareto_front

    front = pareto_front(problem, resource, options=wishes.options)
    show_front(problem, resource, front, wishes.as_json)
    if not front:
        raise _error(f"{problem.name or 'the problem'}: no plan was found")


def _list_solvers() -> None:
    from plait.passes.selection import known_solvers
    from plait.passes.selection.solvers import solver_owner

    for name in known_solvers():
        owner = solver_owner(name)
        click.echo(name if owner == "plait" else f"{name}  ({owner})")


@contextlib.contextmanager
def selection_errors() -> Iterator[None]:
    """What a solver or the making of a problem refuses, as an error for people."""
    from plait.passes.selection import ProblemError

    try:
        yield
    except ProblemError as error:
        raise _error(str(error)) from None


def _demand_plan(problem: Problem, solution: Solution) -> None:
    if not solution.found:
        raise _error(f"{problem.name or 'the problem'}: {solution.describe()}")


def _error(message: str) -> Exception:
    from plait.ir.diagnostics import Diagnostic
    from plait.passes.selection.json_files import NoPlanError

    return NoPlanError(Diagnostic("P702", message))


def _write(problem: Problem, solution: Solution, path: Path | None, extra: dict[str, Any] | None = None) -> None:
    import json

    from plait.ir.files import write_text
    from plait.passes.selection import solution_to_json

    body = solution_to_json(problem, solution) | (extra or {})
    if str(path) == "-":
        print_json(body)
    elif path is not None:
        write_text(path, json.dumps(body, separators=(",", ":")) + "\n")
