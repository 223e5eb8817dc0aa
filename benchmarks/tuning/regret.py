"""Whether any plan around the tuned one is faster: successive halving over measured plans.

All competitors are measured beside the tuned plan a few times; the best of them again, more often; the best of those
once more, in new processes. What is the best then meets the tuned plan in a duel, in new processes again and with a
second copy of the tuned plan. Only the duel counts: being the best of many is luck in part, and luck does not come
twice. How far the copy is off tells what is noise.
"""

from __future__ import annotations

import random
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import attrs

from benchmarks.support.serving import Server, ServerError
from benchmarks.tuning.competitors import Competitor, competitors
from benchmarks.tuning.plans import plan_server, plan_text, subject
from benchmarks.tuning.racing import ratio, stopping, take_turns
from benchmarks.tuning.surroundings import Surroundings
from plait.ir import Module
from plait.tuning.api import TuneOptions, tune_module

TUNED, AGAIN, RIVAL = "tuned", "tuned again", "rival"
Say = Callable[[str], None]


@attrs.frozen
class Halving:
    """How many plans are measured in each step, and for how long.

    Args:
        screen_s, second_s: seconds for a competitor, the tuned plan beside it included; at least one round is taken,
            and at most `most_rounds`.
        processes: new ones for finalists, with this many rounds of bursts of `burst_s` seconds each.
        duels: the same for the duel.
    """

    plans: int = 200
    screen_s: float = 0.2
    second: int = 20
    second_s: float = 1.0
    finalists: int = 5
    processes: int = 3
    duels: int = 5
    rounds: int = 15
    burst_s: float = 0.05
    most_rounds: int = 20


@attrs.frozen
class Rival:
    """A competitor. Ratios are its time by the tuned plan's: of the first step, the second, each process of the last,
    and each duel."""

    kind: str
    predicted_ms: float
    screened: float
    second: float | None = None
    last: tuple[float, ...] = ()
    duels: tuple[float, ...] = ()

    @property
    def final(self) -> float | None:
        return statistics.median(self.last) if self.last else None


@attrs.frozen
class Regret:
    """A tuned plan among its competitors."""

    state: str
    predicted_ms: float
    tuned_ms: float
    again: tuple[float, ...]
    """Of a second copy of the tuned plan in duels: by how much ratios are off."""
    rivals: tuple[Rival, ...]
    """The fastest first, which had the duels."""
    failures: tuple[str, ...]
    seconds: float
    """For measuring."""

    @property
    def beaten_by(self) -> float:
        """How much longer than the fastest finalist the tuned plan takes, as a share; negative if it is faster."""
        return 1 / statistics.median(self.rivals[0].duels) - 1 if self.rivals else 0.0

    def to_json(self) -> dict[str, Any]:
        return {**attrs.asdict(self), "beaten_by": self.beaten_by}

    @staticmethod
    def from_json(data: Mapping[str, Any]) -> Regret:
        rest = {name: data[name] for name in ("state", "predicted_ms", "tuned_ms", "seconds")}
        rivals = tuple(
            Rival(**{**rival, "last": tuple(rival["last"]), "duels": tuple(rival["duels"])}) for rival in data["rivals"]
        )
        return Regret(**rest, again=tuple(data["again"]), rivals=rivals, failures=tuple(data["failures"]))


def measure_regret(
    module: Module, onnx: Path, database: Path, threads: int, state: str, halving: Halving, say: Say
) -> Regret:
    """Tune a network, and let other plans compete.

    Args:
        module: the network after optimisation.
        onnx: its file, from which plans take the weights.
        database: keeps measurements of layers, and is used again.
    """
    tuned = tune_module(module, threads=threads, db=database, options=TuneOptions(state))
    around = Surroundings.known_to(database, module, threads, state)
    field = competitors(around, tuned.module, halving.plans)
    say(f"{len(field)} competitors, predicted {field[0].predicted_us / tuned.report.predicted_us:.3f}" if field else "")
    begin = time.monotonic()
    contest = Contest(onnx, plan_text(tuned.module), threads, halving)
    screened, failures = contest.screen(field)
    say(f"screened in {time.monotonic() - begin:.0f} s, the best at {screened[0][1].screened:.3f}" if screened else "")
    second = contest.again(screened[: halving.second])
    say(f"the best {len(second)} again: the best at {second[0][1].second or 0:.3f}" if second else "")
    finals = hold_finals(contest, second)
    return Regret(
        state,
        tuned.report.predicted_us / 1e3,
        finals.tuned_ms,
        finals.again,
        (*finals.rivals, *(rival for _, rival in screened[halving.second :])),
        tuple(failures),
        time.monotonic() - begin,
    )


@attrs.frozen
class Finals:
    """What came of finalists and of the duel of the best of them; the rivals are in order, all of the second step."""

    tuned_ms: float
    again: tuple[float, ...]
    rivals: tuple[Rival, ...]


def hold_finals(contest: Contest, some: Ranked) -> Finals:
    """The last step and the duel."""
    halving = contest.halving
    entered, others = some[: halving.finalists], [rival for _, rival in some[halving.finalists :]]
    _, _, final = contest.meet(entered, range(halving.processes))
    finalists = [attrs.evolve(rival, last=ratios) for rival, ratios in final]
    order = sorted(range(len(finalists)), key=lambda i: finalists[i].final or 0.0)
    seeds = range(halving.processes, halving.processes + halving.duels)
    tuned_ms, again, duel = contest.meet([entered[i] for i in order[:1]], seeds)
    ranked = [finalists[i] for i in order]
    ranked[:1] = [attrs.evolve(ranked[0], duels=ratios) for _, ratios in duel]
    return Finals(tuned_ms, again, (*ranked, *others))


Ratios = tuple[float, ...]
Ranked = Sequence[tuple[str, Rival]]
"""Texts of plans with what is known of them, the fastest first."""


@attrs.frozen
class Contest:
    """Competitors of one plan, given by its text. `start` starts a process that runs plans."""

    onnx: Path
    tuned: str
    threads: int
    halving: Halving
    start: Callable[[int], Server] = plan_server

    def screen(self, field: Sequence[Competitor]) -> tuple[Ranked, list[str]]:
        """The first step, and why some plans do not run."""
        found, failures = [], []
        server = self.server()
        with stopping({TUNED: server}):
            for one in field:
                text = plan_text(one.module)
                try:
                    screened = self.beside(server, text, self.halving.screen_s)
                except ServerError as error:
                    failures.append(str(error))
                else:
                    found.append((text, Rival(one.kind, one.predicted_us / 1e3, screened)))
        return sorted(found, key=lambda pair: pair[1].screened), failures

    def again(self, some: Ranked) -> Ranked:
        """The second step, in a new process."""
        found = []
        server = self.server()
        with stopping({TUNED: server}):
            for text, rival in some:
                found.append((text, attrs.evolve(rival, second=self.beside(server, text, self.halving.second_s))))
        return sorted(found, key=lambda pair: pair[1].second or 0.0)

    def meet(self, some: Ranked, seeds: Sequence[int]) -> tuple[float, tuple[float, ...], list[tuple[Rival, Ratios]]]:
        """Plans in new processes, one for each seed: milliseconds of the tuned plan, ratios of its second copy, and
        those of each rival."""
        texts = {TUNED: self.tuned, AGAIN: self.tuned, **{f"{RIVAL} {i}": text for i, (text, _) in enumerate(some)}}
        tuned_ms: list[float] = []
        ratios: dict[str, list[float]] = {key: [] for key in texts}
        for seed in seeds:
            server = self.start(self.threads)
            with stopping({TUNED: server}):
                # Where in memory a plan lies matters, too, so each process has them in another order.
                for key in random.Random(seed).sample(list(texts), len(texts)):
                    server.open(key, subject(texts[key], self.onnx))
                servers = dict.fromkeys(texts, server)
                times = take_turns(servers, self.halving.rounds, self.halving.burst_s, seed)
            tuned_ms.append(statistics.median(times[TUNED]))
            for key, found in times.items():
                ratios[key].append(ratio(found, times[TUNED]))
        rivals = [(rival, tuple(ratios[f"{RIVAL} {i}"])) for i, (_, rival) in enumerate(some)]
        return statistics.median(tuned_ms), tuple(ratios[AGAIN]), rivals

    def server(self) -> Server:
        """A process that has the tuned plan open."""
        server = self.start(self.threads)
        server.open(TUNED, subject(self.tuned, self.onnx))
        return server

    def beside(self, server: Server, text: str, seconds: float) -> float:
        """A competitor's time by the tuned plan's."""
        server.open(RIVAL, subject(text, self.onnx))
        servers = {TUNED: server, RIVAL: server}
        begin = time.monotonic()
        times = take_turns(servers, 1, 0)
        while time.monotonic() - begin < seconds and len(times[TUNED]) < self.halving.most_rounds:
            for key, more in take_turns(servers, 1, 0, seed=len(times[TUNED])).items():
                times[key] += more
        return ratio(times[RIVAL], times[TUNED])
