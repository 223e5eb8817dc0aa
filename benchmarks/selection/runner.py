"""Runs solvers on instances, each run in a process of its own with limits of time and memory.

The process is a fork of this one, which has the instance already: what is measured is the solver alone.
"""

from __future__ import annotations

import contextlib
import functools
import json
import multiprocessing
import os
import resource
import signal
import sys
from collections.abc import Callable, Iterator, Sequence
from multiprocessing.connection import Connection
from pathlib import Path

import attrs

from benchmarks.selection.records import Key, Limits, Record, read_records
from plait.ir.diagnostics import PlaitError
from plait.passes.selection import Problem, ProblemBuilder, ProblemError, SolveOptions, check, problem_digest, solver

_GRACE = 0.5
"""Seconds beyond the limit until a process is killed: solvers that keep to their time limit end by themselves."""
Make = Callable[[str], Problem]


def run_all(
    instances: Sequence[str], solvers: Sequence[str], limits: Limits, make: Make, log: Path | None = None
) -> Iterator[Record]:
    """The records of all solvers on all instances, in order.

    What ``log`` has already is not run again; new records are added to it one by one.
    """
    known: dict[Key, Record] = {r.key: r for r in read_records(log)} if log is not None else {}
    for name in instances:
        problem = make(name)
        for text in solvers:
            blank = Record(name, problem_digest(problem), text, limits, len(problem.layers), "unknown")
            record = known.get(blank.key)
            if record is None:
                record = run(problem, blank)
                if log is not None:
                    _append(log, record)
            yield record


def _append(log: Path, record: Record) -> None:
    log.parent.mkdir(parents=True, exist_ok=True)
    with open(log, "a", encoding="utf-8") as file:
        file.write(json.dumps(record.to_json()) + "\n")


def run(problem: Problem, blank: Record) -> Record:
    """One run. ``blank`` names solver, instance and limits."""
    fork = multiprocessing.get_context("fork")
    receiving, sending = fork.Pipe(duplex=False)
    process = fork.Process(target=_child, args=(problem, blank, sending))
    process.start()
    sending.close()
    try:
        # It says so when it has warmed up.
        for _ in range(2):
            if not receiving.poll(blank.limits.seconds + _GRACE):
                return attrs.evolve(blank, status="timeout", seconds=blank.limits.seconds)
            record: Record = receiving.recv()
        return record
    except EOFError:
        process.join()
        return attrs.evolve(blank, status="crashed", message=f"ended with status {process.exitcode}")
    finally:
        _end(process.pid or 0)
        process.join()
        receiving.close()


def _end(pid: int) -> None:
    """Kill a run with all that it started, if anything is left of it."""
    for kill in (os.killpg, os.kill):
        with contextlib.suppress(ProcessLookupError):
            kill(pid, signal.SIGKILL)


def _child(problem: Problem, blank: Record, answer: Connection) -> None:
    os.setsid()
    _limit(blank.limits.memory)
    # Imports are no part of a run.
    with contextlib.suppress(Exception):
        _solved(_small(), blank)
    answer.send(blank)
    start = _peak()
    try:
        record = _solved(problem, blank)
    except MemoryError:
        record = attrs.evolve(blank, status="memory", message=f"more than {blank.limits.memory} MiB")
    except (ProblemError, PlaitError) as error:
        record = attrs.evolve(blank, status="refused", message=str(error).splitlines()[0])
    except Exception as error:  # a solver may be anybody's
        record = attrs.evolve(blank, status="crashed", message=f"{type(error).__name__}: {error}")
    answer.send(attrs.evolve(record, memory=round(_peak() - start, 3)))
    answer.close()


@functools.cache
def _small() -> Problem:
    """A chain of two layers."""
    b = ProblemBuilder(["a", "b"])
    size = b.adapts({("a", "b"): 1.0, ("b", "a"): 1.0})
    x = b.input("x", "a", size)
    routines = [b.routine(f, [f], [f], cost) for f, cost in (("a", 2.0), ("b", 1.0))]
    for name in ("first", "second"):
        (x,) = b.layer(name, b.table("layer", routines), [x], [size])
    b.output("y", x, "a")
    return b.build()


def _limit(memory: int) -> None:
    """Let the address space grow by so many MiB."""
    with open("/proc/self/statm", encoding="ascii") as file:
        pages = int(file.read().split()[0])
    size = pages * resource.getpagesize() + memory * 2**20
    resource.setrlimit(resource.RLIMIT_AS, (size, size))


def _peak() -> float:
    """MiB of resident memory at the peak, of this process and of those it has waited for."""
    sizes = [resource.getrusage(who).ru_maxrss for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return max(sizes) / (2**20 if sys.platform == "darwin" else 2**10)


def _solved(problem: Problem, blank: Record) -> Record:
    solution = solver(blank.solver)(problem, SolveOptions(time_limit=blank.limits.seconds))
    complaints = check(problem, solution)
    if not complaints and solution.bound is None and solution.found:
        complaints = ("it has no bound",)
    return attrs.evolve(
        blank,
        status="wrong" if complaints else solution.status,
        cost=solution.cost if solution.found else None,
        bound=solution.bound if solution.found else None,
        seconds=round(solution.seconds, 6),
        width=solution.width,
        message=complaints[0] if complaints else solution.reason,
    )
