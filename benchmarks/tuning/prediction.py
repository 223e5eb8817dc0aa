"""Predicted against measured: which measuring state tells best how long whole networks take."""

from __future__ import annotations

import itertools
import statistics
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import attrs

from benchmarks.tuning.plans import plan_server, plan_text, subject
from benchmarks.tuning.racing import stopping, take_turns
from benchmarks.tuning.surroundings import forcing, routines_of
from benchmarks.tuning.timing import Sampling
from plait.ir import Module
from plait.tuning.api import TunedModel, TuneOptions, tune_module

Say = Callable[[str], None]


@attrs.frozen
class PlanTimes:
    """A plan end to end, and what the layers' times in each state say of it."""

    names: tuple[str, ...]
    """The state that it was tuned in, or its layout; several where they led to one plan."""
    measured_ms: float
    predicted_ms: Mapping[str, float]
    """By state."""

    def error(self, state: str) -> float:
        """How far the prediction is above the measurement, as a share of this."""
        return self.predicted_ms[state] / self.measured_ms - 1


@attrs.frozen
class Prediction:
    """Plans of one network."""

    plans: tuple[PlanTimes, ...]
    seconds: Mapping[str, float]
    """For tuning in each state."""

    def chosen(self, state: str) -> PlanTimes:
        """The plan tuned in a state."""
        return next(plan for plan in self.plans if state in plan.names)

    def loss(self, state: str) -> float:
        """How much slower the plan tuned in a state is than the fastest of all, as a share."""
        return self.chosen(state).measured_ms / min(plan.measured_ms for plan in self.plans) - 1

    def error(self, state: str) -> float:
        """The median size of errors."""
        return statistics.median(abs(plan.error(state)) for plan in self.plans)

    def agreement(self, state: str) -> float | None:
        """Kendall's tau between predicted and measured order: 1 for the same, -1 for the reverse; None for one plan."""
        pairs = list(itertools.combinations(self.plans, 2))
        signs = [
            _sign(a.measured_ms - b.measured_ms) * _sign(a.predicted_ms[state] - b.predicted_ms[state])
            for a, b in pairs
        ]
        return sum(signs) / len(signs) if signs else None

    def to_json(self) -> dict[str, Any]:
        return attrs.asdict(self)

    @staticmethod
    def from_json(data: Mapping[str, Any]) -> Prediction:
        plans = [PlanTimes(tuple(p["names"]), p["measured_ms"], p["predicted_ms"]) for p in data["plans"]]
        return Prediction(tuple(plans), data["seconds"])


@attrs.frozen
class Predictor:
    """A network that is tuned in states, each with a database of its own in `folder`.

    Args:
        module: after optimisation.
        onnx: its file, from which plans take the weights.
    """

    module: Module
    onnx: Path
    folder: Path
    threads: int
    states: Sequence[str]
    say: Say

    def predict(self, layouts: Iterable[str], sampling: Sampling) -> Prediction:
        """Tune in each state, and for each layout with its routines alone; run all plans in turns."""
        plans: dict[tuple[str, ...], Module] = {}
        names: dict[tuple[str, ...], list[str]] = {}
        seconds = {}
        for state in self.states:
            begin = time.perf_counter()
            tuned = self.tune(state)
            seconds[state] = time.perf_counter() - begin
            self.say(f"{state}: {tuned.report.predicted_us / 1e3:.3f} ms predicted in {seconds[state]:.1f} s")
            plans[key := routines_of(tuned.module)] = tuned.module
            names.setdefault(key, []).append(state)
        for layout in layouts:
            module = self.tune(self.states[0], [f"*/*/{layout}"]).module
            plans.setdefault(key := routines_of(module), module)
            names.setdefault(key, []).append(layout)
        predicted = [
            {state: self.tune(state, forcing(module)).report.predicted_us / 1e3 for state in self.states}
            for module in plans.values()
        ]
        measured = self.run(list(plans.values()), sampling)
        found = zip(names.values(), measured, predicted, strict=True)
        return Prediction(tuple(PlanTimes(tuple(n), ms, p) for n, ms, p in found), seconds)

    def tune(self, state: str, routines: Sequence[str] = ()) -> TunedModel:
        """The best plan of these routines by times in one state alone: none of them races."""
        database = self.folder / f"{state}.sqlite"
        options = TuneOptions(state, race=0)
        return tune_module(self.module, threads=self.threads, routines=routines, db=database, options=options)

    def run(self, plans: Sequence[Module], sampling: Sampling) -> list[float]:
        """Milliseconds of plans, each in a process of its own."""
        servers = {str(i): plan_server(self.threads) for i in range(len(plans))}
        with stopping(servers):
            for (key, server), module in zip(servers.items(), plans, strict=True):
                server.open(key, subject(plan_text(module), self.onnx))
            times = take_turns(servers, sampling.rounds, sampling.seconds)
        return [statistics.median(times[key]) for key in servers]


def _sign(difference: float) -> int:
    return (difference > 0) - (difference < 0)
