"""The least time that layers can take by the machine's limits.

Arithmetic and data overlap, so a layer takes the longer of both. Constants come from the level of memory that holds all
constants of the network; what layers hand on, from the level that holds what the layer reads and writes. Convolution
counts as direct: Winograd convolution may be faster than its roofline.
"""

from __future__ import annotations

from plait.backends.profiling.limits import Limits
from plait.ir.layer import Layer
from plait.ir.module import Module
from plait.ir.values import Constant
from plait.tuning.roofline import peak


def network_us(module: Module, limits: Limits) -> float:
    """The sum over the layers of an optimised module, in microseconds."""
    constants = sum(c.type.nbytes for c in module.constants.values())
    return sum(layer_us(layer, limits, constants) for layer in module.main)


def layer_us(layer: Layer, limits: Limits, constant_bytes: int = 0) -> float:
    """The least time of one layer in microseconds.

    Args:
        constant_bytes: constants of the whole network; those of the layer alone count if they are more.
    """
    weights, read, written = traffic(layer)
    constants = limits.level_for(max(constant_bytes, weights)).time_us(weights, 0)
    data = limits.level_for(read + written).time_us(read, written)
    return max(layer.flops() / peak(layer, limits) / 1e3, constants + data)


def traffic(layer: Layer) -> tuple[int, int, int]:
    """Bytes of constants, of other operands, and of results, each once."""
    operands = dict.fromkeys(layer.operands)
    weights = sum(v.type.nbytes for v in operands if isinstance(v, Constant))
    read = sum(v.type.nbytes for v in operands if not isinstance(v, Constant))
    return weights, read, sum(r.type.nbytes for r in layer.results)
