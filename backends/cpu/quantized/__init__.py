"""Routines on bytes: layers on integers, and changes of element type (docs/design/quantization.md)."""

from plait.backends.cpu.quantized import (
    arithmetic,
    casts,
    convolution,
    linear,
    matmul,
    movement,
    nhwc,
    pooling,
    reduce,
    resize,
    tables,
    winograd,
)

__all__ = [
    "arithmetic",
    "casts",
    "convolution",
    "linear",
    "matmul",
    "movement",
    "nhwc",
    "pooling",
    "reduce",
    "resize",
    "tables",
    "winograd",
]
