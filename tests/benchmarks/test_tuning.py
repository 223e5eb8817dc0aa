"""The benchmark of tuning: what it makes of figures, which plans compete, and one small run."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import attrs
import numpy as np
import pytest

from benchmarks.support.serving import Server, ServerError
from benchmarks.tuning import regret, stored
from benchmarks.tuning.competitors import FORCED, Competitor, competitors
from benchmarks.tuning.metaschedule import Beside
from benchmarks.tuning.prediction import PlanTimes, Prediction
from benchmarks.tuning.regret import AGAIN, RIVAL, TUNED, Contest, Halving, Regret, Rival
from benchmarks.tuning.surroundings import Surroundings, forcing, routines_of
from benchmarks.tuning.timing import EMPTY, FULL, Timing, TuneRun
from plait.backends.descriptor import RoutinePattern
from plait.backends.profiling.data import fill_constants
from plait.backends.runner import Runner
from plait.ir.text.parser import parse_module
from plait.passes.selection.solvers import solver
from plait.tuning.entries import Entries
from plait.tuning.template import Template

TEXT = """ir 1
weights "w.safetensors" {
  @w : f32[32x16x3x3]
  @v : f32[32x16x3x3]
  @u : f32[16x32x1x1]
}
net @main(%x: f32[1x16x8x8]) -> (%y: f32[1x16x8x8]) {
  %a = conv2d(%x, @w) {pad = [1, 1, 1, 1], act = relu}
  %b = conv2d(%x, @v) {pad = [1, 1, 1, 1], act = relu}
  %c = add(%a, %b)
  %y = conv2d(%c, @u)
}
"""
REPORT = {
    "predicted_us": 2500.0,
    "entries": 200,
    "measured": 50,
    "status": "optimal",
    "profile_seconds": 4.0,
    "solve_seconds": 0.25,
    "race_seconds": 0.75,
    "measure_seconds": 4.5,
    "certificate": {"known": 60, "rounds": 7, "repeated": 5, "saved": 0.4},
}
RUN = TuneRun.of(REPORT, 6.0)


def test_seconds_of_tuning_are_measuring_solving_and_the_rest() -> None:
    assert (RUN.measure_seconds, RUN.solve_seconds, RUN.rest_seconds) == (4.5, 0.5, 1.0)
    assert RUN.share == 0.25
    whole = TuneRun.of({**REPORT, "certificate": None}, 6.0)
    assert (whole.known, whole.rounds, whole.saved) == (200, 0, 0.0)


def plan_times(names: tuple[str, ...], measured: float, hot: float, cold: float) -> PlanTimes:
    return PlanTimes(names, measured, {"hot": hot, "cold": cold})


PREDICTION = Prediction(
    (plan_times(("hot",), 10, 9, 12), plan_times(("cold", "nchw"), 8, 10, 8), plan_times(("nhwc",), 20, 19, 30)),
    {"hot": 3.0, "cold": 4.0},
)


def test_states_are_judged_by_error_order_and_loss() -> None:
    assert PREDICTION.error("hot") == pytest.approx(0.1)
    assert PREDICTION.error("cold") == pytest.approx(0.2)
    assert PREDICTION.agreement("cold") == 1
    assert PREDICTION.agreement("hot") == pytest.approx(1 / 3), "one pair of three is in the wrong order"
    assert (PREDICTION.loss("hot"), PREDICTION.loss("cold")) == (0.25, 0.0)
    table = stored.SECTIONS["predict"].markdown({"a": PREDICTION})
    assert table.index("| hot | 10.0% |") < table.index("| cold | 20.0% |"), "the best first"


@pytest.fixture
def around() -> Surroundings:
    """A network whose entries cost what chance says."""
    module = parse_module(TEXT)
    template, source = Template.of(Entries(module.main, threads=1, state="hot"))
    costs = np.random.default_rng(3).uniform(1, 2, len(source.jobs))
    return Surroundings(module, template, source, costs)


def test_competitors_are_distinct_plans_that_run(around: Surroundings) -> None:
    best = around.plan(around.priced, around.best)
    assert around.predicted_us(best) == pytest.approx(around.best.cost)
    tuned = around.module_of(best)
    found = competitors(around, tuned, 8)
    plans = {routines_of(one.module) for one in found}
    assert len(plans) == len(found) == 8
    assert routines_of(tuned) not in plans
    assert {one.kind for one in found} > {FORCED}
    assert all(one.predicted_us >= around.best.cost * (1 - 1e-9) for one in found)
    assert [c.predicted_us for c in competitors(around, tuned, 8)] == [c.predicted_us for c in found], "deterministic"
    fill_constants(found[0].module)
    runner = Runner(found[0].module, 1)
    assert np.isfinite(runner.run(**runner.random_inputs())["y"]).all()


def test_patterns_force_a_plan(around: Surroundings) -> None:
    tuned = around.module_of(around.plan(around.priced, around.best))
    patterns = [RoutinePattern.parse(text) for text in forcing(tuned)]
    template, source = Template.of(Entries(around.module.main, threads=1, patterns=patterns, state="hot"))
    priced = template.price([1.0] * len(source.jobs))
    assert priced is not None
    again = solver("exact")(priced.problem)
    forced = Surroundings(around.module, template, source, np.ones(len(source.jobs)))
    routines = routines_of(forced.module_of(forced.plan(priced, again)))
    assert [r for r in routines if "adapt" not in r] == [r for r in routines_of(tuned) if "adapt" not in r]


class Scripted(Server):
    """A plan takes what its text says, in microseconds; the texts of plans that fail say nothing."""

    def __init__(self, opened: list[str]) -> None:
        self.texts: dict[str, float] = {}
        self.opened = opened

    def open(self, key: str, subject: dict[str, Any]) -> None:
        if not subject["text"]:
            raise ServerError("it does not run")
        self.opened.append(key)
        self.texts[key] = float(subject["text"])

    def burst(self, key: str, seconds: float) -> list[float]:
        return [self.texts[key] * 1e3]

    def stop(self) -> None:
        self.texts.clear()


def stand_in(text: str) -> Any:
    """For a module: what its text is to be."""
    return text


def test_the_best_of_many_has_to_win_a_duel(monkeypatch: pytest.MonkeyPatch) -> None:
    times = ["12", "6", "", "8", "15"]
    monkeypatch.setattr(regret, "plan_text", lambda module: module)
    opened: list[str] = []
    halving = Halving(second=3, screen_s=0, second_s=0, finalists=2, processes=2, rounds=2, duels=3)
    contest = Contest(Path("none.onnx"), "8", 1, halving, lambda threads: Scripted(opened))
    field = [Competitor("next best", stand_in(text), 5.0) for text in times]
    screened, failures = contest.screen(field)
    assert failures == ["it does not run"]
    assert [text for text, _ in screened] == ["6", "8", "12", "15"]
    second = contest.again(screened[:3])
    del opened[:]
    found = regret.hold_finals(contest, second)
    assert found.tuned_ms == 0.008
    assert found.again == (1.0,) * 3
    first, other, *_ = found.rivals
    assert (first.last, first.duels) == ((0.75,) * 2, (0.75,) * 3)
    assert other.duels == ()
    assert len(opened) == 2 * 4 + 3 * 3, "two plans, then one, beside the tuned one and its copy"
    assert {TUNED, AGAIN, f"{RIVAL} 0"} <= set(opened)


def regret_of(*ratios: float) -> Regret:
    rivals = tuple(Rival("next best", 2.0, r, r, (r,), (r,) * 3 if i == 0 else ()) for i, r in enumerate(ratios))
    return Regret("hot", 1.9, 2.0, (1.0, 0.99, 1.01), rivals, (), 5.0)


def test_only_the_duel_counts() -> None:
    assert regret_of(0.8, 0.9).beaten_by == pytest.approx(0.25)
    assert regret_of().beaten_by == 0
    assert attrs.evolve(regret_of(0.8), rivals=(Rival("next best", 2.0, 0.5, 0.5, (0.5,), (1.0,)),)).beaten_by == 0


CELLS: dict[str, Any] = {
    "time": Timing({EMPTY: RUN, FULL: RUN}, {"imports": 0.5, "tune": 0.1}, {EMPTY: 2.5}),
    "predict": PREDICTION,
    "regret": regret_of(0.98, 1.1),
    "tvm": Beside(RUN, 600.0, 500, 40, 38, 20.0, {"plait": 2.0, "tvm": 3.0}),
}


def test_results_survive_the_way_to_disk(tmp_path: Path) -> None:
    path = tmp_path / "out"
    stored.keep_cell(path, "time", "two", CELLS["time"], [])
    for name, cell in CELLS.items():
        stored.keep_cell(path, name, "one", cell, [])
    sections = stored.read_sections(path)
    assert stored.cells_of("time", sections["time"]) == {"two": CELLS["time"], "one": CELLS["time"]}
    for name, cell in CELLS.items():
        assert stored.cells_of(name, sections[name])["one"] == cell
    text = path.with_suffix(".md").read_text(encoding="utf-8")
    for row in ("| one | empty | 6.00 | 4.50 | 0.50 | 1.00 | 200 | 50 | 25% |", "| one | tvm | 600.0 | 20.0 | 500 |"):
        assert row in text
    assert stored.write_sections(path, sections) == text
    assert stored.read_sections(tmp_path / "nothing") == {}


@pytest.mark.slow
def test_a_small_run(run_benchmark: Callable[..., Any], tmp_path: Path) -> None:
    small = ("--networks", "squeezenet", "--image", 32, "--width", 0.25, "--results", "out/tuning")
    brief = (*small, "--rounds", 1, "--seconds", 0)
    run_benchmark("tuning", "time", *brief)
    run_benchmark("tuning", "predict", *brief, "--states", "hot,in_place", "--layouts", "nhwc")
    steps = ("--plans", 10, "--second", 3, "--finalists", 2, "--screen-s", 0, "--second-s", 0)
    run_benchmark("tuning", "regret", *small, *steps, "--processes", 1, "--duels", 1, "--rounds", 1, "--burst-s", 0)
    told = run_benchmark("tuning", "report", "--results", "out/tuning").stdout
    assert "## Tuning times" in told and "## Which state predicts best" in told
    sections = json.loads((tmp_path / "out/tuning.json").read_text())["sections"]
    (timing,), (predicted,), (contest,) = (s["networks"].values() for s in sections.values())
    assert timing["runs"]["full"]["measured"] == timing["runs"]["again"]["measured"] == 0
    assert timing["runs"]["exhaustive"]["measured"] == timing["runs"]["exhaustive"]["entries"]
    assert all(plan["predicted_ms"].keys() == {"hot", "in_place"} for plan in predicted["plans"])
    assert len(contest["rivals"]) == 10 and contest["failures"] == []
