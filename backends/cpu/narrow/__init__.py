"""Routines of both floats of 16 bits (docs/design/low-precision-floats.md); others stand beside those of float32."""

from plait.backends.cpu.narrow import casts, linear, widened

__all__ = ["casts", "linear", "widened"]
