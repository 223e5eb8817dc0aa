"""The plans of a network: of one precision, the fastest mix, and the fastest mixes within bounds."""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Iterator, Mapping
from fractions import Fraction
from pathlib import Path
from typing import Any

import attrs

import plait
from benchmarks.mixed.subjects import Subject
from plait.tuning.api import TunedModel, TuneOptions
from plait.tuning.precision.api import planning
from plait.tuning.precision.bounded import repaired
from plait.tuning.precision.evaluate import outputs_of
from plait.tuning.precision.metrics import METRICS
from plait.tuning.precision.plans import MIXED, Planner, PrecisionPlan
from plait.tuning.precision.twins import PRECISIONS, QINT8
from plait.tuning.tuner import Tuned

PURE = ("float32", "qint8", "bfloat16")
METRIC = METRICS["sqnr"]
"""That of bounds: it tells plans apart by few samples, which classes do not."""
FREE = "free"


@attrs.frozen
class PlanRow:
    """A plan that is kept as a package.

    Args:
        key: `float32`, `qint8`, `bfloat16`, `free`, or the bound as it was given.
        kind: one precision, or `mixed`.
        bound: the loss that it was made for; infinite without a bound.
        loss: over the samples that it was made with.
        judged: over others, by the metric `judge`.
        layers: how many have each precision.
    """

    key: str
    kind: str
    bound: float
    loss: float
    judged: float
    judge: str
    layers: Mapping[str, int]
    predicted_us: float

    def to_json(self) -> dict[str, Any]:
        return {**attrs.asdict(self), "bound": self.bound if math.isfinite(self.bound) else None}

    @staticmethod
    def from_json(data: Mapping[str, Any]) -> PlanRow:
        return PlanRow(**{**data, "bound": math.inf if data["bound"] is None else data["bound"]})


def make_plans(subject: Subject, folder: Path, threads: int, db: Path | None) -> list[PlanRow]:
    """Write the packages of all plans of a network, and a file `plans.json` about them, into a folder.

    Nothing is run end to end here: plans are the best ones by the times of their routines.
    """
    folder.mkdir(parents=True, exist_ok=True)
    options = plait.PrecisionOptions(subject.samples, precisions=PURE, metric=METRIC)
    with planning(subject.module, options, threads=threads, db=db, options=TuneOptions(race=0)) as (planner, _):
        wanted = outputs_of(planner.twins.module, lambda: subject.others)
        rows = []
        for key, bound, plan in _plans(planner, subject):
            found = outputs_of(plan.tuned.module, lambda: subject.others)
            judged = subject.judge.loss(wanted, found)
            layers, predicted_us = _counts(plan, len(planner.twins.by_layer)), plan.tuned.report.predicted_us
            rows.append(PlanRow(key, plan.kind, bound, plan.loss, judged, subject.judge.name, layers, predicted_us))
            tuned = TunedModel(*(getattr(plan.tuned, field.name) for field in attrs.fields(Tuned)))
            tuned.save(package(folder, key), packed=False)
    (folder / "plans.json").write_text(json.dumps([row.to_json() for row in rows], indent=1) + "\n", encoding="utf-8")
    return rows


def read_plans(folder: Path) -> list[PlanRow]:
    """What `make_plans` wrote.

    Raises:
        SystemExit: nothing is there.
    """
    path = folder / "plans.json"
    if not path.exists():
        raise SystemExit(f"there are no plans in {folder}: `python benchmarks/mixed prepare` makes them")
    return [PlanRow.from_json(row) for row in json.loads(path.read_text(encoding="utf-8"))]


def package(folder: Path, key: str) -> Path:
    """The file of a plan."""
    return folder / f"{key.replace('/', '_').replace('%', 'pct')}.plait"


def _plans(planner: Planner, subject: Subject) -> Iterator[tuple[str, float, PrecisionPlan]]:
    pure = {precision: planner.pure(precision) for precision in PURE}
    for precision, plan in pure.items():
        yield precision, math.inf, plan
    free = planner.joint.solve()
    yield FREE, math.inf, planner.plan(free)
    for text in subject.bounds:
        bound = float(Fraction(text)) * pure[QINT8].loss if "/" in text else METRIC.parse(text)
        yield text, bound, attrs.evolve(repaired(planner, free, bound), kind=MIXED)


def _counts(plan: PrecisionPlan, layers: int) -> dict[str, int]:
    found = Counter(plan.precisions.values())
    floats = layers - sum(found.values())
    return dict(Counter({**found, **({PRECISIONS[0]: floats} if floats else {})}).most_common())
