"""The process that runs packages."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from benchmarks.support.serving import Server, Timed, serve


def main() -> None:
    """Serve until there are no more requests."""
    serve(open_package)


def open_package(subject: Mapping[str, Any]) -> Timed:
    """A package on random inputs, timed by the executor: no Python between runs."""
    import plait

    runner = plait.open(subject["file"], threads=subject["threads"])
    inputs = list(runner.random_inputs().values())
    return lambda repeats: [float(ns) for ns in runner.program.time(inputs, repeats)]


def package_server(threads: int) -> Server:
    """A process that runs packages."""
    return Server(Path(sys.executable), "benchmarks.mixed.worker", threads)
