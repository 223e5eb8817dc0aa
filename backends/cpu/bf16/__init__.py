"""Routines that bfloat16 has for itself: what multiplies pairs (docs/design/low-precision-floats.md)."""

from plait.backends.cpu.bf16 import convolution, linear

__all__ = ["convolution", "linear"]
