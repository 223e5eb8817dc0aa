"""The command line: `time`, `predict`, `regret`, `tvm`, `report`."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import attrs

from benchmarks.support.arguments import words
from benchmarks.support.limits import read_limits
from benchmarks.support.networks import onnx_file
from benchmarks.support.serving import ServerError
from benchmarks.tuning.metaschedule import Beside, Tvm, TvmError, beside_tvm
from benchmarks.tuning.prediction import Prediction, Predictor
from benchmarks.tuning.regret import Halving, Regret, measure_regret
from benchmarks.tuning.stored import SECTIONS, cells_of, keep_cell, read_sections, write_sections
from benchmarks.tuning.timing import Sampling, Timing, TuneError, time_tuning
from plait.backends.profiling.job import STATES, STREAMED

NETWORKS = ("vgg16", "resnet50", "mobilenetv2", "mobilenetv3")
LAYOUTS = ("nchw", "nhwc", "nchw*c")


def main(arguments: Sequence[str] | None = None) -> None:
    """Run one command."""
    options = _parser().parse_args(arguments)
    if unknown := set(getattr(options, "states", ())) - set(STATES):
        raise SystemExit(f"no state {', '.join(sorted(unknown))}; known are {', '.join(STATES)}")
    try:
        options.command(options)
    except (TuneError, TvmError, ServerError) as error:
        raise SystemExit(str(error)) from None


def time_command(options: argparse.Namespace) -> None:
    """Tuning times."""

    def measure(onnx: Path, work: Path) -> Timing:
        return time_tuning(onnx, work, options.threads, _sampling(options), exhaustive=options.exhaustive)

    _each(options, measure)


def predict_command(options: argparse.Namespace) -> None:
    """Predicted against measured."""

    def measure(onnx: Path, work: Path) -> Prediction:
        work.mkdir(parents=True, exist_ok=True)
        predictor = Predictor(_module(onnx), onnx, work, options.threads, options.states, note)
        return predictor.predict(options.layouts, _sampling(options))

    _each(options, measure)


def regret_command(options: argparse.Namespace) -> None:
    """Tuned plans among competitors."""
    names = [field.name for field in attrs.fields(Halving) if hasattr(options, field.name)]
    halving = Halving(**{name: getattr(options, name) for name in names})

    def measure(onnx: Path, work: Path) -> Regret:
        work.mkdir(parents=True, exist_ok=True)
        database = work / f"{options.state}.sqlite"
        return measure_regret(_module(onnx), onnx, database, options.threads, options.state, halving, note)

    _each(options, measure)


def tvm_command(options: argparse.Namespace) -> None:
    """Beside TVM."""

    def measure(onnx: Path, work: Path) -> Beside:
        tvm = Tvm(options.tvm, onnx, work / "tvm", options.threads)
        shape = [1, 3, options.image, options.image]
        return beside_tvm(tvm, work, options.budget, options.trials, shape, _sampling(options), note)

    _each(options, measure)


def note(text: str) -> None:
    """A line on standard error."""
    print(text, file=sys.stderr, flush=True)


def report_command(options: argparse.Namespace) -> None:
    """Tables and figure again, from what is known."""
    print(write_sections(options.results, read_sections(options.results)), end="")


def _each(options: argparse.Namespace, measure: Callable[[Path, Path], Any]) -> None:
    """Measure networks, one after the other; what is known is written after each."""
    limits = [read_limits(options.limits, options.threads)]
    for network in options.networks:
        onnx = onnx_file(network, options.folder, options.image, options.width)
        note(network)
        keep_cell(options.results, options.name, network, measure(onnx, options.work / network), limits)
    section = read_sections(options.results)[options.name]
    print(SECTIONS[options.name].markdown(cells_of(options.name, section)), end="")


def _module(onnx: Path) -> Any:
    import plait

    return plait.optimize(plait.load(onnx))


def _sampling(options: argparse.Namespace) -> Sampling:
    return Sampling(options.rounds, options.seconds)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="benchmarks.tuning", description="How long tuning takes, and what it is worth."
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    timing = _command(commands, "time", time_command, "seconds of `plait tune`, with an empty database and a full one")
    timing.add_argument(
        "--no-exhaustive", dest="exhaustive", action="store_false", help="leave out measuring everything"
    )
    predict = _command(commands, "predict", predict_command, "predicted against measured, for each measuring state")
    predict.add_argument("--states", type=words, default=list(STATES), help="names, separated by commas")
    predict.add_argument(
        "--layouts", type=words, default=list(LAYOUTS), help="plans of one layout, separated by commas"
    )
    regret = _command(commands, "regret", regret_command, "whether any plan around the tuned one is faster")
    regret.add_argument("--state", choices=STATES, default=STREAMED)
    for field in attrs.fields(Halving):
        regret.add_argument(f"--{field.name.replace('_', '-')}", type=type(field.default), default=field.default)
    tvm = _command(commands, "tvm", tvm_command, "beside TVM's MetaSchedule", ["mobilenetv2"])
    tvm.add_argument("--tvm", type=Path, required=True, metavar="PYTHON", help="a Python that has apache-tvm")
    tvm.add_argument("--budget", type=float, default=600.0, metavar="SECONDS", help="for MetaSchedule")
    tvm.add_argument("--trials", type=int, default=16, help="of a task before it is the next one's turn")
    again = commands.add_parser("report", help="the tables and the figure again")
    again.set_defaults(command=report_command)
    _results(again)
    for command in (timing, predict, tvm):
        command.add_argument("--rounds", type=int, default=15, help="how often plans take turns")
        command.add_argument("--seconds", type=float, default=0.1, help="length of one turn")
    return parser


def _command(
    commands: Any, name: str, function: Callable[..., None], help: str, networks: Iterable[str] = NETWORKS
) -> argparse.ArgumentParser:
    """A command with what all of them take."""
    parser: argparse.ArgumentParser = commands.add_parser(name, help=help)
    parser.set_defaults(command=function, name=name)
    parser.add_argument("--networks", type=words, default=list(networks), help="names, separated by commas")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--folder", type=Path, default=Path("build/networks"), help="where their ONNX files lie")
    parser.add_argument("--work", type=Path, default=Path("build/tuning"), help="for databases and packages")
    parser.add_argument("--image", type=int, default=224, help="height and width of images of networks to be written")
    parser.add_argument("--width", type=float, default=1.0, help="factor of the numbers of channels of these")
    parser.add_argument("--limits", type=Path, metavar="FILE", help="what `plait doctor --json` printed")
    _results(parser)
    return parser


def _results(parser: argparse.ArgumentParser) -> None:
    default = Path("benchmarks/results/tuning")
    parser.add_argument("--results", type=Path, default=default, help="files of results, without suffix")
