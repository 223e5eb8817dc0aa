"""`python -m benchmarks.accuracy`, or `python benchmarks/accuracy` from any folder."""

from __future__ import annotations

import sys
from pathlib import Path

if not __package__:
    sys.path[0] = str(Path(__file__).resolve().parents[2])

from benchmarks.accuracy.commands import main

main()
