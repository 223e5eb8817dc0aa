"""Samples, and what is made of them: options of the commands that calibrate networks."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from plait.cli.common import Count
from plait.cli.output import warn
from plait.cli.progress import Show

if TYPE_CHECKING:
    from plait.tuning.calibration import Progress
    from plait.tuning.pictures import Pictures
    from plait.tuning.quantize import QuantizeOptions

Command = TypeVar("Command", bound=Callable[..., Any])


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


_OPTIONS = (
    click.option(
        "--calibrate",
        type=click.Path(exists=True, path_type=Path),
        metavar="DIR|FILE",
        help="Samples that are like what the network will see: a folder of .npy and .npz files or pictures, or one "
        "such file with any number of samples along the first axis.",
    ),
    click.option(
        "--samples",
        type=Count(min=1),
        help="Use so many random samples instead: enough to try things out, no calibration.",
    ),
    click.option("--seed", type=int, default=0, show_default=True, metavar="N", help="Seed of the random samples."),
    click.option(
        "--mean", type=Numbers(), default="0", show_default=True, help="Pictures: what is taken off each byte."
    ),
    click.option(
        "--std", type=Numbers(), default="255", show_default=True, help="Pictures: by what it is divided then."
    ),
    click.option(
        "--method",
        type=click.Choice(("minmax", "percentile", "entropy", "mse")),
        default="mse",
        show_default=True,
        help="How the range of a value in 8 bits is chosen from the numbers that were observed.",
    ),
    click.option(
        "--keep-float",
        multiple=True,
        metavar="PATTERN",
        help="Kind of layer, or name of its result, that stays in floats; * and ? stand for anything. May be repeated.",
    ),
    click.option("--no-equalize", is_flag=True, help="Leave the channels of weights as they are."),
    click.option(
        "--round-nearest", is_flag=True, help="Round each weight by itself rather than all of a channel together."
    ),
    click.option("--no-bias-correction", is_flag=True, help="Leave biases as they are."),
)

CALIBRATION = (
    "calibrate",
    "samples",
    "seed",
    "mean",
    "std",
    "method",
    "keep_float",
    "no_equalize",
    "round_nearest",
    "no_bias_correction",
)
"""The parameters that `calibration_options` adds."""


def calibration_options(command: Command) -> Command:
    """Add the options that say what to calibrate with, and how: those of `CALIBRATION`."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


def check_calibration(given: dict[str, Any]) -> None:
    """See that the options of `calibration_options` fit together.

    Raises:
        click.UsageError: they do not.
    """
    if (given["calibrate"] is None) == (given["samples"] is None):
        raise click.UsageError("give samples by --calibrate DIR|FILE, or random ones by --samples N")
    if 0.0 in given["std"]:
        raise click.UsageError("--std: bytes cannot be divided by 0")
    if given["samples"] is not None:
        warn("random samples are no calibration: ranges fit nothing that is real, and neither do the figures below")


def given_samples(given: dict[str, Any]) -> Path | int:
    """Where samples come from: a file or folder, or a number of random ones."""
    found: Path | int = given["samples"] or given["calibrate"]
    return found


def pictures_of(given: dict[str, Any]) -> Pictures:
    """How pictures become numbers."""
    from plait.tuning.pictures import Pictures

    return Pictures(given["mean"], given["std"])


def quantize_options(given: dict[str, Any], threads: int, **more: Any) -> QuantizeOptions:
    """How layers become integer."""
    from plait.tuning.quantize import QuantizeOptions

    return QuantizeOptions(
        method=given["method"],
        keep_float=given["keep_float"],
        equalize=not given["no_equalize"],
        round_together=not given["round_nearest"],
        bias_correction=not given["no_bias_correction"],
        threads=threads,
        **more,
    )


@contextlib.contextmanager
def run_progress(shown: bool = True) -> Iterator[Progress]:
    """A callback that tells of runs over samples on standard error; `shown` False: a silent one."""
    live = sys.stderr.isatty() and os.environ.get("TERM") != "dumb"
    show = Show(sys.stderr, live)

    def tell(done: int, what: str) -> None:
        if shown and show.due():
            show.write(f"{what}: {done} runs")

    try:
        yield tell
    finally:
        show.close()
