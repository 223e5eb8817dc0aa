"""`plait tune`: choose routines and write a package."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from plait.cli.common import (
    DATABASE,
    DIMS,
    FILE,
    JSON,
    MODEL,
    ROUTINES,
    THREADS,
    Count,
    Seconds,
    check_output,
    load_static,
    warnings_shown,
)
from plait.cli.output import note, print_json
from plait.cli.progress import measuring
from plait.cli.tune_precision import check_precision, precision_of, precision_options, show_front, show_precision
from plait.cli.tune_report import show_report

if TYPE_CHECKING:
    from plait.tuning import TuningReport
    from plait.tuning.api import TunedModel
    from plait.tuning.precision.front import Front


@click.command("tune")
@click.argument("model", type=MODEL)
@click.option(
    "-o",
    "--output",
    type=FILE,
    help="The package to write (default: the model's name with .plait, in this folder); "
    "an .ir file for the tuned text. A package of the same model keeps its plans for other machines and threads.",
)
@click.option("--threads", type=THREADS, default=1, show_default=True, help="Threads that each layer may use.")
@ROUTINES
@DATABASE
@click.option(
    "--solver",
    metavar="SOLVER",
    default="exact",
    show_default=True,
    help="How to choose, with options, such as beam{width=128} (see `plait solvers`).",
)
@click.option(
    "--state",
    type=click.Choice(("hot", "streamed", "cold", "in_place")),
    default="streamed",
    show_default=True,
    help="Where data are when a sample begins: all in cache; images in cache and weights in memory; all in memory; "
    "wherever a run of the whole network leaves them.",
)
@click.option("--exhaustive", is_flag=True, help="Measure every entry, not only those that decide.")
@click.option(
    "--budget",
    type=Seconds(),
    help="Time for measuring, such as 30s or 2m; then the best plan so far is written, with its proven gap.",
)
@click.option("--retry-failed", is_flag=True, help="Measure again what crashed, hung or failed before.")
@click.option(
    "--race",
    type=Count(min=0),
    default=3,
    show_default=True,
    help="How many of the best plans, if predictions are too close to tell, are run in turns before one is kept. "
    "0: the plan is not even run once.",
)
@click.option(
    "--worker",
    "workers",
    multiple=True,
    metavar="COMMAND",
    help="Measure by the worker that a command starts, such as 'ssh board plait worker' (see `plait worker`). May be "
    "repeated: workers of a class of machines share the work.",
)
@click.option(
    "--jobs",
    type=Count(min=1),
    help="Measure by N workers of this machine at the same time, each on --threads cores that no other has.",
)
@click.option(
    "--class",
    "kind",
    default="",
    metavar="CLASS",
    help="Tune for this class of machines, if the workers are of several (its name, or the beginning).",
)
@click.option(
    "--max-error",
    type=click.FloatRange(min=0),
    metavar="ERROR",
    help="Choose no routine that is farther from the reference, such as 1e-5: the 2-norm of the difference over that "
    "of the reference, on random numbers.",
)
@DIMS
@click.option(
    "-p",
    "--pipeline",
    default="default",
    metavar="PASSES",
    show_default=True,
    help="Passes to run first (see `plait passes`).",
)
@click.option(
    "--packed/--no-packed",
    default=True,
    show_default=True,
    help="Whether to store packed weights beside the original ones: a larger package that opens in milliseconds.",
)
@precision_options
@click.option("-q", "--quiet", is_flag=True, help="Show no progress.")
@JSON
@click.pass_context
def command(
    context: click.Context,
    /,
    model: Path,
    output: Path | None,
    threads: int,
    routines: tuple[str, ...],
    db: Path | None,
    solver: str,
    state: str,
    exhaustive: bool,
    budget: float | None,
    race: int,
    retry_failed: bool,
    workers: tuple[str, ...],
    jobs: int | None,
    kind: str,
    max_error: float | None,
    dims: tuple[tuple[str, int], ...],
    pipeline: str,
    packed: bool,
    quiet: bool,
    as_json: bool,
    **accuracy: Any,
) -> None:
    """Choose a routine for every layer of MODEL from measured times, and write a package.

    Only what decides is measured: every other routine has a lower bound on its time that proves it no better.
    Measurements are kept in the profile database: what is known is not measured again. Interrupting loses nothing: the
    best plan so far is written, with its proven gap, and the same command goes on from there.

    With --max-loss layers compute in several precisions: the fastest mix that was found to lose no more accuracy than
    that over all samples.
    """
    import plait
    from plait.passes import selection
    from plait.tuning.api import TuneOptions

    selection.solver(solver)  # a wrong one is said before the model is read
    if max_error is not None and state == "in_place":
        raise click.UsageError("--max-error is not for --state in_place: whole networks run there, not routines alone")
    mixed = check_precision(accuracy, context)
    output = check_output(output or Path(model.stem + ".plait"), inputs=[model])
    module = load_static(model, dims)
    with warnings_shown(), measuring(not quiet and not as_json) as progress:
        options = TuneOptions(
            state,
            exhaustive,
            budget,
            interruptible=True,
            race=race,
            watch=progress.watch,
            retry_failed=retry_failed,
            workers=workers,
            jobs=jobs or 0,
            kind=kind,
            max_error=max_error,
        )
        common: dict[str, Any] = {"routines": routines, "db": db, "solver": solver, "options": options}
        common.update(threads=threads, progress=progress)
        if not mixed:
            tuned = plait.tune(module, pipeline=pipeline, **common)
        else:
            precision = precision_of(accuracy, threads, progress.runs)
            if accuracy["pareto"] is not None:
                front = plait.pareto(module, accuracy["pareto"], precision=precision, **common)
            else:
                tuned = plait.tune(module, precision=precision, **common)
    if accuracy["pareto"] is None:
        _write_plan(tuned, output, packed, as_json)
    else:
        _write_front(front, accuracy["plot"], as_json)


def _write_front(front: Front, plot: Path | None, as_json: bool) -> None:
    if as_json:
        print_json(front.to_json())
    else:
        show_front(front)
    if plot is not None:
        front.plot(plot)
        click.echo(f"wrote {plot}", err=True)


def _write_plan(tuned: TunedModel, output: Path, packed: bool, as_json: bool) -> None:
    stopped = _stopped(tuned.report)
    if output.suffix == ".ir":
        from plait.ir.text import save_ir

        save_ir(tuned.module, output)
        plans: tuple[str, ...] = ()
        done = "wrote"
    else:
        saved = tuned.write(output, packed=packed)
        if saved.replaced:
            note(f"{output} was not a package of this model; it is replaced")
        plans, done = saved.plans, "nothing new for" if saved.unchanged else "wrote"
    if as_json:
        mixed = {} if tuned.precision is None else {"precision": tuned.precision.to_json()}
        print_json({**tuned.report.to_json(), **mixed, "output": str(output), "plans": plans})
    else:
        show_report(tuned.report)
        if tuned.precision is not None:
            show_precision(tuned.precision)
        others = [p for p in plans if p != tuned.report.device]
        kept = f" (beside {', '.join(others)})" if others else ""
        click.echo(f"{done} {output}: plan {tuned.report.device}{kept}", err=True)
    if stopped == "interrupt":
        raise KeyboardInterrupt


def _stopped(report: TuningReport) -> str:
    """Why the search ended before its proof, or nothing.

    Raises:
        KeyboardInterrupt: that early that no plan has been measured.
        click.ClickException: so little time was given.
    """
    certificate = report.certificate
    if certificate is None or not certificate.stopped:
        return "interrupt" if report.interrupted else ""
    if certificate.guessed and certificate.stopped == "interrupt":
        note(f"{report.measured} measurements are kept; there is no plan yet")
        raise KeyboardInterrupt
    if certificate.guessed:
        raise click.ClickException(
            f"the budget was over before any plan was measured: {certificate.guessed} layers are without; "
            "what was measured is kept: run the command again, or with more time"
        )
    return certificate.stopped
