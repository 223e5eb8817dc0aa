"""Measurements on disk: one line of JSON each, so that an interrupted run can go on."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import attrs


@attrs.frozen
class Cell:
    """What engines are compared on."""

    network: str
    threads: int


@attrs.frozen
class Turn:
    """One measurement to take: an engine on a cell in a round."""

    round: int
    cell: Cell
    engine: str


@attrs.frozen
class Record:
    """What came of a turn: figures of the worker, with `error` (distance from the reference); or why there are none."""

    turn: Turn
    figures: Mapping[str, Any] = attrs.field(factory=dict)
    failure: str = ""

    def to_json(self) -> dict[str, Any]:
        turn = self.turn
        return {
            "round": turn.round,
            "network": turn.cell.network,
            "threads": turn.cell.threads,
            "engine": turn.engine,
            **({"failure": self.failure} if self.failure else self.figures),
        }

    @staticmethod
    def from_json(data: Mapping[str, Any]) -> Record:
        rest = dict(data)
        cell = Cell(rest.pop("network"), rest.pop("threads"))
        turn = Turn(rest.pop("round"), cell, rest.pop("engine"))
        return Record(turn, failure=rest.pop("failure", ""), figures=rest)


def read_records(path: Path) -> list[Record]:
    """The records of a file; none if there is no file."""
    if not path.exists():
        return []
    return [Record.from_json(json.loads(line)) for line in path.read_text(encoding="utf-8").splitlines() if line]


def write_records(path: Path, records: Iterable[Record]) -> None:
    """Make a file of these records alone."""
    path.write_text("".join(_line(record) for record in records), encoding="utf-8")


def append_record(path: Path, record: Record) -> None:
    """Add a record to a file, at once, so that an interruption loses none."""
    with path.open("a", encoding="utf-8") as file:
        file.write(_line(record))


def _line(record: Record) -> str:
    return json.dumps(record.to_json()) + "\n"
