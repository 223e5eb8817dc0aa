"""What surrounds measurements: processor, allowed cores, memory, settings; and what of it spoils them."""

from __future__ import annotations

import os
import platform
import re
from pathlib import Path
from typing import Any

import attrs
import numpy

from plait.backends.profiling.limits import Limits
from plait.backends.profiling.machine import digest, this_machine

_SYSTEM = Path("/sys")
_SCALES = 0.8
"""Less than this part of the peak of so many single threads: cores are shared."""


@attrs.frozen
class Environment:
    """Facts about the machine and this process. What cannot be found out is empty, 0 or None."""

    processor: str
    instance: str
    """Under which name the profile database keeps times of this machine."""
    isas: tuple[str, ...]
    """ISA levels that this process may use, lowest first."""
    isa_cap: str
    """PLAIT_MAX_ISA."""
    cores: int
    allowed_cores: tuple[int, ...]
    quota: float | None
    """Cores' worth of time that the control group allows."""
    caches: str
    memory: int
    available_memory: int
    huge_pages: str
    """When the kernel gives transparent huge pages: always, madvise, never."""
    governor: str
    """Who chooses the frequency of the first allowed core."""
    load: float
    """Average number of runnable threads in the last minute."""
    system: str
    python: str
    numpy: str
    kernels: str
    """Hash of the kernels' sources."""

    @property
    def fingerprint(self) -> str:
        """Short hash of what times depend on beside the machine: those of another fingerprint are stale."""
        return digest(self.kernels, self.governor, self.huge_pages)

    def to_json(self) -> dict[str, Any]:
        return attrs.asdict(self)


def this_environment() -> Environment:
    """The environment of this process."""
    from plait.kernels_pyx import available_isas, version_hash

    machine = this_machine()
    allowed = tuple(sorted(os.sched_getaffinity(0)))
    return Environment(
        processor=_processor() or machine.model,
        instance=machine.instance,
        isas=tuple(available_isas()),
        isa_cap=os.environ.get("PLAIT_MAX_ISA", ""),
        cores=machine.cores,
        allowed_cores=allowed,
        quota=_quota(_read(_SYSTEM / "fs/cgroup/cpu.max")),
        caches=machine.caches,
        memory=memory("MemTotal"),
        available_memory=memory("MemAvailable"),
        huge_pages=_chosen(_read(_SYSTEM / "kernel/mm/transparent_hugepage/enabled")),
        governor=_read(_SYSTEM / f"devices/system/cpu/cpu{allowed[0]}/cpufreq/scaling_governor"),
        load=os.getloadavg()[0],
        system=machine.system,
        python=platform.python_version(),
        numpy=numpy.__version__,
        kernels=version_hash(),
    )


def spoilers(environment: Environment, threads: int) -> tuple[str, ...]:
    """What about the environment spoils measurements on so many threads, a sentence each."""
    e, found = environment, []
    if e.load > 0.5:
        found.append(f"the load average is {e.load:.1f}: other programs take time from what is measured")
    if e.governor and e.governor != "performance":
        found.append(f"the frequency governor is {e.governor!r}, not 'performance': the speed of the cores changes")
    if len(e.allowed_cores) < threads:
        found.append(f"{threads} threads share {len(e.allowed_cores)} allowed cores (of {e.cores})")
    if e.quota is not None and e.quota < threads:
        found.append(f"the control group allows {e.quota:.2g} cores' worth of time for {threads} threads")
    if e.huge_pages == "never":
        found.append("huge pages are off: large weights cost more address translation")
    return tuple(found)


def shared_cores(limits: tuple[Limits, ...]) -> tuple[str, ...]:
    """Whether threads slow each other down, though they only compute."""
    single = next((x.peak for x in limits if x.threads == 1), None)
    if single is None:
        return ()
    return tuple(
        f"{x.threads} threads reach {x.peak / single:.2f} times the peak of one: cores are shared"
        for x in limits
        if x.peak < _SCALES * x.threads * single
    )


def memory(field: str) -> int:
    """Bytes of a field of /proc/meminfo, such as `MemAvailable`; 0 if there is none."""
    match = re.search(rf"^{field}:\s+(\d+) kB$", _read(Path("/proc/meminfo")), re.MULTILINE)
    return int(match[1]) * 1024 if match else 0


def _processor() -> str:
    match = re.search(r"^model name\s*:\s*(.+)$", _read(Path("/proc/cpuinfo")), re.MULTILINE)
    return match[1] if match else ""


def _quota(text: str) -> float | None:
    """Cores from the two numbers of `cpu.max`, `max` standing for all."""
    match = re.fullmatch(r"(\d+) (\d+)", text)
    return int(match[1]) / int(match[2]) if match else None


def _chosen(text: str) -> str:
    """The choice in brackets: `always [madvise] never`."""
    match = re.search(r"\[(\w+)\]", text)
    return match[1] if match else ""


def _read(path: Path) -> str:
    try:
        return path.read_text().strip()
    except OSError:
        return ""
