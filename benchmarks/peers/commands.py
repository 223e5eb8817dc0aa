"""The command line: `prepare`, `run`, `report`."""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import attrs

from benchmarks.peers.engines import ENGINES
from benchmarks.peers.engines.base import ModelFiles
from benchmarks.peers.plot import plot
from benchmarks.peers.prepare import prepare, take_tflite, write_network
from benchmarks.peers.records import Cell, Record, read_records
from benchmarks.peers.report import markdown
from benchmarks.peers.runner import Sampling, Session, note
from benchmarks.peers.summary import summarize
from benchmarks.support.environments import Environments
from benchmarks.support.limits import read_limits
from benchmarks.support.roofline import network_seconds

NETWORKS = ("resnet50", "mobilenetv2", "mobilenetv3", "squeezenet", "densenet121", "googlenet", "vgg16")
"""The slowest last, so that a budget that is short cuts its rounds."""


def main(arguments: Sequence[str] | None = None) -> None:
    """Run one command."""
    options = _parser().parse_args(arguments)
    if unknown := [name for name in getattr(options, "engines", ()) if name not in ENGINES]:
        raise SystemExit(f"no engine {', '.join(unknown)}; known are {', '.join(ENGINES)}")
    options.command(options)


def prepare_files(options: argparse.Namespace) -> None:
    """Networks and model files."""
    environments = _environments(options)
    for network in options.networks:
        files = ModelFiles(options.folder, network)
        write_network(files, options.image, options.width)
        if options.tflite_folder:
            take_tflite(files, options.tflite_folder)
        prepare(files, options.engines, options.threads, environments)


def run(options: argparse.Namespace) -> None:
    """Measurements, then the report."""
    environments = _environments(options)
    found = {name: environments.find(name, ENGINES[name].packages) for name in options.engines}
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
    )
    session.run(options.budget, note)
    report(options)


def report(options: argparse.Namespace) -> None:
    """Tables, JSON and figure of all that the log has."""
    records = read_records(options.log)
    cells = dict.fromkeys(record.turn.cell for record in records)
    results = summarize(records, _floors(list(cells), options))
    text = markdown(results)
    print(text, end="")
    options.results.parent.mkdir(parents=True, exist_ok=True)
    options.results.with_suffix(".md").write_text(text, encoding="utf-8")
    body = {
        **_about(records, options),
        "cells": [c.to_json() for c in results],
        "records": [r.to_json() for r in records],
    }
    options.results.with_suffix(".json").write_text(json.dumps(body, indent=1) + "\n", encoding="utf-8")
    try:
        plot(results, options.results.with_suffix(".png"))
    except ImportError:
        note("no figure: matplotlib is not installed")


def _floors(cells: Sequence[Cell], options: argparse.Namespace) -> dict[Cell, float | None]:
    """The least time of each cell in milliseconds."""
    import plait

    limits = {threads: read_limits(options.limits, threads) for threads in {c.threads for c in cells}}
    modules = {}
    for network in {c.network for c in cells if limits[c.threads] is not None}:
        modules[network] = plait.optimize(plait.load(ModelFiles(options.folder, network).onnx))
    return {
        c: network_seconds(modules[c.network], known) * 1e3 if (known := limits[c.threads]) is not None else None
        for c in cells
    }


def _about(records: Sequence[Record], options: argparse.Namespace) -> dict[str, Any]:
    from plait.backends.profiling.machine import this_machine

    versions = {r.turn.engine: r.figures["version"] for r in records if not r.failure}
    limits = json.loads(options.limits.read_text(encoding="utf-8")) if options.limits else None
    machine = attrs.asdict(this_machine(), filter=lambda field, _: field.name in ("model", "isa", "cores", "caches"))
    return {
        "schema": "peers/1",
        "date": time.strftime("%Y-%m-%d"),
        "machine": machine,
        "versions": versions,
        "limits": limits,
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
        command.add_argument("--folder", type=Path, default=Path("build/networks"), help="where model files lie")
    for command in (making, running):
        command.add_argument("--engines", type=_words, default=list(ENGINES), help="names, separated by commas")
        command.add_argument("--networks", type=_words, default=list(NETWORKS), help="names, separated by commas")
        command.add_argument("--threads", type=_numbers, default=[1, 2], help="numbers, separated by commas")
        command.add_argument("--venvs", type=Path, metavar="FOLDER", help="environments to look for engines in")
        command.add_argument(
            "--python", type=_assignment, action="append", default=[], metavar="ENGINE=PYTHON", help="may be repeated"
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
        command.add_argument("--log", type=Path, default=Path("build/peers.jsonl"), help="the measurements")
        command.add_argument(
            "--results", type=Path, default=Path("benchmarks/results/peers"), help="files without suffix"
        )
        command.add_argument("--limits", type=Path, metavar="FILE", help="the machine's limits, for rooflines")
    return parser


def _words(text: str) -> list[str]:
    return [word for word in text.split(",") if word]


def _numbers(text: str) -> list[int]:
    return [int(word) for word in _words(text)]


def _assignment(text: str) -> tuple[str, Path]:
    name, _, path = text.partition("=")
    return name, Path(path)
