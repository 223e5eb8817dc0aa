"""One layer on arrays: on integers where it is integer, else on the numbers that quantized elements stand for."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import attrs
import numpy as np

from plait.ir.activation import NONE
from plait.ir.casting import cast_array
from plait.ir.dtypes import Quantized
from plait.ir.integer import HALF_EVEN, Grid, Stored, Target
from plait.ir.layer import Layer, Scope
from plait.ir.quantization import Lookup, dequantize, quantize, why_not_integer
from plait.ir.types import TensorType
from plait.ir.values import Array, Value


class NoScope:
    """The surroundings of a layer that runs no other code."""

    def region(self, region: Any, arguments: Sequence[Array]) -> tuple[Array, ...]:
        raise NotImplementedError("a layer on its own has no regions")

    def net(self, name: str, arguments: Sequence[Array]) -> tuple[Array, ...]:
        raise NotImplementedError("a layer on its own calls no nets")


def on_arrays(layer: Layer, lookup: Lookup) -> Callable[..., tuple[Array, ...]]:
    """A function of the operands as they are stored (None for an absent one) that gives the results of a layer.

    Args:
        lookup: elements of the constants that quantized types name.
    """
    numbers, slots, results = Numbers(lookup), layer.operand_slots(), layer.results
    whole = why_not_integer(layer) is None

    def run(*operands: Any) -> tuple[Array, ...]:
        return numbers.compute(layer, slots, results, operands, whole, NoScope())

    return run


@attrs.frozen
class Numbers:
    """What stored integers stand for; `lookup` gives the elements of the constants that types name."""

    lookup: Lookup

    def compute(
        self,
        layer: Layer,
        slots: Sequence[Value | None],
        results: Sequence[Value],
        operands: Sequence[Any],
        whole: bool,
        scope: Scope,
    ) -> tuple[Any, ...]:
        """The results of a layer as they are stored, from operands (`slots`) as they are stored.

        Args:
            whole: whether the layer computes on integers.
        """
        values = [*(v for v in slots if v is not None), *results]
        with np.errstate(all="ignore"):
            if whole:
                return (self._on_integers(layer, slots, results[0], operands),)
            # Some layers, such as bitcast and lookup, see elements as they are stored.
            real = type(layer).execute is Layer.execute and all(isinstance(v.type, TensorType) for v in values)
            if not real or not any(_quantized(v) for v in values):
                found = layer.execute(scope, *operands)
                return found if isinstance(found, tuple) else (found,)
            found = layer.execute(scope, *map(self._dequantized, slots, operands))
            arrays = found if isinstance(found, tuple) else (found,)
            return tuple(map(self._stored, results, arrays))

    def _on_integers(
        self, layer: Layer, slots: Sequence[Value | None], result: Value, operands: Sequence[Any]
    ) -> Array:
        dtype = _quantized(result)
        assert dtype is not None
        grid = Grid.of(dtype, self.lookup)
        target = Target(grid, getattr(layer, "act", NONE), getattr(layer, "rounding", HALF_EVEN))
        return layer.integer_reference(target, *map(self._operand, slots, operands))

    def _operand(self, value: Value | None, array: Any) -> Any:
        dtype = None if value is None else _quantized(value)
        if dtype is None:
            return array
        return self._dequantized(value, array) if dtype.block else Stored(array, Grid.of(dtype, self.lookup))

    def _dequantized(self, value: Value | None, array: Any) -> Any:
        dtype = None if value is None else _quantized(value)
        return array if dtype is None else dequantize(array, dtype, self.lookup)

    def _stored(self, value: Value, array: Any) -> Array:
        """Numbers as elements of the type of a result."""
        dtype = value.type.dtype
        if isinstance(dtype, Quantized):
            return quantize(np.asarray(array), dtype, self.lookup)
        return cast_array(np.asarray(array), dtype)


def _quantized(value: Value) -> Quantized | None:
    dtype = value.type.dtype if isinstance(value.type, TensorType) else None
    return dtype if isinstance(dtype, Quantized) else None
