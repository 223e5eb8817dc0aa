"""Tuning: from a module to one whose layers have routines, with a report of what was chosen and why.

Names are loaded when they are first used: `plait.tuning.open`, which is on the way to a first result, needs none.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from plait.tuning.report import LayerRow, TuningReport
    from plait.tuning.tuner import Tuned, tune

__all__ = ["LayerRow", "Tuned", "TuningReport", "tune"]

_HOMES = {
    "LayerRow": "plait.tuning.report",
    "Tuned": "plait.tuning.tuner",
    "TuningReport": "plait.tuning.report",
    "tune": "plait.tuning.tuner",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    import importlib

    return getattr(importlib.import_module(_HOMES[name]), name)
