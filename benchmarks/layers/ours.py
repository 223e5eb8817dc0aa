"""The process that runs our routines: each subject is the text of a module with one layer and its routine."""

from __future__ import annotations

import sys
from typing import Any

from benchmarks.support.serving import Timed, serve


def main() -> None:
    """Serve with the number of threads that is the first argument."""
    threads = int(sys.argv[1])
    serve(lambda subject: open_layer(subject, threads))


def open_layer(subject: dict[str, Any], threads: int) -> Timed:
    """The layer on random data, timed by the executor: no Python between runs."""
    from plait.backends.profiling.data import fill_constants
    from plait.backends.program import Program
    from plait.backends.runner import random_inputs
    from plait.ir.text.parser import parse_module

    module = parse_module(subject["module"], "layer", check=False)
    fill_constants(module)
    program = Program(module, threads)
    inputs = list(random_inputs({value.name: value.type for value in module.main.arguments}, 0).values())
    return lambda repeats: [float(ns) for ns in program.time(inputs, repeats)]
