"""Building the function: layers are appended, or folded if all operands are known, or tracked if they compute shapes.

Models compute shapes with layers: `Shape -> Slice -> Concat -> Reshape`. With symbolic dimensions such a tensor is not
a constant, but its elements are dims. `ShapeValue` carries them; the layers that compute it are appended only if
something needs it at run time.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from plait.frontends.onnx.unsupported import Unsupported
from plait.ir.dims import Dim, Dimension
from plait.ir.dtypes import ConstantName, ElementType
from plait.ir.layer import Layer
from plait.ir.layers.bits import Bitcast
from plait.ir.layers.elementwise import Binary, Cast, Div, Unary
from plait.ir.layers.shape import Gather
from plait.ir.module import Function
from plait.ir.types import DType, TensorType, Type
from plait.ir.values import Array, Constant, Value

EAGER_BYTES = 1 << 16
"""Folded constants of at most this size are computed at once, larger ones at their first use."""
_TRACKED_ELEMENTS = 256
_MOVERS = {"bitcast", "cast", "concat", "expand", "gather", "reshape", "shape", "slice", "split", "transpose"}
"""Layers that do not look at the elements, so that these may be strings."""
_INTEGERS = (DType.I64, DType.I32)


class ShapeValue(Value):
    """An integer tensor whose elements are known as dims."""

    __slots__ = ("dims", "recipe")

    def __init__(self, name: str, type: Type, dims: Array, recipe: Layer) -> None:
        super().__init__(name, type)
        self.dims = dims
        """Object array of `int` and `Dim`, in the shape of the tensor."""
        self.recipe = recipe
        """The detached layer that computes it."""


class FunctionBuilder:
    """Appends layers to a function."""

    def __init__(self, function: Function, fold_limit: int) -> None:
        self.function = function
        self.fold_limit = fold_limit
        self._budget = fold_limit
        self._made: dict[ShapeValue, Value] = {}
        self._retyped: dict[tuple[Value, ElementType], Value] = {}
        self._named: dict[Constant, ConstantName] = {}
        self.parameters: dict[str, Constant] = {}
        """Scales and zero points that quantized types name, by these names."""

    def emit(self, layer: Layer, names: Sequence[str]) -> tuple[Value, ...]:
        """The results of a layer: constants, shape values, or results of the appended layer.

        Raises:
            ShapeError: the layer does not accept its operands.
            Unsupported: it would fold to more than the limit.
        """
        operands = layer.operands
        if layer.op not in _MOVERS and any(_has_strings(v) for v in operands):
            raise Unsupported(f"{layer.op} of strings")
        if operands and all(isinstance(v, Constant) and v.type.is_plain for v in operands):
            types = [t for t in layer.result_types() if isinstance(t, TensorType) and t.is_plain]
            if len(types) == len(layer.result_types()):
                return self._fold(layer, types, names)
        if all(isinstance(v, (Constant, ShapeValue)) for v in operands) and (tracked := self._track(layer, names[0])):
            return (tracked,)
        if any(isinstance(v, ShapeValue) for v in operands):
            layer = layer.with_operands({v: self.materialise(v) for v in operands})
        return self.function.body.append(layer, names).results

    def retyped(self, value: Value, to: ElementType) -> Value:
        """The same bits as elements of another type; each change of a value is made once, and none is undone."""
        if value.type.dtype == to:
            return value
        if isinstance(value, Constant):
            twin = value.twin()
            twin.type = TensorType(to, value.type.shape)
            return twin
        if isinstance(value.owner, Bitcast) and value.owner.x.type.dtype == to:
            return value.owner.x
        if (value, to) not in self._retyped:
            self._retyped[value, to] = self.emit(Bitcast(value, to=to), [f"{value.name}.bits"])[0]
        return self._retyped[value, to]

    def parameter(self, constant: Constant) -> ConstantName:
        """The name by which types can refer to the elements of a constant."""
        if constant not in self._named:
            name, n = constant.name, 0
            while name in self.parameters:
                n += 1
                name = f"{constant.name}.{n}"
            self.parameters[name] = constant.twin(name)
            self._named[constant] = ConstantName(name)
        return self._named[constant]

    def charge(self, type: Type, what: str) -> None:
        """Count a constant that the model does not store against the limit.

        Raises:
            Unsupported: the limit is exceeded.
        """
        self._budget -= (size := type.elements * type.dtype.size)
        if self._budget < 0:
            raise Unsupported(
                f"{what} would make a constant of {size:,} bytes; all folded constants together may have "
                f"{self.fold_limit:,} (fold_limit)"
            )

    def materialise(self, value: Value) -> Value:
        """A value that exists at run time."""
        if not isinstance(value, ShapeValue):
            return value
        if value not in self._made:
            layer = value.recipe.with_operands({v: self.materialise(v) for v in value.recipe.operands})
            self._made[value] = self.function.body.append(layer, [value.name]).results[0]
        return self._made[value]

    def track_shape(self, recipe: Layer, dims: Sequence[Dimension], name: str) -> Value:
        """The value of a layer that yields these dims."""
        type = TensorType(DType.I64, (len(dims),))
        if all(isinstance(d, int) for d in dims):
            return Constant(name, np.array(dims, dtype=np.int64))
        return ShapeValue(name, type, _objects(dims), recipe)

    def _fold(self, layer: Layer, types: Sequence[TensorType], names: Sequence[str]) -> tuple[Value, ...]:
        for type in types:
            self.charge(type, layer.op)
        names = [*names, *(f"{names[0]}.{i}" for i in range(len(names), len(types)))]

        def compute() -> tuple[Array, ...]:
            results = layer.reference(*(None if v is None else v.data for v in layer.operand_slots()))  # type: ignore[attr-defined]
            return results if isinstance(results, tuple) else (results,)

        if len(types) == 1 and types[0].elements * types[0].dtype.size > EAGER_BYTES:
            return (Constant(names[0], type=types[0], load=lambda: np.ascontiguousarray(compute()[0])),)
        return tuple(frozen(name, data, type) for name, data, type in zip(names, compute(), types, strict=True))

    def _track(self, layer: Layer, name: str) -> Value | None:
        """The elements as dims, if the layer's own semantics can be carried out on them."""
        types = layer.result_types()
        if (
            len(types) > 1
            or not isinstance(types[0], TensorType)
            or types[0].dtype not in _INTEGERS
            or not types[0].is_static
            or types[0].elements > _TRACKED_ELEMENTS
            or any(v.type.dtype not in _INTEGERS for v in layer.operands)
        ):
            return None
        try:
            dims = _on_dims(layer)
        except (TypeError, ValueError, ArithmeticError, IndexError):
            return None
        if (
            dims.dtype != object
            or dims.shape != types[0].shape
            or not all(isinstance(d, (int, Dim)) for d in dims.flat)
        ):
            return None
        if all(isinstance(d, int) for d in dims.flat):
            return frozen(name, dims.astype(types[0].dtype.numpy), types[0])
        return ShapeValue(name, types[0], dims, layer)


def frozen(name: str, data: Array, type: TensorType | None = None) -> Constant:
    """A constant with these elements, read-only."""
    data = np.ascontiguousarray(data).reshape(data.shape)
    data.flags.writeable = False
    return Constant(name, data, type=type)


def _has_strings(value: Value) -> bool:
    return isinstance(value.type, TensorType) and value.type.dtype is DType.STRING


def known_dims(value: Value) -> Array | None:
    """Elements of an integer tensor as an object array of `int` and `Dim`, or None if they are not known."""
    if isinstance(value, ShapeValue):
        return value.dims
    if isinstance(value, Constant) and value.type.dtype.numpy.kind in "iub":
        return value.data.astype(object)
    return None


def _on_dims(layer: Layer) -> Array:
    # Indices stay integers; everything else becomes an object array, so that NumPy calls the arithmetic of dims.
    arrays = []
    for i, value in enumerate(layer.operands):
        index = isinstance(layer, Gather) and i == 1
        arrays.append(value.data if index and isinstance(value, Constant) else known_dims(value))
    if isinstance(layer, Cast):
        return arrays[0]  # type: ignore[return-value]
    if isinstance(layer, Div):
        # Sizes are not negative, so rounding down is what integer division means, if the divisor is positive.
        if not all(isinstance(d, int) and d > 0 for d in arrays[1].flat):  # type: ignore[union-attr]
            raise TypeError
        return np.asarray(np.floor_divide(arrays[0], arrays[1]), dtype=object)  # type: ignore[arg-type]
    if isinstance(layer, Unary) or (isinstance(layer, Binary) and layer.act):
        raise TypeError
    return np.asarray(layer.reference(*arrays), dtype=object)


def _objects(dims: Sequence[Dimension]) -> Array:
    array = np.empty(len(dims), dtype=object)
    array[:] = dims
    return array
