"""A session: measurements taken one after the other, what surrounded them, and how fast the machine was meanwhile.

Before and after a session two reference jobs are timed, one that computes and one that copies. Where their times move,
the machine has, not the routines: times of two sessions can be compared only after that.
"""

from __future__ import annotations

import secrets
import statistics
import time
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

import attrs

from plait.backends.profiling.job import Job, Result
from plait.backends.profiling.machine import Machine, this_machine

if TYPE_CHECKING:
    from plait.backends.profiling.environment import Environment

GEMM = Job(
    "reference gemm",
    "cpu/f32/nhwc/gemm",
    "1",
    1,
    """ir 1
weights "" {
  @w : f32[256x256x1x1]
}
net @main(%x: f32[1x256x16x16] nhwc) -> (%y: f32[1x256x16x16] nhwc) {
  %y = conv2d(%x, @w) : f32[1x256x16x16] nhwc via cpu/f32/nhwc/gemm
}
""",
)
"""33.6 MFLOP, all of it in the second level of cache."""
COPY = Job(
    "reference copy",
    "cpu/any/nchw/copy",
    "1",
    1,
    """ir 1
net @main(%a: f32[262144], %b: f32[262144]) -> (%y: f32[524288]) {
  %y = concat(%a, %b) {axis = 0} : f32[524288] via cpu/any/nchw/copy
}
""",
)
"""2 MiB read and 2 MiB written."""
Run = Callable[[Job], Result]
"""Measures a job where the session does: in the worker."""


@attrs.frozen
class Reference:
    """Times of the reference jobs in microseconds, on one thread."""

    gemm_us: float
    copy_us: float

    def drift_from(self, other: Reference) -> float:
        """The factor, at least 1, by which the times differ; of the two the larger."""
        return max(_ratio(self.gemm_us, other.gemm_us), _ratio(self.copy_us, other.copy_us))


def time_reference(run: Run) -> Reference | None:
    """Time the reference jobs, which takes some 20 ms; None if one of them gives no time."""
    gemm, copy = run(GEMM), run(COPY)
    return Reference(gemm.cost_us, copy.cost_us) if gemm.ok and copy.ok else None


def typical(references: Iterable[Reference]) -> Reference | None:
    """The median of each time."""
    known = list(references)
    if not known:
        return None
    return Reference(
        statistics.median(r.gemm_us for r in known),
        statistics.median(r.copy_us for r in known),
    )


@attrs.frozen
class Session:
    """What surrounded measurements that were taken together."""

    id: str
    """16 hexadecimal digits, random."""
    machine: str
    """`Machine.instance`"""
    started: float
    """Seconds since 1970."""
    plait: str
    """Version of the program."""
    kernels: str
    """Hash of the kernels' sources."""
    environment: str
    """`Environment.fingerprint`; empty if it is not known."""
    governor: str
    load: float
    """Average number of runnable threads in the minute before."""

    @staticmethod
    def start(machine: Machine | None = None, environment: Environment | None = None) -> Session:
        """A new session.

        Args:
            machine: which measures (default: this one).
            environment: of the process that measures. Default: on this machine, that of this process; of another
                machine nothing is known but its kernels, which are the same ones or it would not be asked.
        """
        from plait.backends.profiling.environment import this_environment

        machine = machine or this_machine()
        found = environment
        if found is None and machine == this_machine():
            found = this_environment()
        return Session(
            id=secrets.token_hex(8),
            machine=machine.instance,
            started=time.time(),
            plait=_version(),
            kernels=found.kernels if found else _kernels(),
            environment=found.fingerprint if found else "",
            governor=found.governor if found else "",
            load=found.load if found else 0.0,
        )


@attrs.frozen
class SessionRecord:
    """A session as the database has it."""

    session: Session
    references: tuple[Reference, ...]
    """In the order of time: before, after, and any in between."""

    @property
    def reference(self) -> Reference | None:
        """How fast the machine was in this session."""
        return typical(self.references)

    @property
    def moved(self) -> float:
        """The factor by which the references of the session differ among themselves; 1 where there is but one."""
        return max((a.drift_from(b) for a in self.references for b in self.references), default=1.0)


def _ratio(a: float, b: float) -> float:
    return max(a / b, b / a) if a > 0 and b > 0 else float("inf")


def _version() -> str:
    from importlib import metadata

    try:
        return metadata.version("plait")
    except metadata.PackageNotFoundError:
        return ""


def _kernels() -> str:
    from plait.kernels_pyx import version_hash

    return version_hash()
