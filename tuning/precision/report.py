"""What came of a choice of precisions: the loss that was measured, and why layers did not get fewer bits."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import attrs

from plait.ir.module import Module

BITS = {"float32": 32, "bfloat16": 16, "float16": 16, "qint8": 8}
"""How wide the numbers of each precision are."""
FLOAT32 = "float32"
LOSS, RULE, TIME = "loss", "rule", "time"
"""Why a layer is not in a narrower precision: it would lose too much; it has no form in it; it would gain no time."""


@attrs.frozen
class PrecisionRow:
    """One layer of the optimised float network."""

    index: int
    name: str
    op: str
    precision: str
    kept: str
    """Why it has no fewer bits: `loss`, `rule` or `time`; empty if it has the fewest that are allowed."""
    why: str
    """The same for people."""
    losses: Mapping[str, float]
    """By precision, what is lost at the outputs if this layer alone has it: noise over signal."""


@attrs.frozen
class PlanRow:
    """A plan whose loss was measured. Times in microseconds."""

    kind: str
    """`mixed`, or the one precision that all layers have which can."""
    layers: Mapping[str, int]
    """How many layers have each precision."""
    summed: float
    """What its layers lose, each alone, added up: noise over signal at the outputs."""
    loss: float
    """What was measured, by the metric."""
    predicted_us: float
    measured_us: float | None
    """The median of whole runs, in turns with other plans; of plans that did not take turns None."""
    kept: bool


@attrs.frozen
class PrecisionReport:
    """A choice of precisions. `loss` and `max_loss` are by the metric, over all samples."""

    metric: str
    max_loss: float
    loss: float
    samples: int
    rows: tuple[PrecisionRow, ...]
    plans: tuple[PlanRow, ...] = ()
    """In the order in which their loss was measured."""

    @property
    def kept(self) -> tuple[PrecisionRow, ...]:
        """Layers that have more bits than they would without the bound, those first that would lose most."""
        rows = [row for row in self.rows if row.kept == LOSS]
        return tuple(sorted(rows, key=lambda r: (-max(r.losses.values(), default=0.0), r.index)))

    @property
    def counts(self) -> dict[str, int]:
        """How many layers have each precision."""
        return dict(Counter(row.precision for row in self.rows).most_common())

    def summary(self) -> str:
        """One line: the layers by precision, and the loss beside the bound."""
        from plait.tuning.precision.metrics import show_loss

        layers = ", ".join(f"{n} {p}" for p, n in self.counts.items())
        within = "within" if self.loss <= self.max_loss else "above"
        loss, most = show_loss(self.metric, self.loss), show_loss(self.metric, self.max_loss)
        return (
            f"{layers} layers; loss by {self.metric} over {self.samples} samples {loss}, {within} {most}; "
            f"measured of {len(self.plans)} plans"
        )

    def to_json(self) -> dict[str, Any]:
        """As JSON data, schema `precision-report/1`."""
        return {"schema": "precision-report/1", **attrs.asdict(self)}


def explain(
    module: Module,
    chosen: Mapping[str, str],
    free: Mapping[str, str],
    losses: Mapping[str, Mapping[str, float]],
    reasons: Mapping[str, Mapping[str, str]],
    precisions: Sequence[str],
) -> tuple[PrecisionRow, ...]:
    """A row for each layer of a float network.

    Args:
        chosen: the precision of layers that are not in float32, by the name of their first result.
        free: the same of the fastest choice without a bound.
        losses: what each layer alone loses in each precision that it can have.
        reasons: why it cannot have others.
        precisions: those that are allowed.
    """
    rows = []
    for index, layer in enumerate(module.main):
        name = layer.results[0].name
        own, without = chosen.get(name, FLOAT32), free.get(name, FLOAT32)
        lost, barred = losses.get(name, {}), reasons.get(name, {})
        fewer = sorted((p for p in precisions if BITS[p] < BITS[own]), key=lambda p: (BITS[p], p))
        kept = why = ""
        if fewer and BITS[without] < BITS[own]:
            kept, why = LOSS, f"in {without} it alone would lose {lost.get(without, 0.0):.3g} of the signal's power"
        elif fewer and all(p in barred for p in fewer):
            kept, why = RULE, f"no {fewer[0]}: {barred[fewer[0]]}"
        elif fewer:
            kept, why = TIME, f"{own} is as fast here, conversions counted"
        rows.append(PrecisionRow(index, name, layer.op, own, kept, why, dict(lost)))
    return tuple(rows)
