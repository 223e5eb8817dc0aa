"""All experiments in one go: figures, tables and rows in files."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from benchmarks.selection.experiments import EXPERIMENTS
from benchmarks.selection.experiments.experiment import Experiment, Row, Scale, draw_to
from benchmarks.support.results import about

SCHEMA = "selection-experiment/1"


def make_report(names: Sequence[str], folder: Path, scale: Scale) -> Path:
    """Run experiments and write `NAME.json`, `NAME.png` and, of all in the folder, `report.md`, whose path is
    returned."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in names:
        experiment = EXPERIMENTS[name]
        started = time.perf_counter()
        rows = experiment.measure(scale)
        seconds = time.perf_counter() - started
        body = {
            **about(SCHEMA, ()),
            "experiment": name,
            "quick": scale.quick,
            # With runs from a log it would say nothing.
            "seconds": None if scale.log else round(seconds, 1),
            "rows": rows,
        }
        _rows_file(folder, name).write_text(json.dumps(_rounded(body)) + "\n", encoding="utf-8")
        print(f"{name}: {len(rows)} rows in {seconds:.1f} s", file=sys.stderr, flush=True)
    return write_pages(folder)


def write_pages(folder: Path) -> Path:
    """The tables and figures of what rows there are, without measuring anything."""
    parts = ["# Routine selection: experiments"]
    for name, experiment in EXPERIMENTS.items():
        file = _rows_file(folder, name)
        if file.exists():
            body = json.loads(file.read_text(encoding="utf-8"))
            parts += _section(experiment, body["rows"], folder)
            size = " --quick" if body["quick"] else ""
            again = f"`python benchmarks/selection report --only {name}{size}`"
            # Without the numbers of family and stepping.
            model = " ".join(word for word in body["machine"]["model"].split() if not word.isdigit())
            taken = "" if body["seconds"] is None else f", {body['seconds']} s"
            parts.append(f"{body['date']}, {model}{taken}. Again: {again}")
    page = folder / "report.md"
    page.write_text("\n\n".join(parts) + "\n", encoding="utf-8")
    return page


def _section(experiment: Experiment, rows: Sequence[Row], folder: Path) -> list[str]:
    parts = [f"## {experiment.question}", experiment.method]
    try:
        draw_to(experiment, rows, folder / f"{experiment.name}.png")
        parts.append(f"![{experiment.question}]({experiment.name}.png)")
    except ImportError:
        print("no figure: matplotlib is not installed", file=sys.stderr)
    return [*parts, str(experiment.table(rows))]


def _rows_file(folder: Path, name: str) -> Path:
    return folder / f"{name}.json"


def _rounded(value: object) -> object:
    """Numbers with six digits: rows are committed."""
    if isinstance(value, float):
        return float(f"{value:.6g}")
    if isinstance(value, dict):
        return {key: _rounded(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_rounded(item) for item in value]
    return value
