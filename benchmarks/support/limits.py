"""The machine's limits, as `plait doctor` measures them: arithmetic, and bandwidth of each level of memory."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import attrs

LEVELS = ("L1", "L2", "L3", "DRAM")
_FMA = re.compile(r"fp32_fma_\w+_gflops_(\d+)t")
_BANDWIDTH = re.compile(r"(read|write)_(l1|l2|l3|dram)_\w*gbs_(\d+)t")
_CACHES = Path("/sys/devices/system/cpu/cpu0/cache")


@attrs.frozen
class Level:
    """One level of memory: the bytes it holds for all threads, GB/s read and written by all threads."""

    name: str
    capacity: float
    read_gbs: float
    write_gbs: float

    def seconds(self, read: int, written: int) -> float:
        """The least time for this many bytes."""
        return read / self.read_gbs / 1e9 + written / self.write_gbs / 1e9


@attrs.frozen
class Limits:
    """What a number of threads can do at most."""

    threads: int
    gflops: float
    """float32 multiply-adds, each counted as two."""
    levels: tuple[Level, ...]

    def level(self, nbytes: int) -> Level:
        """The nearest level that holds this many bytes."""
        return next((level for level in self.levels if nbytes <= level.capacity), self.levels[-1])


def read_limits(path: Path | None, threads: int) -> Limits | None:
    """The limits in a JSON file; None without a file, or if it lacks a figure for this number of threads."""
    if path is None:
        return None
    figures: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    rates = [float(v) for k, v in figures.items() if (m := _FMA.fullmatch(k)) and int(m[1]) == threads]
    bandwidth = {
        (m[1], m[2].upper()): float(v)
        for k, v in figures.items()
        if (m := _BANDWIDTH.fullmatch(k)) and int(m[3]) == threads
    }
    if not rates or not all(("read", level) in bandwidth for level in LEVELS):
        return None
    sizes = cache_sizes(threads)
    levels = tuple(
        Level(
            name,
            sizes.get(name, float("inf")),
            bandwidth["read", name],
            bandwidth.get(("write", name), bandwidth["read", name]),
        )
        for name in LEVELS
    )
    return Limits(threads, max(rates), levels)


def cache_sizes(threads: int) -> dict[str, float]:
    """Bytes of data that the caches of this many cores hold; a cache that cores share counts once."""
    sizes: dict[str, float] = {}
    for index in sorted(_CACHES.glob("index*")):
        level, kind, size, shared = (
            (index / name).read_text().strip() for name in ("level", "type", "size", "shared_cpu_list")
        )
        if kind != "Instruction":
            alone = not re.search(r"[,-]", shared)
            sizes[f"L{level}"] = _bytes(size) * (threads if alone else 1)
    return sizes


def _bytes(text: str) -> float:
    units = {"K": 2**10, "M": 2**20, "G": 2**30}
    return float(text[:-1]) * units[text[-1]] if text[-1] in units else float(text)
