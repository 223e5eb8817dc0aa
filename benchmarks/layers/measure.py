"""Times of one layer: all routines screened, the best ones then in turns with oneDNN."""

from __future__ import annotations

import statistics
from collections.abc import Mapping
from typing import Any

import attrs

from benchmarks.layers.onednn import FORMS
from benchmarks.layers.shapes import Shape, onednn_subject
from benchmarks.support.roofline import traffic
from benchmarks.support.serving import Server, ServerError
from plait.backends.profiling.limits import Limits
from plait.backends.profiling.profiler import Profiler
from plait.backends.routine import applicable
from plait.ir.text.parser import parse_module
from plait.tuning.entries import Option, option_for

_PIXEL = """ir 1
const @w : f32[1x1x1x1] = [1]
net @main(%x: f32[1x1x1x1]) -> (%y: f32[1x1x1x1]) {
  %y = conv2d(%x, @w)
}
"""
FINALISTS = 1.5
"""Families whose screened time is within this factor of the best one's take turns with oneDNN."""


@attrs.frozen
class Family:
    """The best variant of a routine on a layer. `ms` is a screened time unless the family took turns with oneDNN."""

    variant: str
    ms: float
    final: bool = False


@attrs.frozen
class Row:
    """What is known of a layer on a number of threads."""

    shape: Shape
    threads: int
    families: Mapping[str, Family]
    """By routine path without variant, the fastest first."""
    onednn: Mapping[str, float]
    """Form -> milliseconds."""
    limits: Limits | None
    call_ms: float = 0.0
    """What each time of oneDNN includes besides its work."""

    @property
    def routine(self) -> str:
        return next(iter(self.families))

    @property
    def ms(self) -> float:
        return self.families[self.routine].ms

    @property
    def gflops(self) -> float:
        """Of direct convolution, whatever the algorithm."""
        return self.shape.layer.flops() / self.ms / 1e6

    @property
    def peak_share(self) -> float | None:
        return None if self.limits is None else self.gflops / self.limits.peak

    @property
    def gbs(self) -> float:
        """Operands and results, each once."""
        return sum(traffic(self.shape.layer)) / self.ms / 1e6

    @property
    def level(self) -> str | None:
        """The level of memory that holds all that the layer touches: times are taken with data in cache."""
        return None if self.limits is None else self.limits.level_for(sum(traffic(self.shape.layer))).name

    @property
    def bandwidth_share(self) -> float | None:
        """The time that level needs to read and write it all, over ours."""
        if self.limits is None:
            return None
        weights, read, written = traffic(self.shape.layer)
        level = self.limits.level_for(weights + read + written)
        return level.time_us(weights + read, written) / 1e3 / self.ms

    @property
    def ratio(self) -> float | None:
        """How many times slower oneDNN's better form is, calls left out; None where calls are all that can be seen."""
        work = min(self.onednn.values(), default=0.0) - self.call_ms
        return work / self.ms if work > 0 else None

    def to_json(self) -> dict[str, Any]:
        return {
            "kind": self.shape.kind,
            "shape": self.shape.text,
            "networks": self.shape.uses,
            "threads": self.threads,
            "routine": self.routine,
            "variant": self.families[self.routine].variant,
            "ms": self.ms,
            "gflops": self.gflops,
            "peak_share": self.peak_share,
            "gbs": self.gbs,
            "level": self.level,
            "bandwidth_share": self.bandwidth_share,
            "onednn_ms": dict(self.onednn),
            "onednn_call_ms": self.call_ms,
            "onednn_ratio": self.ratio,
            "families": {name: attrs.asdict(family) for name, family in self.families.items()},
        }


@attrs.frozen
class Bench:
    """Where times come from, and how long they are taken."""

    threads: int
    profiler: Profiler
    ours: Server
    onednn: Server | None
    limits: Limits | None
    rounds: int = 5
    seconds: float = 0.03
    call_ms: float = 0.0
    """Time of a call of oneDNN that does next to nothing."""

    def row(self, shape: Shape) -> Row | None:
        """All about a layer; None if nothing but the reference runs it."""
        screened = self.screen(shape)
        if not screened:
            return None
        least = min(family.ms for _, family in screened.values())
        finalists = {base: pair for base, pair in screened.items() if pair[1].ms <= FINALISTS * least}
        for base, (option, _) in finalists.items():
            self.ours.open(base, {"module": option.job.module})
        forms = self._open_onednn(shape)
        times = self.take_turns(list(finalists), forms)
        families = {base: family for base, (_, family) in screened.items()}
        families |= {base: attrs.evolve(families[base], ms=times[base], final=True) for base in finalists}
        # Screened times do not compete with those taken in turns.
        ordered = dict(sorted(families.items(), key=lambda item: (not item[1].final, item[1].ms)))
        return Row(shape, self.threads, ordered, {form: times[form] for form in forms}, self.limits, self.call_ms)

    def with_call(self) -> Bench:
        """The same with the time of a call of oneDNN measured: a convolution of one pixel."""
        if self.onednn is None:
            return self
        (layer,) = parse_module(_PIXEL).main
        forms = self._open_onednn(Shape("convolution", "", layer, {}))
        times = self.take_turns([], forms)
        return attrs.evolve(self, call_ms=min(times.values(), default=0.0))

    def screen(self, shape: Shape) -> dict[str, tuple[Option, Family]]:
        """The best variant of each routine by the profiler, whose stored times are used again."""
        options = [
            option_for(shape.layer, routine, variant, self.threads)
            for routine, refusal in applicable(shape.layer)
            if refusal is None and routine.path.algorithm != "reference"
            for variant in routine.variants(shape.layer)
        ]
        results = self.profiler.measure(option.job for option in options)
        best: dict[str, tuple[Option, Family]] = {}
        for option in options:
            result, base = results[option.job], option.routine.path.base
            if result.ok and (base not in best or result.cost_us / 1e3 < best[base][1].ms):
                best[base] = option, Family(option.variant, result.cost_us / 1e3)
        return best

    def _open_onednn(self, shape: Shape) -> list[str]:
        """The forms in which oneDNN runs a layer, ready."""
        subject, ready = onednn_subject(shape), []
        if self.onednn is None or subject is None:
            return []
        for form in FORMS:
            try:
                self.onednn.open(form, {**subject, "form": form})
            except ServerError:
                continue
            ready.append(form)
        return ready

    def take_turns(self, ours: list[str], forms: list[str]) -> dict[str, float]:
        """Milliseconds of each subject that is open: the median over rounds of the bursts' medians."""
        bursts: dict[str, list[float]] = {key: [] for key in (*ours, *forms)}
        for _ in range(self.rounds):
            for key, samples in bursts.items():
                server = self.ours if key in ours else self.onednn
                assert server is not None
                samples.append(statistics.median(server.burst(key, self.seconds)) / 1e6)
        for server in (self.ours, self.onednn):
            if server is not None:
                server.clear()
        return {key: statistics.median(samples) for key, samples in bursts.items()}
