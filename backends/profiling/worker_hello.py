"""What a worker says first: its version, its machine, and what that can do."""

from __future__ import annotations

import os
from importlib import metadata
from typing import Any

import attrs

from plait.backends.errors import WorkerError
from plait.backends.profiling.machine import Machine, this_machine
from plait.ir.diagnostics import Diagnostic

PROTOCOL = 1
"""Version of the protocol: of frames, requests and answers."""


@attrs.frozen
class Hello:
    """A worker introduces itself."""

    machine: Machine
    """Under which its times are kept."""
    isas: tuple[str, ...]
    """ISA levels that it may use, lowest first."""
    cores: tuple[int, ...]
    """Cores that it may run on; as many threads can have one each."""
    plait: str
    """Version of plait."""
    kernels: str
    """Hash of the kernels' sources; a part of the version of every routine."""

    def to_json(self) -> dict[str, Any]:
        """As a frame."""
        return {"worker": PROTOCOL, **attrs.asdict(self), "machine": self.machine._asdict()}

    @staticmethod
    def from_json(data: dict[str, Any]) -> Hello:
        """What a frame says.

        Raises:
            WorkerError: P510, it is no greeting, or one of another version of the protocol.
        """
        if "worker" not in data:
            raise _refusal("it does not greet as a worker does", "the command must be one like `plait worker`")
        if data["worker"] != PROTOCOL:
            message = f"it speaks version {data['worker']} of the protocol, not {PROTOCOL}"
            raise _refusal(message, _SAME_RELEASE)
        try:
            machine = Machine(**data["machine"])
            if any(type(part) is not kind for part, kind in zip(machine, _MACHINE_TYPES, strict=True)):
                raise ValueError("a part of the machine is of another type")
            return Hello(machine, tuple(data["isas"]), tuple(data["cores"]), str(data["plait"]), str(data["kernels"]))
        except (KeyError, TypeError, ValueError) as error:
            raise _refusal(f"its greeting is damaged: {error}") from None

    def check(self) -> None:
        """Refuse a worker whose times would be kept as those of other routines than it has.

        Raises:
            WorkerError: P510, another release of plait, or other kernels.
        """
        mine = this_hello()
        if self.plait != mine.plait:
            raise _refusal(f"it has plait {self.plait}, this is plait {mine.plait}", _SAME_RELEASE)
        if self.kernels != mine.kernels:
            message = f"it has other kernels ({self.kernels[:12]}, not {mine.kernels[:12]})"
            raise _refusal(message, "build the same sources there and here")


_MACHINE_TYPES = (str, str, int, str, str, str)
_SAME_RELEASE = "install the same release of plait there and here"


def this_hello() -> Hello:
    """What a worker in this process says."""
    from plait.kernels_pyx import available_isas, version_hash

    cores = tuple(sorted(os.sched_getaffinity(0)))
    return Hello(this_machine(), tuple(available_isas()), cores, _version(), version_hash())


def _version() -> str:
    try:
        return metadata.version("plait")
    except metadata.PackageNotFoundError:
        return "unknown"


def _refusal(reason: str, hint: str = "") -> WorkerError:
    return WorkerError(Diagnostic("P510", reason, hint=hint))
