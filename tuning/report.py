"""The report of a tuning run: plain data with a JSON form and a table."""

from __future__ import annotations

from typing import Any

import attrs


@attrs.frozen
class LayerRow:
    """One layer of a plan, adapts included. Times in microseconds."""

    index: int
    name: str
    op: str
    routine: str
    cost_us: float
    runner_up: str = ""
    """The best other routine of this layer."""
    runner_up_loss_us: float | None = None
    """How much slower the whole plan would be with it, everything else chosen anew."""


@attrs.frozen
class TuningReport:
    """What tuning found.

    `predicted_us` is the solver's objective: the sum of all rows, bit for bit under `math.fsum`.
    """

    rows: tuple[LayerRow, ...]
    predicted_us: float
    bound_us: float | None
    status: str
    solver: str
    width: int | None
    adapts: int
    single_layout: str
    """Name of the layout of the best plan that uses one layout wherever it can."""
    single_layout_us: float
    threads: int
    entries: int
    """Distinct measurements that the choice rests on."""
    measured: int
    """How many of them were taken in this run."""
    profile_seconds: float
    solve_seconds: float
    device: str
    failures: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """As JSON data, schema `tuning-report/1`."""
        return {"schema": "tuning-report/1", **attrs.asdict(self)}

    @staticmethod
    def from_json(data: dict[str, Any]) -> TuningReport:
        fields = {a.name: data[a.name] for a in attrs.fields(TuningReport) if a.name in data}
        fields["rows"] = tuple(LayerRow(**row) for row in data["rows"])
        fields["failures"] = tuple(data.get("failures", ()))
        return TuningReport(**fields)

    def summary(self) -> str:
        """One line: the plan's time, its proof, and the best single-layout plan beside it."""
        if self.status == "optimal":
            proof = "proven optimal"
        elif self.bound_us is None:
            proof = self.status
        else:
            proof = f"{self.status}, lower bound {self.bound_us / 1e3:.3f} ms"
        return (
            f"predicted {_time(self.predicted_us)} ({proof}), "
            f"{self.adapts} {'adapt' if self.adapts == 1 else 'adapts'}; "
            f"best single layout ({self.single_layout}) {_time(self.single_layout_us)}"
        )


def _time(us: float) -> str:
    return f"{us / 1e3:.3f} ms" if us >= 100 else f"{us:.2f} µs"
