"""The null backend: costs without a clock and without a machine, so that tuning can be tested exactly."""

from plait.backends.null.costs import FixedCosts

__all__ = ["FixedCosts"]
