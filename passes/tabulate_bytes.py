"""Chains of layers that make a function of single bytes become a table of its 256 results.

    f(g(x))     = lookup(x, @t)
    f(x, g(x))  = lookup(x, @t),   t[b] the stored result for the byte b of x

as `x * hard_sigmoid(x)`, whose factors are quantized apart. Whatever is between may be of integers of other bits or of
floats; what is computed stays the same to the bit, since the layers themselves fill the table.
"""

from __future__ import annotations

import attrs
import numpy as np

from plait.ir.dtypes import DType, Quantized
from plait.ir.integer import table
from plait.ir.layer import Layer
from plait.ir.layers.activations import ActivationLayer
from plait.ir.layers.bits import LookupTable
from plait.ir.layers.elementwise import Binary, Cast, Unary
from plait.ir.module import Module
from plait.ir.numbers import on_arrays
from plait.ir.types import TensorType
from plait.ir.values import Array, Constant, Value
from plait.passes.base import Pass, PassContext
from plait.passes.registry import register_pass
from plait.passes.rewriting import Builder, No, has_one_use, rewrite, rewrite_module
from plait.passes.support.constants import stored_data

_ELEMENTWISE = (ActivationLayer, Binary, Cast, LookupTable, Unary)
_DEPTH = 16
"""Layers from the byte to the result, at most."""


@rewrite(*_ELEMENTWISE, quantized=True)
def chain_of_bytes(layer: Layer, builder: Builder) -> Layer | No:
    """f(x, g(x)) -> lookup(x, @t)"""
    if not _is_byte(layer.result):
        return No("the result is not of bytes with one scale")
    computed = _computed(layer)
    if len(computed) == 1 and (computed[0].owner is None or not has_one_use(computed[0])):
        return No(f"it is a function of %{computed[0].name} alone, which is needed anyway")
    root = _root(layer.result, _DEPTH)
    if root is None or root is layer.result or [root] == computed:
        return No("it is no function of one byte through other layers")
    found = _Filler(root, builder.module).elements(layer.result)
    if found is None:
        return No("the data of a constant are not at hand")
    made = builder.constant(f"{layer.result.name}.table", np.ascontiguousarray(found).view(np.uint8))
    to = layer.result.type.dtype
    return LookupTable(root, made, to=None if to == root.type.dtype else to)


def _is_byte(value: Value) -> bool:
    dtype = value.type.dtype if isinstance(value.type, TensorType) else None
    return isinstance(dtype, Quantized) and dtype.bits == 8 and dtype.axis is None


def _computed(layer: Layer) -> list[Value]:
    """The operands that are no constants, each once."""
    return [v for v in dict.fromkeys(layer.operands) if not isinstance(v, Constant)]


def _root(value: Value, depth: int) -> Value | None:
    """The byte, as far back as one is, that says what an element of `value` is; None if there is none."""
    inner = _operand_root(value, depth)
    return inner if inner is not None else value if _is_byte(value) else None


def _operand_root(value: Value, depth: int) -> Value | None:
    layer = value.owner
    if depth == 0 or not isinstance(layer, _ELEMENTWISE):
        return None
    constants = [v for name, v in layer.named_operands() if isinstance(v, Constant) and name != "table"]
    if not all(v.type.is_static and v.type.elements == 1 for v in constants):
        return None
    roots = {_root(v, depth - 1) for v in _computed(layer)}
    root = roots.pop() if len(roots) == 1 else None
    return root if root is not None and root.type.shape == value.type.shape else None


@attrs.define
class _Filler:
    """The elements of values, as they are stored, for all bytes of `root`."""

    root: Value
    module: Module
    _known: dict[Value, Array] = attrs.field(factory=dict)

    def elements(self, value: Value) -> Array | None:
        """[256], of a constant number []; None if the data of a constant are missing."""
        if value in self._known:
            return self._known[value]
        found = self._made(value)
        if found is not None:
            self._known[value] = found
        return found

    def _made(self, value: Value) -> Array | None:
        if value is self.root:
            assert isinstance(value.type.dtype, Quantized)
            return table(value.type.dtype)
        if isinstance(value, Constant):
            data = stored_data(value)
            return data if data is None or data.size > 1 else data.reshape(())  # a table, or one number
        layer = value.owner
        assert layer is not None, "a root was found"
        slots = layer.operand_slots()
        operands = [None if v is None else self.elements(v) for v in slots]
        if any(found is None for v, found in zip(slots, operands, strict=True) if v is not None):
            return None
        named = [n for v in (*layer.operands, *layer.results) for n in _names(v)]
        if any(stored_data(self.module.constants.get(n)) is None for n in named):
            return None
        (result,) = on_arrays(layer, lambda name: self.module.constants[name].data)(*operands)
        return np.asarray(result)


def _names(value: Value) -> tuple[str, ...]:
    """Constants that the type of a value names."""
    dtype = value.type.dtype
    return () if isinstance(dtype, DType) else tuple(dtype.constant_names())


@register_pass
@attrs.frozen
class TabulateBytes(Pass):
    """Make tables of chains of layers whose result is a function of one byte."""

    name = "tabulate-bytes"

    def run(self, module: Module, context: PassContext) -> bool:
        return rewrite_module(module, (chain_of_bytes,), context)
