"""The process that runs plans: each subject is the text of a tuned module, whose weights come from its ONNX file."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.support.serving import Server, Timed, serve

if TYPE_CHECKING:
    from plait.ir import Module
    from plait.ir.values import Constant


def main() -> None:
    """Serve with the number of threads that is the first argument."""
    threads = int(sys.argv[1])
    known: dict[str, Mapping[str, Constant]] = {}
    from plait.kernels_pyx.packing import sharing

    # Plans of one network have most layers in common.
    with sharing({}):
        serve(lambda subject: open_plan(subject, threads, known))


def open_plan(subject: Mapping[str, Any], threads: int, known: dict[str, Mapping[str, Constant]]) -> Timed:
    """The plan on random images, timed by the executor: no Python between runs.

    Args:
        known: weights of optimised networks by ONNX file, which plans of one network share.
    """
    import plait
    from plait.backends.runner import Runner

    onnx = subject["onnx"]
    if onnx not in known:
        known[onnx] = plait.optimize(plait.load(onnx)).constants
    runner = Runner(with_weights(subject["text"], known[onnx]), threads)
    inputs = list(runner.random_inputs().values())
    return lambda repeats: [float(ns) for ns in runner.program.time(inputs, repeats)]


def with_weights(text: str, weights: Mapping[str, Constant]) -> Module:
    """A module from its text, with data for the constants that have none there."""
    from plait.ir.text.parser import parse_module

    module = parse_module(text, "plan", check=False)
    for name, constant in module.constants.items():
        if not constant.has_data:
            constant.supply(partial(getattr, weights[name], "data"))
    return module


def plan_text(module: Module) -> str:
    """The text of a tuned module as `subject` takes it."""
    from plait.ir.text.printer import print_module

    return print_module(module, locations=False)


def subject(text: str, onnx: Path) -> dict[str, Any]:
    """What a server needs to open a plan."""
    return {"text": text, "onnx": str(onnx.resolve())}


def plan_server(threads: int) -> Server:
    """A process that runs plans."""
    return Server(Path(sys.executable), "benchmarks.tuning.plans", threads)
