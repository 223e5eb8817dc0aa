"""Layouts and formats: how the elements of a logically shaped tensor lie in memory, on which device, by which core.

A layout is a list of terms over the logical indices `d0, d1, ...`, from slowest to fastest: `nhwc` is
`<d0, d2, d3, d1>`, and `nchw16c`, which stores `[N][C/16][H][W][16]`, is `<d0, d1/16, d2, d3, d1%16>`. Logical shapes
never change with the layout, so a pass that changes layouts rewrites no shape and no axis.
"""

from __future__ import annotations

import functools
import math
import re
from collections.abc import Iterable
from typing import Any

import attrs
import numpy as np

from plait.ir.diagnostics import unknown
from plait.ir.dtypes import Array

_BLOCKED = re.compile(r"nchw([1-9]\d{0,8})c\Z")
_TERM = re.compile(r"d(\d{1,3})((?:[/%]\d{1,9})*)\Z")


@attrs.frozen
class Term:
    """`(index of axis % modulo) / divisor`: one dimension of the array in memory. A modulo of 0 stands for none."""

    axis: int
    modulo: int = 0
    divisor: int = 1

    def __str__(self) -> str:
        modulo = f"%{self.modulo}" if self.modulo else ""
        return f"d{self.axis}{modulo}" + (f"/{self.divisor}" if self.divisor > 1 else "")

    def extent(self, size: int) -> int:
        """Size of this dimension in memory where the axis has `size` elements."""
        return (self.modulo or size + self.divisor - 1) // self.divisor


@attrs.frozen
class Layout:
    """A storage order. Layouts are equal if their names are; `layout_named` and `layout_of` make them.

    `terms` are the dimensions in memory from slowest to fastest (`None`: row-major, any rank). Blocks at the end of an
    axis are padded, and the padding is unspecified.
    """

    name: str
    terms: tuple[Term, ...] | None = attrs.field(default=None, eq=False, repr=False)

    def __str__(self) -> str:
        return self.name

    @functools.cached_property
    def rank(self) -> int | None:
        """The rank that this layout is for, or None for any."""
        return None if self.terms is None else len({t.axis for t in self.terms})

    @functools.cached_property
    def order(self) -> tuple[int, ...] | None:
        """The logical axes from slowest to fastest where the layout is a permutation, else None."""
        if self.terms is None or len(self.terms) != self.rank:
            return None
        return tuple(t.axis for t in self.terms)

    @functools.cached_property
    def is_row_major(self) -> bool:
        """Whether elements lie in their logical order."""
        return self.terms is None or self.order == tuple(range(len(self.terms)))

    def storage_shape(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        """Shape of the array in memory that holds a tensor of logical `shape`; blocked axes are rounded up."""
        if self.terms is None:
            return shape
        return tuple(t.extent(shape[t.axis]) for t in self.terms)

    def pack(self, array: Array, fill: Any = 0) -> Array:
        """A tensor as it lies in memory: an array of the storage shape, padded with `fill`."""
        if self.terms is None:
            return np.asarray(array, order="C")
        split = [self._levels(axis, size) for axis, size in enumerate(array.shape)]
        padded = tuple(math.prod(levels) for levels in split)
        if padded != array.shape:
            whole: Array = np.full(padded, fill, array.dtype)
            whole[tuple(slice(n) for n in array.shape)] = array
            array = whole
        fine = array.reshape([n for levels in split for n in levels])
        return np.asarray(fine.transpose(self._places()), order="C")

    def unpack(self, array: Array, shape: tuple[int, ...]) -> Array:
        """The tensor of logical `shape` that an array in memory holds, without padding."""
        if self.terms is None:
            return array.reshape(shape)
        split = [self._levels(axis, size) for axis, size in enumerate(shape)]
        fine = array.reshape(self.storage_shape(shape)).transpose(np.argsort(self._places()))
        return fine.reshape([math.prod(levels) for levels in split])[tuple(slice(n) for n in shape)]

    def _of_axis(self, axis: int) -> list[Term]:
        """Terms of an axis, the outermost first."""
        return sorted((t for t in self.terms or () if t.axis == axis), key=lambda t: -t.divisor)

    def _levels(self, axis: int, size: int) -> list[int]:
        return [t.extent(size) for t in self._of_axis(axis)]

    def _places(self) -> list[int]:
        """Where each term stands among all terms ordered by axis, then from the outermost to the innermost."""
        terms = self.terms or ()
        by_axis = sorted(terms, key=lambda t: (t.axis, -t.divisor))
        return [by_axis.index(t) for t in terms]


def layout_of(terms: Iterable[Term]) -> Layout:
    """The layout of these terms, under its well-known name if it has one.

    Raises:
        ValueError: the terms of an axis do not cover it exactly once.
    """
    terms = tuple(terms)
    rank = max((t.axis for t in terms), default=-1) + 1
    for axis in range(rank):
        _check_axis(axis, [t for t in terms if t.axis == axis])
    return Layout(_KNOWN.get(terms) or _blocked_name(terms) or f"<{', '.join(map(str, terms))}>", terms)


def _check_axis(axis: int, terms: list[Term]) -> None:
    """Each term must go on where the next coarser one ends: d1/64, d1%64/4, d1%4."""
    if not terms:
        raise ValueError(f"a layout must say where d{axis} goes")
    above = 0
    for term in sorted(terms, key=lambda t: -t.divisor):
        if above == 1:
            raise ValueError(f"the terms of d{axis} must cover it once: {term} is too much")
        if term.modulo != above:
            wanted = f"d{axis}%{above}" if above else f"d{axis} or d{axis}/<block>"
            raise ValueError(f"the terms of d{axis} must cover it once: {term} stands where {wanted} is wanted")
        if above and (term.divisor >= above or above % term.divisor):
            raise ValueError(f"{term} does not divide blocks of {above} into smaller ones")
        above = term.divisor
    if above != 1:
        raise ValueError(f"the terms of d{axis} must cover it once: d{axis}%{above} is missing")


def _image(*axes: int) -> tuple[Term, ...]:
    return tuple(Term(axis) for axis in axes)


_KNOWN = {_image(0, 1, 2, 3): "nchw", _image(0, 2, 3, 1): "nhwc"}


def _blocked_name(terms: tuple[Term, ...]) -> str | None:
    if len(terms) != 5 or terms != _blocked_terms(terms[-1].modulo):
        return None
    return f"nchw{terms[-1].modulo}c"


def _blocked_terms(block: int) -> tuple[Term, ...]:
    return (Term(0), Term(1, divisor=block), Term(2), Term(3), Term(1, modulo=block))


ROW_MAJOR = Layout("")
"""The only layout of tensors that are not images; it has no tag in the text."""
ROW_WORD = "row"
"""How paths of routines and formats spell the row-major layout of tensors that are not images."""
NCHW = layout_of(_image(0, 1, 2, 3))
NHWC = layout_of(_image(0, 2, 3, 1))


def blocked(block: int) -> Layout:
    """`nchw{block}c`: channels in blocks of `block`, which is at least 2."""
    return layout_of(_blocked_terms(block))


NCHW16C = blocked(16)


@functools.lru_cache(4096)
def layout_named(text: str) -> Layout:
    """The layout with this name or expression: `nhwc`, `<d0, d2, d3, d1>`.

    Raises:
        ValueError: there is none.
    """
    fixed = {layout.name: layout for layout in (ROW_MAJOR, NCHW, NHWC)}
    if text in fixed:
        return fixed[text]
    if text.startswith("<") and text.endswith(">"):
        return layout_of(_parse_term(part.strip()) for part in text[1:-1].split(","))
    if (match := _BLOCKED.match(text)) and int(match[1]) > 1:
        return blocked(int(match[1]))
    if sorted(text.lower()) == sorted(NCHW.name):
        raise ValueError(unknown("layout", text, (NCHW.name, NHWC.name)))
    words = (NCHW.name, NHWC.name, "nchw<B>c such as nchw16c", "and expressions such as <d1, d0>")
    raise ValueError(f"unknown layout {text!r} (known: {', '.join(words)})")


def _parse_term(text: str) -> Term:
    """Operators apply from the left; `d1/4%16` is `d1%64/4`."""
    match = _TERM.match(text)
    operators = re.findall(r"([/%])(\d+)", match[2]) if match else []
    if match is None or [o for o, _ in operators] not in ([], ["/"], ["%"], ["%", "/"], ["/", "%"]):
        raise ValueError(f"{text!r} is not a term of a layout; wanted d1, d1/16, d1%16 or d1%64/4")
    numbers = {o: int(n) for o, n in operators}
    if 0 in numbers.values():
        raise ValueError(f"{text!r} divides by zero")
    divisor, modulo = numbers.get("/", 1), numbers.get("%", 0)
    if operators[:1] and operators[0][0] == "/":
        modulo *= divisor
    return Term(int(match[1]), modulo, divisor)


def default_layout(rank: int) -> Layout:
    """Row-major: `nchw` for images (rank 4), the untagged layout for all else."""
    return NCHW if rank == 4 else ROW_MAJOR


SPLITS = ("rows", "channels", "all")
"""Which parts of an image the cache of each core holds: a band of rows, a range of channels, or all of it (each core
has read it all). An empty split says nothing."""
ANY_SPLIT = "any"
"""What the format of an operand says when its routine takes every split alike."""


@attrs.frozen
class Format:
    """What a value looks like in memory apart from its shape. Routines state the formats they take and give.

    `split` is one of `SPLITS`, empty, or for an operand `ANY_SPLIT`. It says where data are fast to reach; each core
    can read all of a value wherever it is.
    """

    dtype: str
    layout: str
    device: str = "cpu"
    split: str = ""

    def __str__(self) -> str:
        split = f"/{self.split}" if self.split else ""
        return f"{self.device}/{self.dtype}/{self.layout or ROW_WORD}{split}"

    @property
    def whole(self) -> Format:
        """This format without its split."""
        return attrs.evolve(self, split="") if self.split else self
