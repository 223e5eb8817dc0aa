"""What records say: each engine on each cell, and ours beside the best peer."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import attrs

from benchmarks.peers.engines import ENGINES, OURS
from benchmarks.peers.records import Cell, Record


@attrs.frozen
class EngineResult:
    """An engine on a cell: medians over rounds of the rounds' figures, and the least of their least times."""

    engine: str
    rounds: Mapping[int, float]
    """Round -> median time in milliseconds."""
    figures: Mapping[str, float]

    @property
    def median_ms(self) -> float:
        return statistics.median(self.rounds.values())


@attrs.frozen
class CellResult:
    """All engines on a cell, and the least time that the machine's limits allow (None: they are not known)."""

    cell: Cell
    engines: Mapping[str, EngineResult]
    failures: Mapping[str, str]
    floor_ms: float | None = None

    @property
    def ours(self) -> EngineResult | None:
        return self.engines.get(OURS)

    @property
    def best_peer(self) -> EngineResult | None:
        """The peer with the least median."""
        peers = [result for name, result in self.engines.items() if ENGINES[name].is_peer]
        return min(peers, key=lambda result: result.median_ms, default=None)

    @property
    def leanest_mb(self) -> float | None:
        """Peak memory of the peer that has the least."""
        peers = [result.figures["memory_mb"] for name, result in self.engines.items() if ENGINES[name].is_peer]
        return min(peers, default=None)

    def ratio(self, engine: str) -> float | None:
        """How many times slower than ours an engine is: the median of the rounds' ratios."""
        other = self.engines.get(engine)
        if self.ours is None or other is None:
            return None
        common = self.ours.rounds.keys() & other.rounds.keys()
        return statistics.median(other.rounds[r] / self.ours.rounds[r] for r in common) if common else None

    @property
    def best_ratio(self) -> float | None:
        """How many times slower than ours the best peer is."""
        return self.ratio(self.best_peer.engine) if self.best_peer else None

    def share_of_floor(self, engine: str) -> float | None:
        """The least possible time over an engine's."""
        found = self.engines.get(engine)
        return None if found is None or self.floor_ms is None else self.floor_ms / found.median_ms

    def to_json(self) -> dict[str, Any]:
        best = self.best_peer
        return {
            **attrs.asdict(self.cell),
            "ours_ms": None if self.ours is None else self.ours.median_ms,
            "best_peer": None if best is None else best.engine,
            "best_peer_ms": None if best is None else best.median_ms,
            "ratio": self.best_ratio,
            "roofline_ms": self.floor_ms,
            "engines": {
                name: {"median_ms": result.median_ms, "rounds": len(result.rounds), **result.figures}
                for name, result in self.engines.items()
            },
            "failures": dict(self.failures),
        }


def summarize(records: Iterable[Record], floors: Mapping[Cell, float | None]) -> list[CellResult]:
    """One result for each cell, in order of first appearance."""
    cells: dict[Cell, list[Record]] = {}
    for record in records:
        cells.setdefault(record.turn.cell, []).append(record)
    return [_cell(cell, found, floors.get(cell)) for cell, found in cells.items()]


def _cell(cell: Cell, records: Sequence[Record], floor_ms: float | None) -> CellResult:
    by_engine: dict[str, list[Record]] = {}
    for record in records:
        if not record.failure:
            by_engine.setdefault(record.turn.engine, []).append(record)
    engines = {name: _engine(name, by_engine[name]) for name in ENGINES if name in by_engine}
    failures = {r.turn.engine: r.failure for r in records if r.failure}
    return CellResult(cell, engines, failures, floor_ms)


def _engine(name: str, records: Sequence[Record]) -> EngineResult:
    rounds = {record.turn.round: record.figures["median_ms"] for record in records}
    numbers = {k for k, v in records[0].figures.items() if isinstance(v, (int, float))} - {"median_ms", "runs"}
    figures = {k: statistics.median(record.figures[k] for record in records) for k in sorted(numbers)}
    figures["min_ms"] = min(record.figures["min_ms"] for record in records)
    return EngineResult(name, rounds, figures)
