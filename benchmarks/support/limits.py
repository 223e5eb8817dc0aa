"""The machine's limits, which `plait doctor` measures."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from plait.backends.profiling.limits import Limits, load_limits


def read_limits(path: Path | None, threads: int) -> Limits | None:
    """The limits for a number of threads in what `plait doctor --json` printed, or those of the profile database; None
    where they have not been measured."""
    if path is None:
        found = load_limits(threads)
    else:
        rows = json.loads(path.read_text(encoding="utf-8"))["limits"]
        found = next((Limits.from_json(row) for row in rows if row["threads"] == threads), None)
    if found is None:
        print(f"no limits for threads {threads}: `plait doctor` measures them", file=sys.stderr)
    return found
