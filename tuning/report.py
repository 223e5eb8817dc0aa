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
    runner_up_measured: bool = True
    """False: the routine was not measured, and the plan would be slower by at least that much."""


@attrs.frozen
class RaceRow:
    """One of several plans that took turns. Times in microseconds."""

    predicted_us: float
    measured_us: float
    """Median."""
    layers: int
    """Layers that have another routine than in the plan that was predicted to be the best."""
    won: bool


@attrs.frozen
class Certificate:
    """What a proof rests on when only some entries were measured: the others count with lower bounds."""

    known: int
    """Entries with a result."""
    rounds: int
    """How often the problem was solved."""
    repeated: int
    """Entries that were measured again, as noise alone might have decided between them."""
    saved: float
    """Share of the time of one run of every entry that measuring did not take: at least, as the bounds say."""
    trust: float
    """What the bounds were multiplied by in the end; less than 1 if a measurement was below its bound."""
    stopped: str = ""
    """Why the search ended before the proof: `time`, `interrupt`, or nothing."""
    guessed: int = 0
    """Layers of the plan with a routine that was not measured: only where the search was stopped at once."""


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
    state: str = "streamed"
    """Where data were when a sample began, see `plait.backends.profiling.job`."""
    certificate: Certificate | None = None
    """What the proof rests on, where not everything was measured."""
    measured_us: float | None = None
    """The median time of a run of the whole plan, end to end."""
    race: tuple[RaceRow, ...] = ()
    """Plans that were run end to end in turns, the predicted best first."""
    interrupted: bool = False
    """Whether the race was."""
    race_seconds: float = 0.0
    measure_seconds: float = 0.0
    """How much of `profile_seconds` and `race_seconds` went by while something was measured."""

    def to_json(self) -> dict[str, Any]:
        """As JSON data, schema `tuning-report/2`."""
        return {"schema": "tuning-report/2", **attrs.asdict(self)}

    @staticmethod
    def from_json(data: dict[str, Any]) -> TuningReport:
        fields = {a.name: data[a.name] for a in attrs.fields(TuningReport) if a.name in data}
        fields["rows"] = tuple(LayerRow(**row) for row in data["rows"])
        fields["failures"] = tuple(data.get("failures", ()))
        if (certificate := data.get("certificate")) is not None:
            fields["certificate"] = Certificate(**certificate)
        fields["race"] = tuple(RaceRow(**row) for row in data.get("race", ()))
        return TuningReport(**fields)

    def summary(self) -> str:
        """One line: the plan's time, its proof, and the best single-layout plan beside it."""
        if self.certificate is not None and self.certificate.guessed:
            proof = f"{self.certificate.guessed} layers not measured"
        elif self.status == "optimal":
            proof = "proven optimal"
        elif self.bound_us is None:
            proof = self.status
        elif any(row.won for row in self.race[1:]):
            proof = f"fastest when run, while {_time(self.bound_us)} is the proven optimum of predictions"
        else:
            gap = 1 - self.bound_us / self.predicted_us if self.predicted_us else 0.0
            proof = f"{self.status}, lower bound {self.bound_us / 1e3:.3f} ms, at most {gap:.1%} to gain"
        measured = ""
        if self.measured_us is not None:
            off = f" ({self.measured_us / self.predicted_us - 1:+.1%})" if self.predicted_us else ""
            measured = f", measured {_time(self.measured_us)}{off}"
        return (
            f"predicted {_time(self.predicted_us)} ({proof}){measured}, "
            f"{self.adapts} {'adapt' if self.adapts == 1 else 'adapts'}; "
            f"best single layout ({self.single_layout}) {_time(self.single_layout_us)}"
        )


def _time(us: float) -> str:
    return f"{us / 1e3:.3f} ms" if us >= 100 else f"{us:.2f} µs"
