"""Results, and when there are enough samples."""

from __future__ import annotations

import json

import numpy as np
import pytest

from plait.backends.profiling.job import Job, Result, enough
from plait.backends.profiling.measure import BUDGET_NS, LOOK, measure

LONG = 10**12


def test_cost_is_the_lower_quartile_in_microseconds() -> None:
    result = Result("ok", (9000, 1000, 2000, 4000))
    assert (result.ok, result.cost_us, result.spread_us) == (True, 2.0, 1.5)
    assert Result("ok", (3000,)).cost_us == 3.0


@pytest.mark.parametrize("result", [Result("ok"), Result("failed", (5,)), Result("crashed")])
def test_not_ok(result: Result) -> None:
    assert not result.ok


@pytest.mark.parametrize("result", [Result("ok", (1, 2, 3)), Result("timeout", (), "after 3 s")])
def test_results_travel_as_json(result: Result) -> None:
    assert Result.from_json(json.loads(json.dumps(result.to_json()))) == result


@pytest.mark.parametrize(
    "samples, budget, stop",
    [
        ([], LONG, False),
        ([1000] * 9, LONG, False),
        ([1000] * 10, LONG, True),
        ([1000, 1100] * 5, LONG, False),
        ([1000, 1001] * 5, LONG, True),
        ([1000] * 3, 3000, True),
        ([1000] * 3, 3001, False),
        ([1000, 2000] * 20, LONG, True),
        ([1000, 2000] * 19 + [5], LONG, False),
        # Deviation: under 1 % of the median, not at it. A few outliers do not matter.
        ([1000] * 8 + [9000] * 3, LONG, True),
        ([990, 1010] * 5 + [1000], LONG, False),
        ([991, 1009] * 5 + [1000], LONG, True),
    ],
)
def test_enough(samples: list[int], budget: int, stop: bool) -> None:
    assert enough(samples, budget) is stop


def test_enough_takes_the_limit_of_samples() -> None:
    assert enough([1000, 2000] * 3, LONG, most=6)
    assert not enough([1000, 2000] * 3, LONG, most=7)


RELU = "ir 1\nnet @main(%x0: f32[64]) -> (%y0: f32[64]) {\n  %y0 = relu(%x0) : f32[64] via cpu/f32/nchw/vector\n}\n"


class Clock:
    """A program whose times are given."""

    def __init__(self, times: list[int]) -> None:
        self.times, self.asked = times, [0]
        self.evicted, self.cold = 0, [False]

    def __call__(self, module: object, threads: int) -> Clock:
        return self

    inputs: tuple[object, ...] = ()

    def evict_constants(self) -> None:
        self.evicted += 1

    def time(self, inputs: object, repeats: int, cold: bool = False) -> np.ndarray:  # type: ignore[type-arg]
        self.asked.append(repeats)
        self.cold.append(cold)
        return np.array([self.times.pop(0) if len(self.times) > 1 else self.times[0] for _ in range(repeats)])


def timed(monkeypatch: pytest.MonkeyPatch, times: list[int], limit_ns: int | None = None) -> tuple[Result, Clock]:
    clock = Clock(times)
    monkeypatch.setattr("plait.backends.profiling.measure.Program", clock)
    return measure(Job("s", "r", "1", 1, RELU), limit_ns), clock


def test_measuring_for_real() -> None:
    result = measure(Job("s", "cpu/f32/nchw/vector", "1", 1, RELU))
    assert result.ok and all(s > 0 for s in result.samples)


def test_equal_samples_stop_early_and_the_first_run_does_not_count(monkeypatch: pytest.MonkeyPatch) -> None:
    result, _ = timed(monkeypatch, [90_000, 1000])
    assert result == Result("ok", (1000,) * 10)


def test_scattered_samples_are_taken_up_to_the_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    result, _ = timed(monkeypatch, [1000, 2000] * 100)
    assert len(result.samples) == 40


def test_very_slow_routines_are_run_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    result, clock = timed(monkeypatch, [BUDGET_NS + 1, 700, 1])
    assert (result.samples, clock.asked) == ((700,), [0, 1, 1])


def test_slow_routines_keep_to_the_budget(monkeypatch: pytest.MonkeyPatch) -> None:
    result, _ = timed(monkeypatch, [BUDGET_NS // 3, BUDGET_NS // 4, BUDGET_NS // 2])
    assert result.samples == (BUDGET_NS // 4, BUDGET_NS // 2, BUDGET_NS // 2)


def test_hopeless_routines_get_few_samples(monkeypatch: pytest.MonkeyPatch) -> None:
    assert timed(monkeypatch, [6001, 5000], limit_ns=3000)[0].samples == (5000,)
    spread = [5000, *[3500, 4500] * 50]
    assert len(timed(monkeypatch, list(spread), limit_ns=3000)[0].samples) == LOOK
    assert len(timed(monkeypatch, list(spread), limit_ns=6000)[0].samples) == 40


def test_repeated_measurements_join_their_samples() -> None:
    first, failed = Result("ok", (1, 2)), Result("failed", (), "no")
    assert first.joined(Result("ok", (3,))) == Result("ok", (1, 2, 3))
    assert first.joined(failed) == first


@pytest.mark.parametrize("state, evictions, cold", [("hot", 0, False), ("streamed", 10, False), ("cold", 0, True)])
def test_states_decide_where_data_are(monkeypatch: pytest.MonkeyPatch, state: str, evictions: int, cold: bool) -> None:
    clock = Clock([1000])
    monkeypatch.setattr("plait.backends.profiling.measure.Program", clock)
    result = measure(Job("s", "r", "1", 1, RELU, state))
    assert result == Result("ok", (1000,) * 10)
    assert (clock.evicted, clock.cold[-1]) == (evictions, cold)


@pytest.mark.parametrize("state", ["hot", "streamed", "cold"])
def test_states_for_real(state: str) -> None:
    assert measure(Job("s", "cpu/f32/nchw/vector", "1", 1, RELU, state)).ok


def test_cold_runs_of_a_python_step() -> None:
    module = RELU.replace("cpu/f32/nchw/vector", "cpu/any/nchw/reference")
    assert measure(Job("s", "cpu/any/nchw/reference", "1", 1, module, "cold")).ok


TWO = """ir 1
weights "w" {
  @w : f32[8x8x1x1]
}
net @main(%x0: f32[1x8x4x4] nchw) -> (%y0: f32[1x8x4x4] nchw) {
  %a = conv2d(%x0, @w) : f32[1x8x4x4] nchw via cpu/f32/nchw/gemm
  %b = relu(%a) : f32[1x8x4x4] nchw via cpu/f32/nchw/vector
  %y0 = sigmoid(%b) : f32[1x8x4x4] nchw via cpu/any/nchw/reference
}
"""


def test_networks_are_timed_layer_by_layer() -> None:
    result = measure(Job("", "", "", 1, TWO, "in_place"))
    assert result.ok and len(result.samples) % 3 == 0 and len(result.samples) >= 9
    assert all(s > 0 for s in result.samples)


def test_weights_of_networks_keep_the_size_of_what_flows_through() -> None:
    from plait.backends.profiling.data import fill_network
    from plait.ir.text.parser import parse_module

    module = parse_module(TWO, check=False)
    fill_network(module)
    weights = module.constants["w"].data
    assert abs(float((weights**2).mean()) * 8 - 2) < 1 and abs(float(weights.mean())) < 0.2
