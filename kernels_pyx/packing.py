"""Weights in the order the kernels read them.  All take logical arrays (OIHW filters) and return float32 arrays.

Blocks and panels are filled up with zeros, so kernels read whole vectors; biases that a kernel reads in whole blocks go
through `pack_channels`.  `block`: channels in a block of the layout, 16 for nchw16c.
"""

import functools
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Concatenate, ParamSpec

import numpy as np
from numpy.typing import NDArray

from plait.kernels_pyx._native import aligned_empty

Array = NDArray[np.float32]
P = ParamSpec("P")
Packed = dict[tuple[Any, ...], tuple[Array, Array]]
"""Filters with what they were packed to, by the function, the identity of the filters and its other arguments."""

GEMM_NCHW_PANEL = 12
GEMM_NHWC_PANEL = 32
FC_PANEL = 64
EXCITE_PANEL = 16


_known: Packed | None = None


@contextmanager
def sharing(known: Packed) -> Iterator[None]:
    """Within it, equal packing of one array is done once and gives one array, also for others who share `known`."""
    global _known
    before, _known = _known, known
    try:
        yield
    finally:
        _known = before


def _shared(pack: Callable[Concatenate[Array, P], Array]) -> Callable[Concatenate[Array, P], Array]:
    """Decorator of a function that packs its first argument."""

    @functools.wraps(pack)
    def packed(w: Array, /, *arguments: P.args, **named: P.kwargs) -> Array:
        if _known is None:
            return pack(w, *arguments, **named)
        key = (pack.__name__, id(w), *arguments, *named.items())
        if key not in _known:
            _known[key] = (w, pack(w, *arguments, **named))  # the filters are kept, so that their id stays taken
        return _known[key][1]

    return packed


def _padded(array: Array, axis: int, multiple: int) -> Array:
    """`array` with zeros behind one axis, up to a multiple."""
    missing = -array.shape[axis] % multiple
    widths = [(0, missing if i == axis % array.ndim else 0) for i in range(array.ndim)]
    return np.pad(array, widths) if missing else array


def _contiguous(array: Array) -> Array:
    """The array itself if the kernels can read it where it is, else a copy: contiguous, on 64 bytes."""
    if array.flags.c_contiguous and array.dtype == np.float32 and array.ctypes.data % 64 == 0:
        return array
    copy: Array = aligned_empty(array.shape, np.float32)
    copy[...] = array
    return copy


def pack_channels(values: Array, multiple: int) -> Array:
    """[c] -> [c rounded up]: biases, scales and shifts for kernels that read whole blocks or panels."""
    return _contiguous(_padded(values, 0, multiple))


@_shared
def pack_conv_gemm_nchw(w: Array, groups: int = 1) -> Array:
    """[oc][ic/g][kh][kw] -> [g][oc panel][ic/g * kh * kw][12]."""
    oc = w.shape[0] // groups
    rows = _padded(w.reshape(groups, oc, -1), 1, GEMM_NCHW_PANEL)
    panels = rows.reshape(groups, -1, GEMM_NCHW_PANEL, rows.shape[2])
    return _contiguous(panels.transpose(0, 1, 3, 2))


@_shared
def pack_conv_gemm_nhwc(w: Array, groups: int = 1) -> Array:
    """[oc][ic/g][kh][kw] -> [g][oc panel][kh * kw * ic/g][32]."""
    oc = w.shape[0] // groups
    rows = _padded(w.transpose(0, 2, 3, 1).reshape(groups, oc, -1), 1, GEMM_NHWC_PANEL)
    panels = rows.reshape(groups, -1, GEMM_NHWC_PANEL, rows.shape[2])
    return _contiguous(panels.transpose(0, 1, 3, 2))


def conv_offsets(
    image: tuple[int, int, int],
    out: tuple[int, int],
    kernel: tuple[int, int],
    stride: tuple[int, int],
    pad: tuple[int, int],
    dilation: tuple[int, int],
) -> NDArray[np.int32]:
    """[kh * kw][oh * ow]: where in an image of h x w x c floats the pixel under each tap lies; -1 in the padding.

    `pad` is top and left.
    """
    places = []
    for axis in (0, 1):
        taps = np.arange(kernel[axis]) * dilation[axis] - pad[axis]
        at = taps[:, None] + np.arange(out[axis]) * stride[axis]
        places.append(np.where((at >= 0) & (at < image[axis]), at, -1))
    h, w = places[0][:, None, :, None], places[1][None, :, None, :]
    offsets = np.where((h < 0) | (w < 0), -1, (h * image[1] + w) * image[2])
    return np.ascontiguousarray(offsets.reshape(kernel[0] * kernel[1], -1), np.int32)


@_shared
def pack_conv_blocked(w: Array, tile_b: int, block: int, groups: int = 1) -> Array:
    """[oc][ic/g][kh][kw] -> [g][oc group][ic block][kh][kw][block][tile_b * block]."""
    oc, ic, kh, kw = w.shape
    full = _padded(_padded(w.reshape(groups, oc // groups, ic, kh, kw), 1, tile_b * block), 2, block)
    split = full.reshape(groups, -1, tile_b * block, full.shape[2] // block, block, kh, kw)
    return _contiguous(split.transpose(0, 1, 3, 5, 6, 4, 2))


@_shared
def pack_conv_stem_nchw(w: Array, tile_b: int, block: int) -> Array:
    """[oc][ic][kh][kw] -> [oc group][ic][kh][kw][tile_b * block]."""
    full = _padded(w, 0, tile_b * block)
    return _contiguous(full.reshape(-1, tile_b * block, *w.shape[1:]).transpose(0, 2, 3, 4, 1))


@_shared
def pack_conv_stem_nhwc(w: Array, tile_b: int, block: int) -> Array:
    """[oc][ic][kh][kw] -> [oc group][kh][kw][ic][tile_b * block]."""
    full = _padded(w, 0, tile_b * block)
    return _contiguous(full.reshape(-1, tile_b * block, *w.shape[1:]).transpose(0, 3, 4, 2, 1))


# The filters' side of F(m, 3): G, with src/winograd.h's B and A.
_WINOGRAD_FILTER = {
    2: np.array([[1, 0, 0], [1 / 2, 1 / 2, 1 / 2], [1 / 2, -1 / 2, 1 / 2], [0, 0, 1]]),
    4: np.array(
        [
            [1 / 4, 0, 0],
            [-1 / 6, -1 / 6, -1 / 6],
            [-1 / 6, 1 / 6, -1 / 6],
            [1 / 24, 1 / 12, 1 / 6],
            [1 / 24, -1 / 12, 1 / 6],
            [0, 0, 1],
        ]
    ),
    6: np.array(
        [
            [1, 0, 0],
            [-2 / 9, -2 / 9, -2 / 9],
            [-2 / 9, 2 / 9, -2 / 9],
            [1 / 90, 1 / 45, 2 / 45],
            [1 / 90, -1 / 45, 2 / 45],
            [32 / 45, 16 / 45, 8 / 45],
            [32 / 45, -16 / 45, 8 / 45],
            [0, 0, 1],
        ]
    ),
}


@_shared
def pack_winograd(w: Array, tile_m: int, tile_b: int, block: int) -> Array:
    """[oc][ic][3][3] -> G w G^T as [(m + 2)^2][oc group][ic block][block][tile_b * block].

    G w G^T is one product of the Kronecker square of G with the filters as columns, in float64, a group of output
    channels at a time, so that temporaries stay small.
    """
    oc, ic = w.shape[:2]
    g = _WINOGRAD_FILTER[tile_m]
    square = np.kron(g, g)
    group, ic_blocks = tile_b * block, -(-ic // block)
    packed: Array = aligned_empty((len(square), -(-oc // group), ic_blocks * block, group), np.float32)
    for first in range(0, oc, group):
        part = w[first : first + group]
        filters = part.reshape(len(part), ic, 9).transpose(2, 1, 0).astype(np.float64)
        products = square @ filters.reshape(9, -1)
        packed[:, first // group, :ic, : len(part)] = products.reshape(len(square), ic, len(part))
    return packed.reshape(len(square), -1, ic_blocks, block, group)


@_shared
def pack_dwconv_nchw(w: Array) -> Array:
    """[c][1][kh][kw] -> [c][kh][kw]."""
    return _contiguous(w[:, 0])


@_shared
def pack_dwconv_nhwc(w: Array) -> Array:
    """[c][1][kh][kw] -> [kh][kw][c]."""
    return _contiguous(w[:, 0].transpose(1, 2, 0))


@_shared
def pack_dwconv_blocked(w: Array, block: int) -> Array:
    """[c][1][kh][kw] -> [c block][kh][kw][block]."""
    full = _padded(w[:, 0], 0, block)
    return _contiguous(full.reshape(-1, block, *w.shape[2:]).transpose(0, 2, 3, 1))


@_shared
def pack_fc(w: Array) -> Array:
    """[n][k] -> [n panel][k][64]."""
    full = _padded(w, 0, FC_PANEL)
    return _contiguous(full.reshape(-1, FC_PANEL, w.shape[1]).transpose(0, 2, 1))


@_shared
def pack_excite(w: Array) -> Array:
    """[o][k] -> [o panel][k][16]."""
    full = _padded(w, 0, EXCITE_PANEL)
    return _contiguous(full.reshape(-1, EXCITE_PANEL, w.shape[1]).transpose(0, 2, 1))
