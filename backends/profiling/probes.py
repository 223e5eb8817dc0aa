"""Measuring the limits of this machine: probe kernels, run as ops of plans, the best of many short bursts.

A burst is short, so that some fall between the doings of neighbours, and bursts go on until the best of them stands
still: what is wanted is the ceiling, not the average.
"""

from __future__ import annotations

import datetime
import re
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import attrs

from plait.backends.profiling.environment import memory
from plait.backends.profiling.limits import Level, Limits
from plait.backends.profiling.machine import this_machine
from plait.kernels_pyx import Memory, Plan, Ref, isas_with, version_hash

_LANES = {"baseline": 4, "avx2": 8, "avx512": 16}
_CHAINS = {"baseline": 14, "avx2": 12, "avx512": 24}
"""Accumulators of f32_probe_fma, each of so many lanes."""
_DOTS = {"baseline": 8 * 4, "avx2": 8 * 8, "avx512": 24 * 16, "avx512vnni": 24 * 16}
"""Lanes of all accumulators of q8_probe_dot and bf16_probe_dot, to each of which a round adds four and two products."""
_FLOAT, _LOW = isas_with("f32_probe_fma"), isas_with("q8_probe_dot")
_FLOATS = 128
"""The bandwidth probes work in steps of so many floats at most."""
_SIZES = {"K": 1 << 10, "M": 1 << 20, "G": 1 << 30}
_LEAST = 1 << 20
"""A buffer of which each of 256 threads has a part to work on."""
_OPS = 200
"""Empty ops in a plan that is timed."""


@attrs.frozen
class Effort:
    """How long to measure."""

    burst_ns: int
    figure_ns: int
    """Time for one figure, at most."""
    memory: int
    """Bytes of the largest buffer, at most."""


QUICK = Effort(20_000, 300_000, 4 << 20)
"""For tests: figures that are positive, no more."""


def thorough(threads: Sequence[int]) -> Effort:
    """Five seconds in all, at most."""
    figures = len(threads) * (len(_FLOAT) + 2 * len(_LOW) + 3 * 4 + 1)
    return Effort(1_000_000, 5_000_000_000 // figures, min(512 << 20, max(128 << 20, 4 * cache_sizes().get("L3", 0))))


def hasty(threads: Sequence[int]) -> Effort:
    """A third of a second in all, at most: what tuning takes for its bounds where nothing better is known."""
    return attrs.evolve(thorough(threads), burst_ns=200_000, figure_ns=20_000_000)


def thread_counts(most: int) -> tuple[int, ...]:
    """1, 2, 4, ... and `most`."""
    return tuple(sorted({1 << i for i in range(most.bit_length())} | {most}))


def cache_sizes() -> dict[str, int]:
    """Bytes of the data caches: L1 and L2 of a core, L3 of the processor; what the system tells of none is left out."""
    found = {}
    for level, kind, size, unit in re.findall(r"L(\d)([DIU])=(\d+)([KMG]?)", this_machine().caches):
        if kind != "I":
            found[f"L{level}"] = int(size) * _SIZES.get(unit, 1)
    return found


def measure_limits(threads: Iterable[int], effort: Effort) -> tuple[Limits, ...]:
    """The limits for each of these numbers of threads."""
    buffers = _Buffers(_affordable(effort.memory))
    op_ns = _op_ns(1, effort)
    found = []
    for count in threads:
        each = op_ns if count == 1 else _op_ns(count, effort)
        found.append(
            Limits(
                threads=count,
                isa=_FLOAT[-1],
                gflops={isa: _gflops(isa, count, effort) for isa in _FLOAT},
                levels=tuple(_levels(count, buffers, effort)),
                op_ns=op_ns,
                barrier_ns=max(0.0, each - op_ns),
                kernels=version_hash(),
                taken=datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
                gops={isa: _products("q8_probe_dot", 4, isa, count, effort) for isa in _LOW},
                bf16={isa: _products("bf16_probe_dot", 2, isa, count, effort) for isa in _LOW},
            )
        )
    return tuple(found)


def _affordable(nbytes: int) -> int:
    """At most a quarter of the memory that is to be had."""
    return max(_LEAST, min(nbytes, memory("MemAvailable") // 4 or nbytes))


class _Buffers:
    """Two buffers, of which small probes use the beginning."""

    def __init__(self, nbytes: int) -> None:
        self.nbytes = nbytes
        self.x, self.y, self.sums = Memory(nbytes), Memory(nbytes), Memory(8 * 256)

    def declare(self, plan: Plan) -> tuple[Ref, Ref, Ref]:
        return (
            plan.add_external(self.nbytes),
            plan.add_external(self.nbytes, writable=True),
            plan.add_external(self.sums.nbytes, writable=True),
        )

    @property
    def externals(self) -> list[Any]:
        return [self.x, self.y, self.sums]


def _gflops(isa: str, threads: int, effort: Effort) -> float:
    sums = Memory(8 * threads)

    def plan(rounds: int, threads: int) -> Plan:
        plan = Plan(threads)
        y = plan.add_external(sums.nbytes, writable=True)
        plan.add("f32_probe_fma", isa=isa, y=y, factor=1, addend=1, rounds=rounds)
        return plan

    return 2 * _LANES[isa] * _CHAINS[isa] * threads / _round_ns(plan, threads, [sums], effort)


def _products(kernel: str, each: int, isa: str, threads: int, effort: Effort) -> float:
    sums = Memory(8 * threads)

    def plan(rounds: int, threads: int) -> Plan:
        plan = Plan(threads)
        y = plan.add_external(sums.nbytes, writable=True)
        plan.add(kernel, isa=isa, y=y, x=1, w=1, rounds=rounds)
        return plan

    return 2 * each * _DOTS[isa] * threads / _round_ns(plan, threads, [sums], effort)


def _levels(threads: int, buffers: _Buffers, effort: Effort) -> Iterable[Level]:
    sizes = cache_sizes()
    capacities = {name: size if name == "L3" else size * threads for name, size in sorted(sizes.items())}
    below = 0
    for name, capacity in capacities.items():
        # Half of a cache, and a quarter of one that neighbours use too; more than fits the level below.
        total = max(capacity // (4 if name == "L3" else 2), 2 * below)
        if total <= capacity * 3 // 4 and total <= buffers.nbytes:
            yield _level(name, capacity, total, threads, buffers, effort)
            below = capacity
    yield _level("DRAM", None, buffers.nbytes, threads, buffers, effort)


def _level(name: str, capacity: int | None, total: int, threads: int, buffers: _Buffers, effort: Effort) -> Level:
    read, write, copy = (_bandwidth(kind, total, threads, buffers, effort) for kind in ("read", "write", "copy"))
    return Level(name, capacity, read, write, copy)


def _bandwidth(kind: str, total: int, threads: int, buffers: _Buffers, effort: Effort) -> float:
    """GB/s of one probe; a copy has one half of the bytes in each buffer."""
    count = total // (8 if kind == "copy" else 4) // threads // _FLOATS * _FLOATS

    def plan(rounds: int, threads: int) -> Plan:
        plan = Plan(threads)
        x, y, sums = buffers.declare(plan)
        match kind:
            case "read":
                plan.add("f32_probe_read", x=x, y=sums, count=count, rounds=rounds)
            case "write":
                plan.add("f32_probe_write", y=y, value=1, count=count, rounds=rounds)
            case "copy":
                plan.add("f32_probe_copy", x=x, y=y, count=count, rounds=rounds)
        return plan

    return count * (8 if kind == "copy" else 4) * threads / _round_ns(plan, threads, buffers.externals, effort)


def _op_ns(threads: int, effort: Effort) -> float:
    plan = Plan(threads)
    for _ in range(_OPS):
        plan.add("f32_probe_fma", y=None, factor=1, addend=1, rounds=0)
    return _best_ns(plan, (), effort) / _OPS


def _round_ns(plan: Callable[[int, int], Plan], threads: int, externals: Sequence[Any], effort: Effort) -> float:
    """The least time of one round of a probe, from bursts of about `burst_ns`.

    One thread alone tells how many rounds these are: threads that wait for a core would make a short burst look long.

    Args:
        plan: makes one from numbers of rounds and threads; each thread has all the rounds.
    """
    rounds = 1
    while (spent := int(plan(rounds, 1).time_op(0, 1, 3, externals).min())) < effort.burst_ns // 2:
        rounds *= min(64, max(2, effort.burst_ns // max(spent, 1)))
    return _best_ns(plan(rounds, threads), externals, effort) / rounds


def _best_ns(plan: Plan, externals: Sequence[Any], effort: Effort) -> int:
    """The least time of a run; stops when 40 further runs have not made it 0.2 % less, or time is used up."""
    best, spent, since = 0, 0, 0
    while spent < effort.figure_ns and since < 40:
        times = plan.time_op(0, len(plan), 4, externals)
        spent += int(times.sum())
        least = max(1, int(times.min()))
        since = since + 4 if best and least > 0.998 * best else 0
        best = min(best, least) if best else least
    return best
