"""Layouts and formats: how the elements of a logically shaped tensor lie in memory, and on which device.

A layout is a permutation of the logical dimensions, optionally with one of them split into blocks: `nchw16c` stores
`[N][C/16][H][W][16]`. Logical shapes never change with the layout, so a pass that changes layouts rewrites no shape and
no axis.
"""

from __future__ import annotations

import re

import attrs

_IMAGE = "nchw"
_BLOCKED = re.compile(r"nchw([1-9]\d*)c\Z")


@attrs.frozen
class Layout:
    """A named storage order.

    `order` lists the logical axes from slowest to fastest (`None`: row-major, any rank). With `block > 1` the axis
    `blocked_axis` is divided into blocks whose elements lie innermost; the last block is padded, and the padding is
    unspecified.
    """

    name: str
    order: tuple[int, ...] | None = attrs.field(default=None, eq=False)
    block: int = attrs.field(default=1, eq=False)
    blocked_axis: int = attrs.field(default=1, eq=False)

    def __str__(self) -> str:
        return self.name

    @property
    def rank(self) -> int | None:
        """The rank that this layout is for, or None for any."""
        return None if self.order is None else len(self.order)

    def storage_shape(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        """Shape of the array in memory that holds a tensor of logical `shape`."""
        if self.order is None:
            return shape
        dims = list(shape)
        if self.block > 1:
            dims[self.blocked_axis] = -(-dims[self.blocked_axis] // self.block)
        stored = tuple(dims[a] for a in self.order)
        return (*stored, self.block) if self.block > 1 else stored


ROW_MAJOR = Layout("")
"""The only layout of tensors that are not images; it has no tag in the text."""
ROW_WORD = "row"
"""How paths of routines and formats spell the row-major layout of tensors that are not images."""
NCHW = Layout(_IMAGE, (0, 1, 2, 3))
NHWC = Layout("nhwc", (0, 2, 3, 1))


def blocked(block: int) -> Layout:
    """`nchw{block}c`: channels in blocks of `block`."""
    return Layout(f"nchw{block}c", (0, 1, 2, 3), block)


NCHW16C = blocked(16)


def layout_named(name: str) -> Layout:
    """The layout with this tag.

    Raises:
        ValueError: no layout has this name.
    """
    fixed = {layout.name: layout for layout in (ROW_MAJOR, NCHW, NHWC)}
    if name in fixed:
        return fixed[name]
    if match := _BLOCKED.match(name):
        return blocked(int(match.group(1)))
    raise ValueError(f"unknown layout {name!r} (known: nchw, nhwc, nchw<B>c such as nchw16c)")


def default_layout(rank: int) -> Layout:
    """Row-major: `nchw` for images (rank 4), the untagged layout for all else."""
    return NCHW if rank == 4 else ROW_MAJOR


@attrs.frozen
class Format:
    """What a value looks like in memory apart from its shape. Routines state the formats they take and give."""

    dtype: str
    layout: str
    device: str = "cpu"

    def __str__(self) -> str:
        return f"{self.device}/{self.dtype}/{self.layout or ROW_WORD}"
