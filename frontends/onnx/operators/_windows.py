"""What convolution and pooling share: window attributes, automatic padding, one dimension taken as two."""

from __future__ import annotations

from collections.abc import Sequence

import attrs

from plait.frontends.onnx.context import Context
from plait.frontends.onnx.unsupported import Unsupported
from plait.ir.diagnostics import ShapeError
from plait.ir.dims import Dimension
from plait.ir.values import Value


@attrs.frozen
class Window:
    """Geometry of a sliding window over height and width. `pad` is top, left, bottom, right."""

    kernel: tuple[int, int]
    stride: tuple[int, int]
    pad: tuple[int, int, int, int]
    dilation: tuple[int, int]


def spatial_rank(value: Value, op: str) -> int:
    """1 or 2.

    Raises:
        Unsupported: the tensor is a volume.
        ShapeError: it has no spatial dimensions.
    """
    rank = value.type.rank - 2
    if rank < 1:
        raise ShapeError(f"{op} wants at least 3 dimensions, got {value.type}")
    if rank > 2:
        raise Unsupported(f"{op} over {rank} spatial dimensions")
    return rank


def window(ctx: Context, x: Value, kernel: Sequence[int]) -> Window:
    """The window of a node whose operand `x` has one or two spatial dimensions."""
    rank = len(kernel)
    stride, dilation = ctx.ints_attr("strides", (1,) * rank), ctx.ints_attr("dilations", (1,) * rank)
    sizes = x.type.shape[2:]
    if not len(sizes) == len(stride) == len(dilation) == rank:
        raise ShapeError(f"kernel, strides and dilations need {len(sizes)} entries")
    pads = _pads(ctx, sizes, kernel, stride, dilation)
    if min(stride) < 1 or min(dilation) < 1 or min(kernel) < 1:
        raise ShapeError("kernel, strides and dilations must be positive")
    if rank == 1:
        return Window((1, kernel[0]), (1, stride[0]), (0, pads[0], 0, pads[1]), (1, dilation[0]))
    return Window(
        (kernel[0], kernel[1]), (stride[0], stride[1]), (pads[0], pads[1], pads[2], pads[3]), (dilation[0], dilation[1])
    )


def _pads(
    ctx: Context, sizes: Sequence[Dimension], kernel: Sequence[int], stride: Sequence[int], dilation: Sequence[int]
) -> list[int]:
    """Leading pads of all axes, then trailing ones, as ONNX orders them."""
    auto = ctx.text_attr("auto_pad", "NOTSET")
    if auto == "NOTSET":
        pads = list(ctx.ints_attr("pads", (0,) * (2 * len(kernel))))
        if len(pads) != 2 * len(kernel):
            raise ShapeError(f"pads need {2 * len(kernel)} entries, got {len(pads)}")
        return pads
    if auto == "VALID":
        return [0] * (2 * len(kernel))
    if auto not in ("SAME_UPPER", "SAME_LOWER"):
        raise ShapeError(f"unknown auto_pad {auto!r}")
    totals = [_same(d, k, s, f) for d, k, s, f in zip(sizes, kernel, stride, dilation, strict=True)]
    small, large = [t // 2 for t in totals], [t - t // 2 for t in totals]
    return small + large if auto == "SAME_UPPER" else large + small


def _same(size: Dimension, kernel: int, stride: int, dilation: int) -> int:
    """Padding with which the window has ceil(size / stride) positions."""
    extent = dilation * (kernel - 1) + 1
    if stride == 1:
        return extent - 1
    if not isinstance(size, int):
        raise Unsupported("auto_pad with stride over a symbolic dimension; pin it with dims=")
    return max((-(-size // stride) - 1) * stride + extent - size, 0)


def to_image(ctx: Context, value: Value) -> Value:
    """[N, C, L] as [N, C, 1, L]; images as they are."""
    return ctx.reshape(value, (*value.type.shape[:2], 1, value.type.shape[2])) if value.type.rank == 3 else value


def from_image(ctx: Context, value: Value, rank: int) -> Value:
    """Undo `to_image` for an operator over `rank` spatial dimensions."""
    shape = value.type.shape
    return ctx.reshape(value, (*shape[:2], shape[3])) if rank == 1 else value
