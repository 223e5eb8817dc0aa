"""`plait tune` under a bound on accuracy: its options, and what it reports."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click
from click.core import ParameterSource

from plait.cli.calibration import (
    CALIBRATION,
    calibration_options,
    check_calibration,
    given_samples,
    pictures_of,
    quantize_options,
)
from plait.cli.common import FILE, Count, check_output
from plait.cli.output import Table, milliseconds

if TYPE_CHECKING:
    from plait.tuning.calibration import Progress
    from plait.tuning.precision.front import Front
    from plait.tuning.precision.options import PrecisionOptions
    from plait.tuning.precision.report import PrecisionReport

Command = TypeVar("Command", bound=Callable[..., Any])
FIGURES = (".png", ".svg", ".pdf")
"""Ends of the names of figures."""
_OPTIONS = (
    click.option(
        "--dtype",
        "dtypes",
        default="float32,qint8,bfloat16",
        metavar="DTYPES",
        show_default=True,
        help="With --max-loss or --pareto: the precisions that layers may have, of float32, qint8, bfloat16, float16.",
    ),
    click.option(
        "--max-loss",
        metavar="LOSS",
        help="Mix precisions: the fastest plan that loses no more accuracy than that, such as 1%, 0.01, or 20dB for "
        "sqnr. Needs samples, by --calibrate.",
    ),
    click.option(
        "--metric",
        default="top1",
        metavar="METRIC",
        show_default=True,
        help="How the loss is measured: top1, the share of samples with another class; sqnr, the ratio of noise to "
        "signal; or module:function.",
    ),
    click.option(
        "--pareto", type=Count(min=2), help="Instead of a package: N plans, from the most accurate to the fastest."
    ),
    click.option("--plot", type=FILE, help="With --pareto: write a figure, too (needs matplotlib)."),
)
NAMES = ("dtypes", "max_loss", "metric", "pareto", "plot", *CALIBRATION)
"""The parameters that `precision_options` adds."""

_NOT_MIXED = {
    "pipeline": "the passes that prepare them are fixed",
    "solver": "only the exact one keeps a budget of loss",
    "max_error": "the loss of the network is bounded instead",
    "budget": "every entry of each precision is measured",
    "exhaustive": "every entry of each precision is measured anyway",
}
"""Options of `tune` that go with one precision only."""


def precision_options(command: Command) -> Command:
    """Add the options of choosing precisions, and those of calibration."""
    command = calibration_options(command)
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


def check_precision(given: dict[str, Any], context: click.Context) -> bool:
    """Whether precisions are to be chosen. What contradicts itself is refused.

    Raises:
        click.UsageError: options do not fit together.
        click.ClickException: a figure is wanted, and matplotlib is missing.
    """
    said = [_flag(context, name) for name in NAMES if _is_given(context, name)]
    if given["max_loss"] is None and given["pareto"] is None:
        if said:
            raise click.UsageError(f"{said[0]} needs --max-loss LOSS, such as 1%, or --pareto N")
        return False
    if given["max_loss"] is not None and given["pareto"] is not None:
        raise click.UsageError("--pareto shows plans of every loss; give --max-loss for one plan")
    if given["pareto"] is not None and _is_given(context, "output"):
        raise click.UsageError("--pareto writes no package; give --max-loss for one plan")
    if given["plot"] is not None:
        _check_plot(given)
    for name, reason in _NOT_MIXED.items():
        if _is_given(context, name):
            raise click.UsageError(f"{_flag(context, name)} is not for mixed precisions: {reason}")
    if context.params["state"] == "in_place":
        raise click.UsageError("--state in_place is not for mixed precisions: layers are measured alone")
    check_calibration(given)
    return True


def _check_plot(given: dict[str, Any]) -> None:
    path: Path = given["plot"]
    if given["pareto"] is None:
        raise click.UsageError("--plot draws what --pareto N finds")
    if path.suffix.lower() not in FIGURES:
        raise click.UsageError(f"--plot {path}: figures are {', '.join(FIGURES)} files")
    check_output(path)
    if importlib.util.find_spec("matplotlib") is None:
        raise click.ClickException("--plot needs the package matplotlib: pip install matplotlib")


def precision_of(given: dict[str, Any], threads: int, progress: Progress) -> PrecisionOptions:
    """What the options ask for.

    Raises:
        click.UsageError: a precision is unknown, or the bound is none.
        MetricError: P521, there is no such metric.
    """
    from plait.tuning.precision.metrics import metric_of
    from plait.tuning.precision.options import PrecisionOptions

    metric = metric_of(given["metric"])
    try:
        options = PrecisionOptions(
            given_samples(given),
            precisions=given["dtypes"],
            metric=metric,
            max_loss=given["max_loss"] or 0.0,
            quantize=quantize_options(given, threads, report_samples=0),
            pictures=pictures_of(given),
            seed=given["seed"],
            progress=progress,
        )
    except ValueError as error:
        raise click.UsageError(str(error)) from None
    if len(options.precisions) == 1:
        raise click.UsageError(f"--dtype {given['dtypes']} leaves nothing to choose from")
    return options


def show_precision(report: PrecisionReport) -> None:
    """Layers that have more bits than they might, with the reasons, and the loss of the whole."""

    order = ("loss", "rule", "time")
    click.echo()
    table = Table(("plan", ">ms", f">loss by {report.metric}", ">sum of noise", "layers", ""))
    for plan in report.plans:
        time_us = plan.predicted_us if plan.measured_us is None else plan.measured_us
        about = "" if plan.measured_us is not None else "~"
        fate = "kept" if plan.kept else "loses too much" if plan.loss > report.max_loss else ""
        table.add(
            plan.kind,
            about + milliseconds(time_us),
            *_losses(report.metric, plan.loss, plan.summed),
            _layers(plan.layers),
            fate,
            dim=not plan.kept,
        )
    table.show()
    rows = sorted((r for r in report.rows if r.kept), key=lambda r: (order.index(r.kept), r.index))
    if rows:
        click.echo()
        table = Table((">#", "layer", "op", "dtype", "why not fewer bits"))
        for row in rows:
            table.add(row.index, row.name, row.op, row.precision, row.why, dim=row.kept != "loss")
        table.show()
    click.echo()
    click.echo(report.summary())


def show_front(front: Front) -> None:
    """The plans of a front."""
    table = Table((">ms", f">loss by {front.metric}", ">sum of noise", "layers"))
    for point in front.points:
        table.add(milliseconds(point.time_us), *_losses(front.metric, point.loss, point.summed), _layers(point.layers))
    table.show()
    click.echo()
    dropped = f"; {front.dropped} more are both slower and less accurate" if front.dropped else ""
    click.echo(f"{len(front.points)} plans over {front.samples} samples{dropped}")


def _losses(metric: str, loss: float, summed: float) -> tuple[str, str]:
    from plait.tuning.precision.metrics import show_loss

    return show_loss(metric, loss), show_loss("sqnr", summed)


def _layers(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{n} {precision}" for precision, n in counts.items())


def _is_given(context: click.Context, name: str) -> bool:
    return context.get_parameter_source(name) is not ParameterSource.DEFAULT


def _flag(context: click.Context, name: str) -> str:
    return next(p.opts[-1] for p in context.command.params if p.name == name)
