"""Results on disk: one file with a section for each command, and a cell for each network in it. What is measured anew
replaces its cell; the others stay."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import attrs

from benchmarks.support.results import about, write_results
from benchmarks.tuning import plot, report
from benchmarks.tuning.metaschedule import Beside
from benchmarks.tuning.prediction import Prediction
from benchmarks.tuning.regret import Regret
from benchmarks.tuning.timing import Timing
from plait.backends.profiling.limits import Limits

SCHEMA = "tuning/1"


@attrs.frozen
class Section:
    """The results of a command: how they are read, and how they are shown.

    Args:
        from_json: makes a cell of its JSON data; the cell's `to_json` is the reverse.
        plot: draws cells into a figure.
    """

    from_json: Callable[[Mapping[str, Any]], Any]
    markdown: Callable[[Mapping[str, Any]], str]
    plot: Callable[[Mapping[str, Any], Any], None]


SECTIONS: Mapping[str, Section] = {
    "time": Section(Timing.from_json, report.time_tables, plot.time_plot),
    "predict": Section(Prediction.from_json, report.predict_tables, plot.predict_plot),
    "regret": Section(Regret.from_json, report.regret_tables, plot.regret_plot),
    "tvm": Section(Beside.from_json, report.tvm_tables, plot.tvm_plot),
}


def read_sections(path: Path) -> dict[str, dict[str, Any]]:
    """Bodies of sections by name; none if there is no `PATH.json` of this schema."""
    file = path.with_suffix(".json")
    if not file.exists():
        return {}
    body = json.loads(file.read_text(encoding="utf-8"))
    return dict(body["sections"]) if body.get("schema") == SCHEMA else {}


def keep_cell(path: Path, name: str, network: str, cell: Any, limits: Iterable[Limits | None]) -> None:
    """Put the results of a network into a section, and write everything anew."""
    sections = read_sections(path)
    networks = sections.get(name, {}).get("networks", {})
    body = {"networks": {**networks, network: cell.to_json()}}
    sections[name] = {**about(f"tuning-{name}/1", limits), **body}
    write_sections(path, sections)


def write_sections(path: Path, sections: Mapping[str, Mapping[str, Any]]) -> str:
    """Write JSON, tables and figure; returns the tables."""
    cells = {name: cells_of(name, sections[name]) for name in SECTIONS if name in sections}
    text = "\n".join(SECTIONS[name].markdown(found) for name, found in cells.items())
    body = {"schema": SCHEMA, "sections": dict(sections)}
    write_results(path, text, body, lambda figure: plot.save_figure(figure, [_drawing(n, c) for n, c in cells.items()]))
    return text


def cells_of(name: str, section: Mapping[str, Any]) -> dict[str, Any]:
    """The results in a section by network."""
    return {network: SECTIONS[name].from_json(cell) for network, cell in section["networks"].items()}


def _drawing(name: str, cells: Mapping[str, Any]) -> plot.Drawing:
    return lambda figure: SECTIONS[name].plot(cells, figure)
