"""Measuring limits, quickly. The machine may be busy, so figures are only checked to be possible."""

from __future__ import annotations

import numpy as np
import pytest

from plait.backends.profiling import probes
from plait.backends.profiling.machine import Machine
from plait.backends.profiling.probes import QUICK, Effort, measure_limits, thorough, thread_counts
from plait.kernels_pyx import available_isas, isas_with, version_hash


@pytest.mark.parametrize(
    ("most", "counts"), [(1, (1,)), (2, (1, 2)), (3, (1, 2, 3)), (6, (1, 2, 4, 6)), (8, (1, 2, 4, 8))]
)
def test_thread_counts(most: int, counts: tuple[int, ...]) -> None:
    assert thread_counts(most) == counts


def test_limits_at_one_thread_and_two() -> None:
    one, two = measure_limits((1, 2), QUICK)
    for limits, threads in ((one, 1), (two, 2)):
        assert (limits.threads, limits.isa, limits.kernels) == (threads, list(limits.gflops)[-1], version_hash())
        assert list(limits.gflops) == isas_with("f32_probe_fma") and all(x > 0 for x in limits.gflops.values())
        assert list(limits.gops) == available_isas() and all(x > 0 for x in limits.gops.values())
        assert list(limits.bf16) == available_isas() and all(x > 0 for x in limits.bf16.values())
        assert limits.levels[-1].name == "DRAM" and limits.levels[-1].capacity is None
        assert all(x > 0 for level in limits.levels for x in (level.read, level.write, level.copy))
        capacities = [level.capacity for level in limits.levels[:-1]]
        assert None not in capacities and capacities == sorted(capacities)  # type: ignore[type-var]
        assert limits.op_ns > 0 and limits.taken.endswith("+00:00")
    assert one.barrier_ns == 0 and two.barrier_ns >= 0


@pytest.mark.parametrize(
    ("caches", "sizes"),
    [
        ("L1D=48K,L1I=32K,L2U=1024K,L3U=32768K", {"L1": 48 << 10, "L2": 1 << 20, "L3": 32 << 20}),
        ("L1D=32K,L2U=2M", {"L1": 32 << 10, "L2": 2 << 20}),
        ("", {}),
    ],
)
def test_cache_sizes(monkeypatch: pytest.MonkeyPatch, caches: str, sizes: dict[str, int]) -> None:
    monkeypatch.setattr(probes, "this_machine", lambda: Machine("model", "avx2", 4, caches, "host", "system"))
    assert probes.cache_sizes() == sizes


def test_a_level_is_probed_beyond_the_one_below(monkeypatch: pytest.MonkeyPatch) -> None:
    """Eight threads with 1 MB of L2 each: a quarter of 64 MB would lie in L2. Of 16 MB nothing is left."""
    probed: dict[str, int] = {}

    def level(name: str, capacity: int | None, total: int, *_: object) -> str:
        probed[name] = total
        return name

    monkeypatch.setattr(probes, "_level", level)
    buffers = probes._Buffers(128 << 20)
    monkeypatch.setattr(probes, "cache_sizes", lambda: {"L1": 48 << 10, "L2": 1 << 20, "L3": 96 << 20})
    assert list(probes._levels(8, buffers, QUICK)) == ["L1", "L2", "L3", "DRAM"]
    assert probed == {"L1": 192 << 10, "L2": 4 << 20, "L3": 24 << 20, "DRAM": 128 << 20}
    monkeypatch.setattr(probes, "cache_sizes", lambda: {"L1": 48 << 10, "L2": 1 << 20, "L3": 64 << 20})
    assert list(probes._levels(16, buffers, QUICK)) == ["L1", "L2", "L3", "DRAM"] and probed["L3"] == 32 << 20
    monkeypatch.setattr(probes, "cache_sizes", lambda: {"L1": 48 << 10, "L2": 1 << 20, "L3": 16 << 20})
    assert list(probes._levels(8, buffers, QUICK)) == ["L1", "L2", "DRAM"]


def test_bursts_go_on_while_the_best_gets_better() -> None:
    class Falling:
        def __init__(self, times: list[int]) -> None:
            self.times = times

        def __len__(self) -> int:
            return 1

        def time_op(self, first: int, last: int, repeats: int, externals: object) -> np.ndarray:
            taken, self.times = self.times[:repeats], self.times[repeats:] or self.times[-1:] * 100
            return np.array(taken)

    effort = Effort(1, 10**9, 0)
    falling = Falling([1000 - 10 * i for i in range(60)])
    assert probes._best_ns(falling, (), effort) == 410  # type: ignore[arg-type]
    assert probes._best_ns(Falling([500] * 4 + [100] * 4), (), Effort(1, 2000, 0)) == 500  # type: ignore[arg-type]


def test_the_time_does_not_grow_with_the_number_of_cores() -> None:
    for threads in ((1,), (1, 2), (1, 2, 4, 8, 16, 32, 64, 128)):
        effort = thorough(threads)
        assert (
            effort.figure_ns * len(threads) * (len(isas_with("f32_probe_fma")) + len(available_isas()) + 13)
            <= 5_000_000_000
        )
        assert 128 << 20 <= effort.memory <= 512 << 20


def test_threads_that_wait_do_not_make_bursts_shorter() -> None:
    """A round takes 10 ns, and two threads wait a millisecond for each other, but for the last of several runs."""

    class Waiting:
        def __init__(self, rounds: int, threads: int) -> None:
            self.ns = 10 * rounds
            self.wait = 1_000_000 * (threads - 1)

        def __len__(self) -> int:
            return 1

        def time_op(self, first: int, last: int, repeats: int, externals: object) -> np.ndarray:
            last_run = 0 if repeats > 3 else self.wait
            return np.array([self.ns + self.wait] * (repeats - 1) + [self.ns + last_run])

    made: list[int] = []

    def plan(rounds: int, threads: int) -> Waiting:
        made.append(rounds)
        return Waiting(rounds, threads)

    assert probes._round_ns(plan, 2, (), Effort(20_000, 10**8, 0)) == 10  # type: ignore[arg-type]
    assert 500 <= made[-1] <= 4000 and made[0] == 1
