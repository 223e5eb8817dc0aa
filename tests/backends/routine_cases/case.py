"""What a case is, and how it is made of shapes and attributes."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from typing import Any

import attrs
import numpy as np

from plait.backends.lowering import no_constants
from plait.ir.dtypes import ElementType, Quantized
from plait.ir.layer import Layer
from plait.ir.numbers import on_arrays
from plait.ir.region import Region
from plait.ir.registry import layer_class
from plait.ir.types import DType, TensorType
from plait.ir.values import Array, Constant, Value

CHANNELS = (1, 3, 8, 15, 16, 17, 24, 40, 64)
ACTS: tuple[Any, ...] = (
    "relu",
    "relu6",
    "hard_swish",
    "sigmoid",
    "silu",
    "tanh",
    "gelu",
    ("clip", -1.0, 0.5),
    ("hard_sigmoid", 0.25, 0.4),
    ("leaky_relu", 0.1),
    ("elu", 0.7),
)


@attrs.frozen(eq=False)
class Case:
    """A layer with its operands' data, in logical order; arguments and constants in the order of the layer's
    operands."""

    name: str
    layer: Layer
    arguments: tuple[Array, ...]

    def reference(self) -> tuple[Array, ...]:
        """What the layer means, computed by NumPy on copies."""
        known = dict(zip(self.inputs(), self.arguments, strict=True))
        operands = [
            None if v is None else v.data if isinstance(v, Constant) else known[v].copy()
            for v in self.layer.operand_slots()
        ]
        return on_arrays(self.layer, no_constants)(*operands)

    def inputs(self) -> list[Value]:
        """The operands that are not constants, each once."""
        return list(dict.fromkeys(v for v in self.layer.operands if not isinstance(v, Constant)))


@attrs.frozen
class Operand:
    """An operand to be made: its shape, whether constant, and the range of its random elements."""

    shape: tuple[int, ...]
    constant: bool = False
    dtype: ElementType = DType.F32
    positive: bool = False
    high: int = 5
    same_as: int | None = None


def arg(*shape: int, **more: Any) -> Operand:
    return Operand(shape, **more)


def const(*shape: int, **more: Any) -> Operand:
    return Operand(shape, constant=True, **more)


def _random(operand: Operand, rng: np.random.Generator) -> Array:
    if isinstance(operand.dtype, Quantized):
        low, high = operand.dtype.storage.integer_range
        drawn = rng.integers(max(low, -20_000), min(high, 20_000), operand.shape, endpoint=True)
        return drawn.astype(operand.dtype.numpy)
    if operand.dtype is DType.BOOL:
        return rng.integers(0, 2, operand.shape).astype(np.bool_)
    if not operand.dtype.is_float:
        return np.asarray(rng.integers(0, operand.high, operand.shape), operand.dtype.numpy)
    values = rng.uniform(0.5, 2.0, operand.shape) if operand.positive else rng.standard_normal(operand.shape) * 2
    return np.asarray(values, operand.dtype.numpy)


def make(kind: str, operands: Sequence[Operand | None], **attributes: Any) -> Case:
    """A case; its name and its data follow from what it is."""
    for name in {"act", "gate"} & attributes.keys():
        if isinstance(attributes[name], tuple):
            from plait.ir.activation import Activation

            word, *params = attributes[name]
            attributes[name] = Activation(word, tuple(params))
    shown = [_shown(o) for o in operands]
    name = f"{kind}({', '.join(shown)}) {attributes}"
    rng = np.random.default_rng(zlib.crc32(name.encode()))
    values: list[Value | None] = []
    arguments: list[Array] = []
    for operand in operands:
        if operand is None or operand.same_as is not None:
            values.append(None if operand is None else values[operand.same_as])  # type: ignore[index]
            continue
        data = _random(operand, rng)
        if operand.constant:
            values.append(Constant(f"c{len(values)}", data, type=TensorType(operand.dtype, operand.shape)))
        else:
            values.append(Value(f"x{len(values)}", TensorType(operand.dtype, operand.shape)))
            arguments.append(data)
    cls = layer_class(kind)
    assert cls is not None, kind
    variadic = cls.spec.operands and cls.spec.operands[0].variadic
    layer = cls(tuple(values), **attributes) if variadic else cls(*values, **attributes)
    Region([v for v in values if v is not None and not isinstance(v, Constant)]).append(layer, ["y"])
    return Case(name, layer, tuple(arguments))


def _shown(operand: Operand | None) -> str:
    if operand is None:
        return "-"
    if operand.same_as is not None:
        return f"={operand.same_as}"
    return f"{'@' if operand.constant else ''}{operand.dtype}[{'x'.join(map(str, operand.shape))}]"
