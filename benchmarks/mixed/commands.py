"""The command line: `prepare`, `run`, `report`."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

from benchmarks.mixed.plans import METRIC, make_plans, read_plans
from benchmarks.mixed.plot import plot
from benchmarks.mixed.report import markdown
from benchmarks.mixed.subjects import Folders, subject_of
from benchmarks.mixed.timing import Cell, measure
from benchmarks.support.arguments import numbers, words
from benchmarks.support.limits import read_limits
from benchmarks.support.results import about, write_results
from benchmarks.support.serving import ServerError

NETWORKS = ("vgg16", "resnet50", "mobilenetv2", "mobilenetv3")
BOUNDS = ("1/2", "1/5", "1/20")
SCHEMA = "mixed/1"


def main(arguments: Sequence[str] | None = None) -> None:
    """Run one command."""
    options = _parser().parse_args(arguments)
    try:
        options.command(options)
    except ServerError as error:
        raise SystemExit(str(error)) from None


def prepare(options: argparse.Namespace) -> None:
    """Make the plans."""
    folders = Folders(options.folder, options.models, options.image, options.width)
    for network in options.networks:
        subject = subject_of(network, folders, options.bounds)
        for threads in options.threads:
            for row in make_plans(subject, _folder(options, network, threads), threads, options.db):
                loss = METRIC.show(row.loss)
                _note(
                    f"{network}, threads {threads}: {row.key}: loss {loss}, predicted {row.predicted_us / 1e3:.3g} ms"
                )


def run(options: argparse.Namespace) -> None:
    """Let them take turns; what is known is written after each network."""
    for network in options.networks:
        for threads in options.threads:
            folder = _folder(options, network, threads)
            cell = measure(network, threads, read_plans(folder), folder, options.rounds, options.seconds)
            _keep(options, cell)
            for row in cell.plans:
                _note(f"{network}, threads {threads}: {row.key}: {cell.ms(row.key):.3g} ms")
    report(options)


def report(options: argparse.Namespace) -> None:
    """The table and the figure again, from what is known."""
    print(_write(options, _known(options.results)), end="")


def _folder(options: argparse.Namespace, network: str, threads: int) -> Path:
    path: Path = options.work / network / str(threads)
    return path


def _known(path: Path) -> list[Cell]:
    file = path.with_suffix(".json")
    if not file.exists():
        return []
    body = json.loads(file.read_text(encoding="utf-8"))
    return [Cell.from_json(cell) for cell in body["cells"]] if body.get("schema") == SCHEMA else []


def _keep(options: argparse.Namespace, cell: Cell) -> None:
    others = [c for c in _known(options.results) if (c.network, c.threads) != (cell.network, cell.threads)]
    _write(options, [*others, cell])


def _write(options: argparse.Namespace, cells: Iterable[Cell]) -> str:
    order = (*NETWORKS, *sorted({c.network for c in cells} - set(NETWORKS)))
    found = sorted(cells, key=lambda c: (order.index(c.network), c.threads))
    text = markdown(found)
    limits = [read_limits(options.limits, threads) for threads in sorted({c.threads for c in found})]
    body = {**about(SCHEMA, limits), "cells": [cell.to_json() for cell in found]}
    write_results(options.results, text, body, lambda path: plot(found, path))
    return text


def _note(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="benchmarks.mixed", description="Mixed precision beside single precisions.")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    preparing = commands.add_parser("prepare", help="make the plans: calibration, measured routines, losses")
    preparing.set_defaults(command=prepare)
    preparing.add_argument("--bounds", type=words, default=list(BOUNDS), help="such as 30dB; 1/5: of the loss of qint8")
    preparing.add_argument("--folder", type=Path, default=Path("build/networks"), help="where ONNX files lie")
    preparing.add_argument(
        "--image", type=int, default=224, help="height and width of images of networks to be written"
    )
    preparing.add_argument("--width", type=float, default=1.0, help="factor of the numbers of channels of these")
    preparing.add_argument("--models", type=Path, metavar="FOLDER", help="trained models, and FOLDER/images")
    preparing.add_argument("--db", type=Path, metavar="FILE", help="the profile database")
    running = commands.add_parser("run", help="run the plans in turns, write the tables")
    running.set_defaults(command=run)
    running.add_argument("--rounds", type=int, default=30, help="how often plans take turns")
    running.add_argument("--seconds", type=float, default=0.1, help="length of one turn")
    again = commands.add_parser("report", help="the table and the figure again")
    again.set_defaults(command=report)
    for command in (preparing, running):
        command.add_argument("--networks", type=words, default=list(NETWORKS), help="names, separated by commas")
        command.add_argument("--threads", type=numbers, default=[1, 2], help="numbers, separated by commas")
        command.add_argument("--work", type=Path, default=Path("build/mixed"), help="for packages")
    for command in (running, again):
        command.add_argument("--limits", type=Path, metavar="FILE", help="what `plait doctor --json` printed")
        command.add_argument(
            "--results", type=Path, default=Path("benchmarks/results/mixed"), help="files without suffix"
        )
    return parser
