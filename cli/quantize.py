"""`plait quantize`: a float network on 8-bit integers."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click

from plait.cli.common import DIMS, FILE, JSON, MODEL, THREADS, Count, check_output, load_static
from plait.cli.output import Table, note, print_json, warn
from plait.cli.progress import Show

if TYPE_CHECKING:
    from plait.tuning.calibration import Progress
    from plait.tuning.quantize_report import LayerReport, QuantizationReport

SHOWN = 12
"""Layers of the table, the worst first, unless all are asked for."""


class Numbers(click.ParamType):  # type: ignore[type-arg]
    """`127` or `123.7,116.3,103.5`."""

    name = "R[,G,B]"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> tuple[float, ...]:
        if isinstance(value, tuple):
            return value
        try:
            return tuple(float(part) for part in str(value).split(","))
        except ValueError:
            self.fail(f"{value!r} is not a number, or one for each channel, such as 123.7,116.3,103.5", param, ctx)


@click.command("quantize")
@click.argument("model", type=MODEL)
@click.option(
    "--calibrate",
    type=click.Path(exists=True, path_type=Path),
    metavar="DIR|FILE",
    help="Samples that are like what the network will see: a folder of .npy and .npz files or pictures, or one such "
    "file with any number of samples along the first axis.",
)
@click.option(
    "--samples", type=Count(min=1), help="Use so many random samples instead: enough to try things out, no calibration."
)
@click.option("--seed", type=int, default=0, show_default=True, metavar="N", help="Seed of the random samples.")
@click.option("--mean", type=Numbers(), default="0", show_default=True, help="Pictures: what is taken off each byte.")
@click.option("--std", type=Numbers(), default="255", show_default=True, help="Pictures: by what it is divided then.")
@click.option(
    "--method",
    type=click.Choice(("minmax", "percentile", "entropy", "mse")),
    default="mse",
    show_default=True,
    help="How the range of a value is chosen from the numbers that were observed.",
)
@click.option(
    "--keep-float",
    multiple=True,
    metavar="PATTERN",
    help="Kind of layer, or name of its result, that stays in floats; * and ? stand for anything. May be repeated.",
)
@click.option("--no-equalize", is_flag=True, help="Leave the channels of weights as they are.")
@click.option("--no-bias-correction", is_flag=True, help="Leave biases as they are.")
@click.option(
    "-o",
    "--output",
    type=FILE,
    help="The .ir file to write, weights beside it (default: the model's name with .q8.ir, in this folder).",
)
@click.option("--report", "show", is_flag=True, help="Print all layers, the worst first, rather than a few.")
@click.option("--threads", type=THREADS, default=1, show_default=True, help="Threads that run the network.")
@DIMS
@JSON
def command(
    model: Path,
    calibrate: Path | None,
    samples: int | None,
    seed: int,
    mean: tuple[float, ...],
    std: tuple[float, ...],
    method: str,
    keep_float: tuple[str, ...],
    no_equalize: bool,
    no_bias_correction: bool,
    output: Path | None,
    show: bool,
    threads: int,
    dims: tuple[tuple[str, int], ...],
    as_json: bool,
) -> None:
    """Let the layers of MODEL compute on 8-bit integers, as far as they can.

    Writes IR text, in which the scales that were found stand in the types and can be edited, and tells of each layer
    how far its result is from that in floats: the ratio of signal to noise in dB.
    """
    if (calibrate is None) == (samples is None):
        raise click.UsageError("give samples by --calibrate DIR|FILE, or random ones by --samples N")
    if 0.0 in std:
        raise click.UsageError("--std: bytes cannot be divided by 0")
    output = check_output(output or Path(f"{model.stem}.q8.ir"), inputs=[model])
    from plait.ir.text.files import save_ir
    from plait.tuning.pictures import Pictures
    from plait.tuning.quantize import QuantizeOptions, quantize_module
    from plait.tuning.samples import samples_of

    module = load_static(model, dims)
    if samples is not None:
        warn("random samples are no calibration: ranges fit nothing that is real, and neither do the figures below")
    given = samples_of(module.main, samples or calibrate or 0, Pictures(mean, std), seed)
    options = QuantizeOptions(
        method=method,
        keep_float=keep_float,
        equalize=not no_equalize,
        bias_correction=not no_bias_correction,
        threads=threads,
    )
    with _progress() as progress:
        found = quantize_module(module, given, options, progress)
    save_ir(found.module, output)
    if as_json:
        print_json(found.report.to_json())
    else:
        _show(found.report, everything=show)
    click.echo(f"wrote {output}", err=True)


@contextlib.contextmanager
def _progress() -> Iterator[Progress]:
    live = sys.stderr.isatty() and os.environ.get("TERM") != "dumb"
    show = Show(sys.stderr, live)

    def tell(done: int, what: str) -> None:
        if show.due():
            show.write(f"{what}: {done} runs")

    try:
        yield tell
    finally:
        show.close()


def _show(report: QuantizationReport, everything: bool) -> None:
    worst = report.worst_first
    table = Table(("layer", "kind", ">SQNR dB", "type", "in floats because"))
    for row in worst if everything else worst[:SHOWN]:
        table.add(row.name, row.op, _decibel(row), row.type, row.reason, dim=bool(row.reason))
    table.show()
    if not everything and len(worst) > SHOWN:
        note(f"the {SHOWN} worst of {len(worst)} layers; --report shows all")
    click.echo(report.summary(), err=True)
    if everything:
        for reason in report.skipped:
            click.echo(f"  not equalised: {reason}", err=True)


def _decibel(row: LayerReport) -> str:
    return "" if row.sqnr is None else f"{row.sqnr:.1f}"
