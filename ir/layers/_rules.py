"""Small shape rules that several layer families share."""

from __future__ import annotations

from collections.abc import Sequence

from plait.ir.diagnostics import ShapeError
from plait.ir.dims import Dimension
from plait.ir.dtypes import ElementType, Quantized
from plait.ir.layer import Layer
from plait.ir.quantization import why_not_integer
from plait.ir.types import Shape
from plait.ir.values import Value


def want_rank(value: Value, rank: int, what: str) -> Shape:
    """The shape of `value`, which must have this rank.

    Raises:
        ShapeError: it has another one.
    """
    if value.type.rank != rank:
        raise ShapeError(f"{what} must have {rank} dimensions, got {value.type}")
    return value.type.shape


def want_matrices(value: Value, what: str) -> Shape:
    """The shape of `value`, which must have at least two dimensions.

    Raises:
        ShapeError: it has fewer.
    """
    if value.type.rank < 2:
        raise ShapeError(f"{what} must have at least 2 dimensions, got {value.type}")
    return value.type.shape


def window_extent(
    size: Dimension, kernel: int, stride: int, dilation: int, before: int, after: int, ceil: bool = False
) -> Dimension:
    """Number of positions of a sliding window along one axis (ONNX operator specification, Conv and MaxPool).

    With `ceil` a last, partial window is kept if it starts inside the input or its leading padding.

    Raises:
        ShapeError: the window does not fit.
    """
    free = size + (before + after - dilation * (kernel - 1) - 1)
    if isinstance(free, int) and free < 0:
        raise ShapeError(
            f"a window of {dilation * (kernel - 1) + 1} does not fit into {size} with padding {before}, {after}"
        )
    count = (free + (stride - 1 if ceil else 0)) // stride + 1
    if ceil and isinstance(count, int) and isinstance(size, int) and (count - 1) * stride >= size + before:
        count -= 1
    return count


def broadcast(shapes: Sequence[Shape]) -> Shape:
    """NumPy broadcasting over dimensions that may be symbolic.

    Raises:
        ShapeError: two dimensions differ and neither is 1.
    """
    rank = max(len(s) for s in shapes)
    result: list[Dimension] = [1] * rank
    for shape in shapes:
        for i, dim in enumerate(shape, rank - len(shape)):
            if result[i] == 1:
                result[i] = dim
            elif dim not in (1, result[i]):
                raise ShapeError(f"shapes {' and '.join(show(s) for s in shapes)} do not broadcast")
    return tuple(result)


def result_dtype(layer: Layer) -> ElementType:
    """The element type of a layer's result: its attribute `to`, by default that of the first operand.

    Raises:
        ShapeError: operands do not turn into such elements, or only integers are rounded so.
    """
    first, to = layer.operands[0].type.dtype, getattr(layer, "to", None)
    dtype: ElementType = first if to is None else to
    if dtype != first:
        _check_target(layer, dtype)
    check_rounding(layer, dtype)
    return dtype


def check_rounding(layer: Layer, dtype: ElementType) -> None:
    """Of all layers only those that compute on integers have a scale to change in fixed point.

    Raises:
        ShapeError: this is another one.
    """
    if getattr(layer, "rounding", "") == "fixed_point" and (reason := why_not_integer(layer, dtype)):
        raise ShapeError(f"rounding = fixed_point is for layers that compute on integers, but {reason}")


def _check_target(layer: Layer, to: ElementType) -> None:
    for name, value in layer.named_operands():
        dtype = value.type.dtype
        if not (dtype.is_float or isinstance(dtype, Quantized)):
            raise ShapeError(f"to = {to} is for floating-point and quantized numbers, but {name} is {value.type}")
    if isinstance(to, Quantized):
        return
    if not to.is_float:
        raise ShapeError(f"to = {to}: results are quantized or floating-point numbers")
    if not any(isinstance(v.type.dtype, Quantized) for v in layer.operands):
        raise ShapeError(f"to = {to} where no operand is quantized: that is what cast does")


def axis_in(axis: int, rank: int) -> int:
    """`axis` counted from the front.

    Raises:
        ShapeError: it is out of range.
    """
    if not -rank <= axis < rank:
        raise ShapeError(f"axis {axis} is out of range for {rank} dimensions")
    return axis % rank


def axes_in(axes: Sequence[int], rank: int) -> tuple[int, ...]:
    """Axes counted from the front, sorted; all of them if none is given."""
    return tuple(sorted({axis_in(a, rank) for a in axes})) or tuple(range(rank))


def show(shape: Shape) -> str:
    """`[1x3x32]`."""
    return f"[{'x'.join(str(d) for d in shape)}]"
