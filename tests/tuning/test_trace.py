"""Traces: every step of every thread once in a run, in order, around which the run lies."""

from __future__ import annotations

import itertools
import json
from collections import Counter
from typing import Any

import pytest

from plait.backends.null import FixedCosts
from plait.backends.runner import Runner
from plait.ir.text.parser import parse_module
from plait.tuning import tune
from plait.tuning.trace import trace

TEXT = """ir 1
const @w : f32[4x3x1x1] = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12]
net @main(%image: f32[1x3x7x7] nchw) -> (%y: f32[1x4x7x7] nchw, %z: f32[1x4x7x7] nchw) {
  %c = conv2d(%image, @w) : f32[1x4x7x7] nchw
  %s = sigmoid(%c) : f32[1x4x7x7] nchw
  %y = softmax(%s) {axis = 1} : f32[1x4x7x7] nchw
  %z = tanh(%y) : f32[1x4x7x7] nchw
}
"""
COSTS = {
    "kernels": {"*": 50.0, "cpu/f32/nchw": 1.0, "cpu/*/*/reference": 900.0},
    "python between": {"*": 50.0, "cpu/f32/nchw": 1.0, "softmax cpu/any/nchw/reference": 0.1},
}


def traced(costs: str, threads: int, runs: int = 3) -> tuple[Runner, dict[str, Any]]:
    runner = Runner(tune(parse_module(TEXT), FixedCosts(COSTS[costs]), threads=threads).module, threads)
    return runner, json.loads(json.dumps(trace(runner, runs=runs, name="model.plait")))


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("costs", COSTS)
def test_every_step_on_every_thread_once_a_run(costs: str, threads: int) -> None:
    runner, data = traced(costs, threads)
    steps = runner.program.executable.steps
    python = [step for step in steps if not hasattr(step, "kernel")]
    assert len(python) == (costs == "python between")
    events = [e for e in data["traceEvents"] if e["ph"] == "X" and e["cat"] != "run"]
    for thread in range(threads):
        mine = Counter(e["name"] for e in events if e["tid"] == thread)
        wanted = Counter(
            runner.layers[step.layer].results[0].name
            for step in steps
            if thread == 0 or step not in python
        )  # fmt: skip
        assert mine == {name: 3 * count for name, count in wanted.items()}
    for event in events:
        assert event["cat"] == ("kernel" if "kernel" in event["args"] else "python")


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("costs", COSTS)
def test_events_follow_one_another_and_nest_in_runs(costs: str, threads: int) -> None:
    _, data = traced(costs, threads)
    events = [e for e in data["traceEvents"] if e["ph"] == "X"]
    assert min(e["ts"] for e in events) == 0 and all(e["dur"] >= 0 for e in events)
    runs = [e for e in events if e["cat"] == "run"]
    assert [e["name"] for e in runs] == ["run 1", "run 2", "run 3"] and {e["tid"] for e in runs} == {0}
    near = 0.002  # microseconds have three decimals
    for before, after in itertools.pairwise(runs):
        assert before["ts"] + before["dur"] <= after["ts"] + near
    for thread in range(threads):
        mine = [e for e in events if e["tid"] == thread and e["cat"] != "run"]
        for before, after in itertools.pairwise(mine):
            assert before["ts"] + before["dur"] <= after["ts"] + near
        for e in mine:
            assert any(r["ts"] <= e["ts"] + near and e["ts"] + e["dur"] <= r["ts"] + r["dur"] + near for r in runs)


def test_arguments_and_names() -> None:
    runner, data = traced("kernels", 2)
    names = [(e["name"], e["tid"], e["args"]["name"]) for e in data["traceEvents"] if e["ph"] == "M"]
    assert names == [
        ("process_name", 0, "model.plait"),
        ("thread_name", 0, "thread 0 (the caller)"),
        ("thread_name", 1, "thread 1"),
    ]
    layer = runner.layers[0]
    assert layer.op == "conv2d"
    events = [e for e in data["traceEvents"] if e["name"] == "c"]
    for event in events:
        args = event["args"]
        assert (args["op"], args["routine"]) == ("conv2d", layer.via)
        assert (args["bytes"], args["flops"]) == (layer.nbytes(), layer.flops())
        assert args["kernel"].startswith("f32_") and args["wait_us"] >= 0 and args["GFLOP/s"] > 0
    for run in range(3):
        both = [e for e in events if e["tid"] in (0, 1)][run * 2 : run * 2 + 2]
        assert min(e["args"]["wait_us"] for e in both) == 0
    assert data["otherData"] == {"threads": 2, "runs": 3}


def test_a_copy_of_an_output_has_a_name() -> None:
    text = "ir 1\nnet @main(%x: f32[4]) -> (%x: f32[4], %y: f32[4]) {\n  %y = tanh(%x)\n}\n"
    runner = Runner(tune(parse_module(text), FixedCosts({"*": 1.0})).module)
    data = trace(runner, runs=1)
    assert "copy of an output" in [e["name"] for e in data["traceEvents"]]


def test_no_runs() -> None:
    runner = Runner(tune(parse_module(TEXT), FixedCosts(COSTS["kernels"])).module)
    assert trace(runner, runs=0)["traceEvents"][-1]["ph"] == "M"
