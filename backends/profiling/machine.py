"""What machine this is: the part of the profile key that says where a time was measured."""

from __future__ import annotations

import functools
import hashlib
import os
import platform
from pathlib import Path

import attrs


@attrs.frozen
class Machine:
    """Two levels of identity.

    `kind` (model, ISA, cache sizes: times carry over roughly) and `instance` (this host: exactly).
    """

    model: str
    isa: str
    cores: int
    caches: str
    host: str
    system: str

    @property
    def kind(self) -> str:
        """Short hash of the class of machines like this one."""
        return _digest(self.model, self.isa, str(self.cores), self.caches)

    @property
    def instance(self) -> str:
        """Short hash of this very machine and its kernel."""
        return _digest(self.kind, self.host, self.system)

    def device_key(self, threads: int) -> str:
        """Readable name of plans for this class of machines: `cpu-avx512-1a2b3c4d-t2`."""
        return f"cpu-{self.isa}-{self.kind[:8]}-t{threads}"


@functools.cache
def this_machine() -> Machine:
    """The machine this process runs on, as far as `PLAIT_MAX_ISA` lets it be used."""
    from plait.kernels_pyx import isa_level

    return Machine(
        _model(),
        isa_level(),
        os.cpu_count() or 1,
        _caches(),
        platform.node(),
        f"{platform.system()} {platform.release()}",
    )


def _model() -> str:
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith(("model name", "cpu family", "model\t")):
                fields = [
                    row.split(":", 1)[1].strip()
                    for row in Path("/proc/cpuinfo").read_text().split("\n\n")[0].splitlines()
                    if row.split("\t")[0].strip() in ("model name", "cpu family", "model", "stepping")
                ]
                return " ".join(fields)
    except OSError:
        pass
    return platform.processor() or platform.machine()


def _caches() -> str:
    sizes = []
    for index in sorted(Path("/sys/devices/system/cpu/cpu0/cache").glob("index*")):
        try:
            level, kind, size = ((index / name).read_text().strip() for name in ("level", "type", "size"))
            sizes.append(f"L{level}{kind[0]}={size}")
        except OSError:
            continue
    return ",".join(sizes)


def _digest(*parts: str) -> str:
    return hashlib.sha256("\x00".join(parts).encode()).hexdigest()[:16]
