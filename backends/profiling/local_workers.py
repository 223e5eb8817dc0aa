"""Workers of this machine that have cores of their own, so that no two measurements share one."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable
from pathlib import Path

from plait.backends.errors import WorkerError
from plait.ir.diagnostics import Diagnostic

_TOPOLOGY = Path("/sys/devices/system/cpu")


def local_commands(jobs: int, threads: int, cores: Iterable[int] | None = None) -> list[tuple[str, ...]]:
    """What starts so many workers, each on as many physical cores as it has threads.

    Args:
        cores: the cores that there are (default: those that this process may run on).

    Raises:
        WorkerError: P510, there are fewer cores.
    """
    there = physical_cores(os.sched_getaffinity(0) if cores is None else cores)
    if jobs * threads > len(there):
        of = "1 thread" if threads == 1 else f"{threads} threads"
        message = f"{jobs} jobs of {of} need {jobs * threads} cores, there are {len(there)}"
        hint = "two measurements that share a core are both wrong; name workers elsewhere with --worker"
        raise WorkerError(Diagnostic("P510", message, hint=hint))
    shares = [there[i * threads : (i + 1) * threads] for i in range(jobs)]
    return [
        (sys.executable, "-m", "plait.cli.main", "worker", "--cores", ",".join(map(str, share))) for share in shares
    ]


def physical_cores(cores: Iterable[int], topology: Path = _TOPOLOGY) -> list[int]:
    """Of these cores one for each that there is in hardware: hardware threads share what is measured."""
    first: dict[str, int] = {}
    for core in sorted(cores):
        first.setdefault(_siblings(core, topology), core)
    return sorted(first.values())


def _siblings(core: int, topology: Path) -> str:
    for name in ("core_cpus_list", "thread_siblings_list"):
        try:
            return (topology / f"cpu{core}" / "topology" / name).read_text().strip()
        except OSError:
            continue
    return str(core)
