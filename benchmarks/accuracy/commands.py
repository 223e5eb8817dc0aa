"""The command line: `run`, `samples`."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.accuracy import agreement, bounded, files, onnx_runtime
from benchmarks.accuracy.report import markdown
from benchmarks.accuracy.tasks import CALIBRATION, EVALUATION, TASKS
from benchmarks.support.arguments import words
from benchmarks.support.results import about

BOUNDED = "ppocr_cls"
FILES = ("efficientnet_lite0_int8_qdq.onnx", "efficientnet_lite0_int8_qop.onnx")
_FILE_SAMPLES, _LAYER_SAMPLES = 100, 4


def main(arguments: Sequence[str] | None = None) -> None:
    """Run one command."""
    options = _parser().parse_args(arguments)
    options.command(options)


def run(options: argparse.Namespace) -> None:
    """Quantize, compare, and write the tables."""
    rows, file_rows = [], []
    for name in options.only:
        for row in agreement.rows_of(TASKS[name], options.models):
            rows.append(row)
            _note(f"{row.task}: {row.by}: {row.same} of {row.of}, {row.sqnr:.1f} dB, {row.seconds:.0f} s")
        if name == BOUNDED and not options.unbounded:
            rows.append(bounded.row_of(TASKS[name], options.models, options.db))
            _note(f"{rows[-1].task}: {rows[-1].by}: {rows[-1].same} of {rows[-1].of}; {rows[-1].note}")
    for name in FILES:
        path = options.models / name
        if path.exists() and onnx_runtime.is_there():
            inputs = TASKS["efficientnet_lite0"].samples(options.models, EVALUATION)[:_FILE_SAMPLES]
            file_rows.append(files.row_of(path, inputs, inputs[:_LAYER_SAMPLES]))
            _note(str(file_rows[-1]))
        else:
            _note(f"{name} is left out: there is no such file, or no onnxruntime")
    text = markdown(rows, file_rows)
    print(text, end="")
    body = about("accuracy/1", ()) | {
        "rows": [row.to_json() for row in rows],
        "files": [row.to_json() for row in file_rows],
    }
    options.results.parent.mkdir(parents=True, exist_ok=True)
    options.results.with_suffix(".md").write_text(text, encoding="utf-8")
    options.results.with_suffix(".json").write_text(json.dumps(body, indent=1) + "\n", encoding="utf-8")


def write_samples(options: argparse.Namespace) -> None:
    """The samples of a model as an .npz file, for `plait quantize` and `plait tune`."""
    task = TASKS[options.model]
    (argument,) = task.load(options.models).main.arguments
    seed = EVALUATION if options.evaluation else CALIBRATION
    samples: dict[str, Any] = {argument.name: task.samples(options.models, seed)}
    np.savez(options.output, **samples)
    _note(f"wrote {options.output}")


def _note(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="benchmarks.accuracy", description="Accuracy of 8 bits on trained models.")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    running = commands.add_parser("run", help="quantize, compare with float32, write the tables")
    running.set_defaults(command=run)
    running.add_argument("--only", type=_tasks, default=list(TASKS), help=f"some of {','.join(TASKS)}")
    running.add_argument("--unbounded", action="store_true", help="leave out the plan within a bound, which is tuned")
    running.add_argument("--db", type=Path, metavar="FILE", help="the profile database of that plan")
    running.add_argument(
        "--results", type=Path, default=Path("benchmarks/results/accuracy"), help="files without suffix"
    )
    writing = commands.add_parser("samples", help="write the samples of a model as an .npz file")
    writing.set_defaults(command=write_samples)
    writing.add_argument("model", choices=list(TASKS))
    writing.add_argument("--evaluation", action="store_true", help="those that networks are judged by")
    writing.add_argument("-o", "--output", type=Path, required=True, metavar="FILE")
    for command in (running, writing):
        command.add_argument(
            "--models", type=Path, required=True, metavar="FOLDER", help="ONNX files, and pictures in FOLDER/images"
        )
    return parser


def _tasks(text: str) -> list[str]:
    names = list(words(text))
    if unknown := [name for name in names if name not in TASKS]:
        raise argparse.ArgumentTypeError(f"no model {unknown[0]!r}; known are {', '.join(TASKS)}")
    return names
