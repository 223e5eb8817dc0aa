"""The examples of docs/passes.md run, and its table names every pass."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from plait.passes import registry
from plait.passes.pipeline import PIPELINES
from plait.passes.registry import known_passes

DOCS = (Path(__file__).parents[2] / "docs" / "passes.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("code", re.findall(r"```python\n(.*?)```", DOCS, re.DOTALL))
def test_examples_run(code: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry, "_registry", registry._registry.copy())
    exec(compile(code, "docs/passes.md", "exec"), {"__name__": "example"})


def test_every_pass_and_pipeline_is_listed() -> None:
    for name in (*known_passes(), *PIPELINES):
        assert f"| `{name}` |" in DOCS
