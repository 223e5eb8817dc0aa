"""`python -m benchmarks.tuning`, or `python benchmarks/tuning` from any folder."""

from __future__ import annotations

import sys
from pathlib import Path

if not __package__:
    sys.path[0] = str(Path(__file__).resolve().parents[2])

from benchmarks.tuning.commands import main

main()
