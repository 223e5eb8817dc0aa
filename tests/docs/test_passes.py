"""The table of docs/passes.md has every pass with its options."""

from __future__ import annotations

import re
from pathlib import Path

import attrs
import pytest

from plait.passes.registry import known_passes, pass_named, pass_owner

PAGE = (Path(__file__).resolve().parents[2] / "docs/passes.md").read_text(encoding="utf-8")
TABLE = PAGE.partition("## The passes")[2].partition("\n\n|")[2].partition("\n\n")[0]
ROWS = {cells[1].strip(" `"): cells[2] for line in TABLE.splitlines() if len(cells := line.split("|")) > 3}
BUILT_IN = [name for name in known_passes() if pass_owner(name) == "plait"]


@pytest.mark.parametrize("name", BUILT_IN)
def test_options_are_listed(name: str) -> None:
    # Defaults stand in parentheses after the option.
    listed = set(re.findall(r"`([\w=]+)`", re.sub(r"\([^)]*\)", "", ROWS[name])))
    options = {field.name for field in attrs.fields(pass_named(name))}
    # Options of bind-dims are the symbols of the module.
    assert listed == ({"symbol=size"} if name == "bind-dims" else options)
