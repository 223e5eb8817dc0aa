"""The page on solvers lists what is there."""

from __future__ import annotations

import re
from pathlib import Path

from plait.passes.selection import known_solvers
from plait.passes.selection.solvers import solver_owner

PAGE = (Path(__file__).resolve().parents[3] / "docs/solvers.md").read_text(encoding="utf-8")
OURS = [name for name in known_solvers() if solver_owner(name) == "plait"]


def test_every_solver_has_a_row_and_a_section() -> None:
    assert re.findall(r"^\| `(\w+)` \|", PAGE, re.MULTILINE) == OURS
    assert re.findall(r"^## (\w+)$", PAGE, re.MULTILINE) == OURS
