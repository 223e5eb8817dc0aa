"""Tuning: from a module to one whose layers have routines, with a report of what was chosen and why."""

from plait.tuning.report import LayerRow, TuningReport
from plait.tuning.tuner import Tuned, tune

__all__ = ["LayerRow", "Tuned", "TuningReport", "tune"]
