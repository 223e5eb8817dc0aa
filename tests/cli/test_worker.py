"""`plait worker`: serving, and trying a worker."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest

from plait.backends.profiling.machine import this_machine
from plait.backends.profiling.worker_client import WorkerProcess

Plait = Callable[..., Any]
COMMAND = (sys.executable, "-m", "plait", "worker")


def test_serving_on_one_core() -> None:
    core = min(os.sched_getaffinity(0))
    with WorkerProcess((*COMMAND, "--cores", str(core))) as worker:
        assert worker.hello.cores == (core,) and worker.machine == this_machine()


def test_a_worker_ends_with_its_input() -> None:
    done = subprocess.run(COMMAND, stdin=subprocess.DEVNULL, capture_output=True, timeout=60)
    assert (done.returncode, done.stderr) == (0, b"")


def test_trying_a_worker(plait: Plait) -> None:
    outcome = plait("worker", "--self-test", shlex.join(COMMAND))
    assert outcome.code == 0 and "computed right" in outcome.out
    assert f"{this_machine().kind[:8]}, {this_machine().instance[:8]}" in outcome.out
    data = json.loads(plait("worker", "--self-test", shlex.join(COMMAND), "--json").out)
    assert data["schema"] == "worker-self-test/1" and data["machine"]["host"] == this_machine().host


def test_trying_what_is_no_worker(plait: Plait) -> None:
    outcome = plait("worker", "--self-test", "echo hello")
    assert outcome.code == 1 and "error[P510]: the worker `echo hello` cannot be used" in outcome.err


@pytest.mark.parametrize(
    "arguments, said",
    [
        (("--self-test", "sh -c '"), "No closing quotation"),
        (("--self-test", " "), "the command is empty"),
        (("--cores", "one"), "'one' is not of the form 0-3,6"),
        (("--cores", "0-"), "'0-' is not of the form 0-3,6"),
        (("--cores", "3-2"), "'3-2' names no core"),
        (("--cores", "4711"), "core 4711 is not there, or not allowed"),
        (("--json",), "--json is for --self-test"),
    ],
)
def test_usage(plait: Plait, arguments: tuple[str, ...], said: str) -> None:
    outcome = plait("worker", *arguments)
    assert outcome.code == 2 and said in outcome.err
