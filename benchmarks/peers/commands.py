"""The command line: `prepare`, `run`, `report`."""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence, Set
from pathlib import Path

from benchmarks.peers.engines import ENGINES
from benchmarks.peers.engines.base import DTYPES, FLOAT32, ModelFiles
from benchmarks.peers.engines.ours import pipeline
from benchmarks.peers.plot import plot
from benchmarks.peers.prepare import prepare, take_tflite, write_network
from benchmarks.peers.records import Cell, read_records
from benchmarks.peers.report import SUSPICIOUS, markdown
from benchmarks.peers.runner import Sampling, Session, note
from benchmarks.peers.summary import summarize
from benchmarks.support.arguments import assignment, numbers, words
from benchmarks.support.environments import Environments
from benchmarks.support.limits import read_limits
from benchmarks.support.results import about, write_results
from benchmarks.support.roofline import network_us
from plait.backends.profiling.limits import Limits

NETWORKS = ("resnet50", "mobilenetv2", "mobilenetv3", "squeezenet", "densenet121", "googlenet", "vgg16")
"""The slowest last, so that a budget that is short cuts its rounds."""


def main(arguments: Sequence[str] | None = None) -> None:
    """Run one command."""
    options = _parser().parse_args(arguments)
    _fill_paths(options)
    if unknown := [name for name in getattr(options, "engines", ()) if name not in ENGINES]:
        raise SystemExit(f"no engine {', '.join(unknown)}; known are {', '.join(ENGINES)}")
    options.command(options)


def _fill_paths(options: argparse.Namespace) -> None:
    """The log and the results of this dtype, where they are not named."""
    tail = "" if options.dtype == FLOAT32 else f"_{options.dtype}"
    if getattr(options, "log", options) is None:
        options.log = Path(f"build/peers{tail}.jsonl")
    if getattr(options, "results", options) is None:
        options.results = Path(f"benchmarks/results/peers{tail}")


def prepare_files(options: argparse.Namespace) -> None:
    """Networks and model files."""
    environments = _environments(options)
    for network in options.networks:
        files = ModelFiles(options.folder, network, options.dtype)
        write_network(files, options.image, options.width)
        if options.tflite_folder:
            take_tflite(files, options.tflite_folder)
        prepare(files, options.engines, options.threads, environments)


def run(options: argparse.Namespace) -> None:
    """Measurements, then the report."""
    environments = _environments(options)
    able = [name for name in options.engines if options.dtype in ENGINES[name].dtypes]
    found = {name: environments.find(name, ENGINES[name].packages) for name in able}
    for name in (name for name, python in found.items() if python is None):
        note(f"{name} is left out: no Python here has {', '.join(ENGINES[name].packages)}")
    if options.fresh:
        options.log.unlink(missing_ok=True)
    options.log.parent.mkdir(parents=True, exist_ok=True)
    session = Session(
        {name: python for name, python in found.items() if python is not None},
        options.networks,
        options.threads,
        options.rounds,
        options.folder,
        options.log,
        Sampling(options.runs, options.seconds, options.most_seconds),
        options.dtype,
    )
    session.run(options.budget, note)
    report(options)


def report(options: argparse.Namespace) -> None:
    """Tables, JSON and figure of all that the log has."""
    records = read_records(options.log)
    limits = {t: read_limits(options.limits, t) for t in sorted({record.turn.cell.threads for record in records})}
    results = summarize(records, _floors({record.turn.cell for record in records}, limits, options))
    text = markdown(results, SUSPICIOUS[options.dtype])
    print(text, end="")
    body = {
        **about("peers/1", limits.values()),
        "dtype": options.dtype,
        "versions": {r.turn.engine: r.figures["version"] for r in records if not r.failure},
        "cells": [c.to_json() for c in results],
        "records": [r.to_json() for r in records],
    }
    write_results(options.results, text, body, lambda path: plot(results, path))


def _floors(
    cells: Set[Cell], limits: Mapping[int, Limits | None], options: argparse.Namespace
) -> dict[Cell, float | None]:
    """The least time of each cell in milliseconds."""
    import plait

    known_networks = {c.network for c in cells if limits[c.threads] is not None}
    files = (ModelFiles(options.folder, name, options.dtype) for name in known_networks)
    modules = {f.network: plait.optimize(plait.load(f.onnx), pipeline(options.dtype)) for f in files}
    return {
        c: network_us(modules[c.network], known) / 1e3 if (known := limits[c.threads]) is not None else None
        for c in cells
    }


def _environments(options: argparse.Namespace) -> Environments:
    return Environments(options.venvs, dict(options.python))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="benchmarks.peers", description="Plait beside other inference engines.")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    making = commands.add_parser("prepare", help="write the networks and convert them for each engine")
    running = commands.add_parser("run", help="measure, in interleaved rounds; goes on where it was stopped")
    telling = commands.add_parser("report", help="tables and figure of what was measured")
    for command, function in ((making, prepare_files), (running, run), (telling, report)):
        command.set_defaults(command=function)
        command.add_argument("--dtype", choices=DTYPES, default=FLOAT32, help="what the networks compute on")
        command.add_argument("--folder", type=Path, default=Path("build/networks"), help="where model files lie")
    for command in (making, running):
        command.add_argument("--engines", type=words, default=list(ENGINES), help="names, separated by commas")
        command.add_argument("--networks", type=words, default=list(NETWORKS), help="names, separated by commas")
        command.add_argument("--threads", type=numbers, default=[1, 2], help="numbers, separated by commas")
        command.add_argument("--venvs", type=Path, metavar="FOLDER", help="environments to look for engines in")
        command.add_argument(
            "--python", type=assignment, action="append", default=[], metavar="ENGINE=PYTHON", help="may be repeated"
        )
    making.add_argument("--image", type=int, default=224, help="height and width of images")
    making.add_argument("--width", type=float, default=1.0, help="factor of the numbers of channels")
    making.add_argument("--tflite-folder", type=Path, metavar="FOLDER", help="take NETWORK.tflite files from here")
    running.add_argument("--rounds", type=int, default=3)
    running.add_argument("--budget", type=float, metavar="SECONDS", help="stop after this time")
    running.add_argument("--fresh", action="store_true", help="forget what was measured before")
    running.add_argument("--runs", type=int, default=Sampling().runs, help="runs of one process, at least")
    running.add_argument("--seconds", type=float, default=Sampling().seconds, help="time of one process, at least")
    running.add_argument("--most-seconds", type=float, default=Sampling().most_seconds, help="and at most")
    for command in (running, telling):
        command.add_argument("--log", type=Path, help="the measurements (default: build/peers[_DTYPE].jsonl)")
        command.add_argument(
            "--results", type=Path, help="files without suffix (default: benchmarks/results/peers[_DTYPE])"
        )
        command.add_argument(
            "--limits", type=Path, metavar="FILE", help="what `plait doctor --json` printed (default: what it stored)"
        )
    return parser
