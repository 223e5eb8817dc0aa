"""What machine this is: the part of the profile key that says where a time was measured."""

from __future__ import annotations

import functools
import os
import platform
from collections.abc import Mapping
from typing import NamedTuple


class DeviceKey(NamedTuple):
    """The parts of `cpu-avx512-1a2b3c4d-t2`: a class of machines and a number of threads."""

    isa: str
    """`cpu-avx512`"""
    kind: str
    threads: int

    @classmethod
    def parse(cls, text: str) -> DeviceKey | None:
        """The parts of a key, or None if it is none."""
        isa, _, kind = text.rpartition("-t")[0].rpartition("-")
        threads = text.rpartition("-t")[2]
        known = isa.count("-") == 1 and len(kind) == 8 and set(kind) <= set("0123456789abcdef")
        return cls(isa, kind, int(threads)) if known and threads.isascii() and threads.isdigit() else None


class Machine(NamedTuple):
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
    def description(self) -> str:
        """What `kind` is a hash of."""
        return "; ".join((self.model, self.isa, str(self.cores), self.caches))

    @property
    def kind(self) -> str:
        """Short hash of the class of machines like this one."""
        return digest(self.model, self.isa, str(self.cores), self.caches)

    @property
    def instance(self) -> str:
        """Short hash of this very machine and its kernel."""
        return digest(self.kind, self.host, self.system)

    def device_key(self, threads: int) -> str:
        """Readable name of plans for this class of machines: `cpu-avx512-1a2b3c4d-t2`."""
        return f"cpu-{self.isa}-{self.kind[:8]}-t{threads}"

    def kind_among(self, known: Mapping[str, str]) -> str:
        """The kind in device keys of this machine; it is looked up by description where that is known, which takes
        less time than to load a hash function."""
        description = self.description
        return next((kind for kind, what in known.items() if what == description), None) or self.kind[:8]


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
    wanted = ("model name", "cpu family", "model", "stepping")
    try:
        with open("/proc/cpuinfo", encoding="utf-8", errors="replace") as lines:
            # The first core's lines; the file is slow to read on machines of many cores.
            fields: list[str] = []
            for line in lines:
                name, colon, value = line.partition(":")
                if not line.strip():
                    break
                if colon and name.split("\t")[0].strip() in wanted:
                    fields.append(value.strip())
        if fields:
            return " ".join(fields)
    except OSError:
        pass
    return platform.processor() or platform.machine()


def _caches() -> str:
    folder = "/sys/devices/system/cpu/cpu0/cache"
    sizes = []
    try:
        names = sorted(name for name in os.listdir(folder) if name.startswith("index"))
    except OSError:
        return ""
    for name in names:
        try:
            level, kind, size = (_read(f"{folder}/{name}/{what}") for what in ("level", "type", "size"))
            sizes.append(f"L{level}{kind[0]}={size}")
        except (OSError, IndexError):
            continue
    return ",".join(sizes)


def _read(path: str) -> str:
    with open(path, encoding="utf-8") as file:
        return file.read().strip()


def digest(*parts: str) -> str:
    """16 hexadecimal digits that tell such texts apart."""
    import hashlib

    return hashlib.sha256("\x00".join(parts).encode()).hexdigest()[:16]
