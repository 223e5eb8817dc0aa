"""`python -m benchmarks.mixed`, or `python benchmarks/mixed` from any folder."""

from __future__ import annotations

import sys
from pathlib import Path

if not __package__:
    sys.path[0] = str(Path(__file__).resolve().parents[2])

from benchmarks.mixed.commands import main

main()
