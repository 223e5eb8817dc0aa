"""Types of the graph inputs: dimensions with names become symbols, `dims` and `input_shapes` pin them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence

import onnx

from plait.frontends.errors import InconsistentModel
from plait.frontends.onnx.tensors import dtype_of
from plait.frontends.onnx.unsupported import Unsupported
from plait.ir.diagnostics import did_you_mean
from plait.ir.dims import Dimension, symbol
from plait.ir.dtypes import DType
from plait.ir.types import TensorType

Shapes = Mapping[str, Sequence[int | str | None]]
_LETTERS = re.compile(r"[A-Za-z0-9_]")
_ANY = -1
"""The size by which some exporters mean that any will do."""


def sanitised(name: str) -> str:
    """A name of a dimension as the IR allows it: `Dynamic.0` becomes `Dynamic_0`, `ax` becomes `aX`."""
    text = re.sub(r"[^A-Za-z0-9_]", "_", name).replace("x", "X")
    return f"d{text}" if not text or text[0].isdigit() else text


class _Symbols:
    """Hands out one symbol for each name in the model, and applies `dims`."""

    def __init__(self, dims: Mapping[str, int], where: str) -> None:
        self.dims, self.where = dims, where
        self.used: set[str] = set()
        self._names: dict[str, str] = {}
        for name, size in dims.items():
            if isinstance(size, bool) or not isinstance(size, int) or size < 1:
                raise InconsistentModel(f"dims= gives {name!r} the size {size!r}; a size is a positive integer", where)

    def named(self, name: str) -> Dimension:
        if name not in self._names:
            self._names[name] = self._free(sanitised(name))
        ours = self._names[name]
        for key in (name, ours):
            if key in self.dims:
                self.used.add(key)
                return self.dims[key]
        return symbol(ours)

    def fresh(self, hint: str) -> Dimension:
        return self.named(f"{hint}\0")  # no name in a model is like this

    def _free(self, name: str) -> str:
        name = name.rstrip("_") or "d"
        candidate, n = name, 0
        while candidate in self._names.values():
            n += 1
            candidate = f"{name}_{n}"
        return candidate

    def check(self) -> None:
        if strange := sorted(set(self.dims) - self.used):
            known = [n.rstrip("\0") for n in self._names] + list(self._names.values())
            raise InconsistentModel(
                f"dims= names {strange[0]!r}, but the symbolic dimensions of the model are "
                f"{', '.join(self._names.values()) or 'none'}",
                self.where,
                did_you_mean(strange[0], known),
            )


def argument_types(
    inputs: Iterable[onnx.ValueInfoProto], dims: Mapping[str, int], shapes: Shapes, where: str
) -> dict[str, TensorType | Unsupported]:
    """The type of each graph input.

    Raises:
        InconsistentModel: a stated shape or an option is wrong.
    """
    inputs = list(inputs)
    symbols = _Symbols(dims, where)
    if strange := sorted(set(shapes) - {i.name for i in inputs}):
        raise InconsistentModel(
            f"input_shapes= names {strange[0]!r}, which is not an input of the model",
            where,
            did_you_mean(strange[0], [i.name for i in inputs]),
        )
    types: dict[str, TensorType | Unsupported] = {}
    for info in inputs:
        try:
            types[info.name] = _type(info, shapes.get(info.name), symbols, where)
        except Unsupported as error:
            types[info.name] = error
    symbols.check()
    return types


def _type(
    info: onnx.ValueInfoProto, shape: Sequence[int | str | None] | None, symbols: _Symbols, where: str
) -> TensorType:
    kind = info.type.WhichOneof("value")
    if kind != "tensor_type":
        raise Unsupported(
            f"a graph input of kind {kind.removesuffix('_type')}" if kind else "a graph input without a type"
        )
    tensor = info.type.tensor_type
    try:
        dtype = dtype_of(tensor.elem_type)
    except ValueError as error:
        raise InconsistentModel(f"input {info.name!r} has {error}", where) from None
    if dtype is DType.STRING:
        raise Unsupported("element type string")
    stated = [_stated(d) for d in tensor.shape.dim] if tensor.HasField("shape") else None
    if shape is None:
        if stated is None:
            raise Unsupported("an input without a shape; give it with input_shapes=")
        shape = stated
    elif stated is not None and len(stated) != len(shape):
        raise InconsistentModel(
            f"input_shapes= gives {info.name!r} {len(shape)} dimensions, but the model says {len(stated)}", where
        )
    result: list[Dimension] = []
    for i, entry in enumerate(shape):
        if entry is None:
            result.append(symbols.fresh(f"{sanitised(info.name)}_{i}"))
        elif isinstance(entry, str):
            result.append(symbols.named(entry))
        elif isinstance(entry, bool) or not isinstance(entry, int) or entry < 0:
            raise InconsistentModel(
                f"input {info.name!r} has the dimension {entry!r}",
                where,
                "give the shape with input_shapes=, names stand for symbolic dimensions",
            )
        else:
            result.append(entry)
    return TensorType(dtype, tuple(result))


def _stated(dim: onnx.TensorShapeProto.Dimension) -> int | str | None:
    match dim.WhichOneof("value"):
        case "dim_value" if dim.dim_value != _ANY:
            return int(dim.dim_value)
        case "dim_param" if _LETTERS.search(dim.dim_param):
            return str(dim.dim_param)
    return None
