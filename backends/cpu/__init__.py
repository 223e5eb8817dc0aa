"""CPU routines: which kernels run which layers, in which layouts. Importing this package registers them all."""

from plait.backends.cpu import (
    adapts,
    bf16,
    convolution,
    depthwise,
    elementwise,
    joining,
    linear,
    movement,
    narrow,
    normalization,
    pooling,
    quantized,
    resize,
    separable,
    squeeze_excite,
    stored,
)

__all__ = [
    "adapts",
    "bf16",
    "convolution",
    "depthwise",
    "elementwise",
    "joining",
    "linear",
    "movement",
    "narrow",
    "normalization",
    "pooling",
    "quantized",
    "resize",
    "separable",
    "squeeze_excite",
    "stored",
]
