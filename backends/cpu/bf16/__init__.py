"""Routines that bfloat16 has for itself (docs/design/low-precision-floats.md); others stand beside those of float32."""

from plait.backends.cpu.bf16 import casts, convolution, linear

__all__ = ["casts", "convolution", "linear"]
