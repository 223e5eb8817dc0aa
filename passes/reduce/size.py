"""How large a module is: the order in which reduction goes down, which is why it comes to an end."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import attrs
import numpy as np

from plait.ir.layer import Layer
from plait.ir.module import Module
from plait.ir.types import TensorType
from plait.ir.values import Array, Constant, Value
from plait.passes.reduce.walk import arguments_of, layers_of, regions_of

NUMBERS = "fiubV"
"""Kinds of NumPy dtypes that hold numbers (V: bfloat16 and other types of `ml_dtypes`)."""


@attrs.frozen(order=True)
class Size:
    """Compared field by field, the first that differs decides: a module with fewer layers is smaller, whatever else."""

    layers: int
    """Layers, those of nested regions included."""
    functions: int
    outputs: int
    """Of functions and of nested regions."""
    operands: int
    values: int
    """Arguments and constants."""
    attributes: int
    """Numbers and words in attributes that differ from their default."""
    symbols: int
    """Dimensions that are not integers, of arguments and constants."""
    extent: int
    """Sum of the dimensions of arguments and constants, and of the integers in attributes."""
    content: int
    """How far constants are from zeros: see `complexity`."""
    labels: int
    """Characters of names, and whatever layers carry beside what they compute: locations, routines, costs."""

    @staticmethod
    def of(module: Module) -> Size:
        """Measure a module."""
        layers = list(layers_of(module))
        arguments = list(arguments_of(module))
        constants = list(module.constants.values())
        dims = [d for value in (*arguments, *constants) for d in shape_of(value)]
        extent = sum(d for d in dims if isinstance(d, int))
        return Size(
            layers=len(layers),
            functions=len(module.functions),
            outputs=sum(len(region.outputs) for region in regions_of(module)),
            operands=sum(len(layer.operands) for layer in layers),
            values=len(arguments) + len(constants),
            attributes=sum(_off_default(layer) for layer in layers),
            symbols=sum(not isinstance(d, int) for d in dims),
            extent=extent + sum(abs(n) for layer in layers for n in integers(layer.attributes().values())),
            content=sum(complexity(c) for c in constants),
            labels=_labels(module, layers, [*arguments, *constants]),
        )


def shape_of(value: Value) -> tuple[Any, ...]:
    """Dimensions of a value; none for what is not a tensor."""
    return value.type.shape if isinstance(value.type, TensorType) else ()


def integers(values: Iterable[Any]) -> Iterator[int]:
    """All integers in attribute values, lists included."""
    for value in values:
        if isinstance(value, int) and not isinstance(value, bool):
            yield value
        elif isinstance(value, (tuple, list)):
            yield from integers(value)
        elif isinstance(value, dict):
            yield from integers(value.values())


def complexity(constant: Constant) -> int:
    """0: zeros, 1: ones, 2: the same small integer everywhere, 3: the same number, 4: small integers, 5: more."""
    return data_complexity(constant.data)


def data_complexity(data: Array) -> int:
    """`complexity` of an array."""
    if data.dtype.kind not in NUMBERS:
        return 5
    flat = data.reshape(-1)
    # NumPy cannot round what it does not know.
    flat = flat.astype(np.float64) if data.dtype.kind == "V" else flat
    # Some elements of large weights mostly tell all.
    return 5 if _kind(flat[:64]) == 5 else _kind(flat)


def _kind(flat: Array) -> int:
    if not flat.any():
        return 0
    with np.errstate(all="ignore"):
        small = bool((np.abs(flat) < 10).all() and (np.round(flat) == flat).all())
    if (flat == flat[0]).all():
        return 1 if flat[0] == 1 else 2 if small else 3
    return 4 if small else 5


def parts(value: Any) -> tuple[Any, ...]:
    """An attribute value as a tuple: of a list its members, else the value alone."""
    return tuple(value) if isinstance(value, (tuple, list)) else (value,)


def _off_default(layer: Layer) -> int:
    """Members of attributes that differ from those of the default; required attributes have none and do not count."""
    count = 0
    for spec in layer.spec.attributes:
        if spec.required:
            continue
        ours, default = parts(getattr(layer, spec.name)), parts(spec.default)
        same_length = len(ours) == len(default)
        count += sum(a != b for a, b in zip(ours, default, strict=True)) if same_length else len(ours) + 1
    return count


def _labels(module: Module, layers: list[Layer], values: list[Value]) -> int:
    values += [a for region in regions_of(module) for a in region.arguments]
    names = [v.name for v in dict.fromkeys(values)] + [r.name for layer in layers for r in layer.results]
    names += [name for f in module.functions.values() for name in f.output_names]
    names += [f.comment for f in module.functions.values()]
    # An output that is called otherwise than its value is written with both names.
    outputs = [(n, v) for f in module.functions.values() for n, v in zip(f.output_names, f.outputs, strict=True)]
    names += [n for n, v in outputs if n != v.name]
    return sum(map(len, names)) + 100 * sum(map(_carried, layers))


def _carried(layer: Layer) -> int:
    return len(layer.locations) + (layer.via is not None) + (layer.cost_us is not None) + bool(layer.comment)
