"""Files of results: tables, JSON, figure; and what they say of the machine."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from plait.backends.profiling.limits import Limits
from plait.backends.profiling.machine import this_machine


def about(schema: str, limits: Iterable[Limits | None]) -> dict[str, Any]:
    """The head of a file of results: what it is, when and where it was made, and what the machine can do."""
    machine = this_machine()
    return {
        "schema": schema,
        "date": time.strftime("%Y-%m-%d"),
        "machine": {name: getattr(machine, name) for name in ("model", "isa", "cores", "caches")},
        "limits": [one.to_json() for one in limits if one is not None],
    }


def write_results(path: Path, text: str, body: dict[str, Any], plot: Callable[[Path], None]) -> None:
    """Write `PATH.md`, `PATH.json` and, where matplotlib is installed, `PATH.png`."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.with_suffix(".md").write_text(text, encoding="utf-8")
    path.with_suffix(".json").write_text(json.dumps(body, indent=1) + "\n", encoding="utf-8")
    try:
        plot(path.with_suffix(".png"))
    except ImportError:
        print("no figure: matplotlib is not installed", file=sys.stderr)
