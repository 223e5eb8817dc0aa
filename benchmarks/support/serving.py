"""Subjects that live in processes of their own and run in bursts when asked to, over pipes with lines of JSON.

Modules that serve may run in a Python without Plait: nothing but the standard library here.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

Timed = Callable[[int], "list[float]"]
"""Runs that many times in a row; nanoseconds of each run."""
Opener = Callable[[dict[str, Any]], Timed]
"""From the description of a subject to what runs it."""


class ServerError(Exception):
    """A subject cannot be made or run; the message is that of its process."""


def serve(opener: Opener) -> None:
    """Answer requests on standard input until it ends. Whatever else prints goes to standard error."""
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    subjects: dict[str, Timed] = {}
    for line in sys.stdin:
        request = json.loads(line)
        try:
            answer: dict[str, Any] = _answer(request, subjects, opener)
        except Exception as error:
            answer = {"failure": f"{type(error).__name__}: {str(error).partition(chr(10))[0]}"}
        answers.write(json.dumps(answer) + "\n")
        answers.flush()


def _answer(request: dict[str, Any], subjects: dict[str, Timed], opener: Opener) -> dict[str, Any]:
    match request["task"]:
        case "open":
            subjects[request["key"]] = opener(request["subject"])
            subjects[request["key"]](1)
            return {}
        case "burst":
            return {"ns": burst(subjects[request["key"]], request["seconds"])}
        case "clear":
            subjects.clear()
            return {}
    raise ValueError(f"no task {request['task']!r}")


def burst(run: Timed, seconds: float) -> list[float]:
    """Times of runs for a while, at least three, after two that bring the data back into cache."""
    run(2)
    times: list[float] = []
    end = time.perf_counter() + seconds
    while len(times) < 3 or time.perf_counter() < end:
        times += run(3)
    return times


class Server:
    """The other end: a process that runs `main` of a module, which calls `serve`."""

    def __init__(self, python: Path, module: str, threads: int) -> None:
        from benchmarks.support.environments import command, environment

        self.process = subprocess.Popen(
            command(python, module, threads),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            env=environment(python, threads),
        )

    def open(self, key: str, subject: dict[str, Any]) -> None:
        """Make a subject and run it once.

        Raises:
            ServerError: it cannot be made, or does not run.
        """
        self._ask(task="open", key=key, subject=subject)

    def burst(self, key: str, seconds: float) -> list[float]:
        """Nanoseconds of runs for a while.

        Raises:
            ServerError: it does not run.
        """
        times: list[float] = self._ask(task="burst", key=key, seconds=seconds)["ns"]
        return times

    def clear(self) -> None:
        """Forget all subjects."""
        self._ask(task="clear")

    def stop(self) -> None:
        self.process.kill()
        self.process.communicate()

    def _ask(self, **request: Any) -> dict[str, Any]:
        assert self.process.stdin is not None and self.process.stdout is not None
        try:
            self.process.stdin.write(json.dumps(request) + "\n")
            self.process.stdin.flush()
            line = self.process.stdout.readline()
        except BrokenPipeError:
            line = ""
        if not line:
            raise ServerError(f"the process ended with status {self.process.wait()}")
        answer: dict[str, Any] = json.loads(line)
        if "failure" in answer:
            raise ServerError(answer["failure"])
        return answer
