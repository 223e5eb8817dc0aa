"""`python -m benchmarks.selection`, or `python benchmarks/selection` from any folder."""

from __future__ import annotations

import sys
from pathlib import Path

if not __package__:
    sys.path[0] = str(Path(__file__).resolve().parents[2])

from benchmarks.selection.commands import main

main()
