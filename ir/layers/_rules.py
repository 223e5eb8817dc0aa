"""Small shape rules that several layer families share."""

from __future__ import annotations

from collections.abc import Sequence

from plait.ir.diagnostics import ShapeError
from plait.ir.dims import Dimension
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
