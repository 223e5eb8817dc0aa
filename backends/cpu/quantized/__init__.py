"""Routines on bytes: layers on integers, and changes of element type (docs/design/quantization.md)."""

from plait.backends.cpu.quantized import adapts, casts, convolution, linear, tables

__all__ = ["adapts", "casts", "convolution", "linear", "tables"]
