"""Weights of bytes in the order the kernels read them, and what is folded into biases (docs/design/quantization.md).

Weights are signed bytes, OIHW; those of fewer bits, or unsigned, are widened or shifted before. Blocks are filled up
with zeros, so what kernels read beside the last channel counts nothing.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

Bytes = NDArray[np.int8]
Ints = NDArray[np.int32]

FC_PANEL = 64


def _padded(array: NDArray[Any], axis: int, multiple: int) -> NDArray[Any]:
    """`array` with zeros behind one axis, up to a multiple."""
    missing = -array.shape[axis] % multiple
    return np.pad(array, [(0, missing if i == axis else 0) for i in range(array.ndim)]) if missing else array


def fold_zero(bias: Ints | None, w: Bytes, x_zero: int, w_zero: Ints | None = None) -> Ints:
    """int32 [oc]: `bias` (None: zeros) less what the zero point of x adds to the sum over a whole window.

    Kernels then multiply stored bytes, with `x_zero` outside of the image. `w` has the output channels first.
    """
    offsets = w.reshape(w.shape[0], -1).astype(np.int64)
    if w_zero is not None:
        offsets = offsets - w_zero.astype(np.int64)[:, None]
    folded = -x_zero * offsets.sum(axis=1) + (0 if bias is None else bias.astype(np.int64))
    result: Ints = folded.astype(np.int32)
    return result


def pack_ints(values: Ints, multiple: int) -> Ints:
    """[c] -> [c rounded up]: folded biases for kernels that read whole blocks."""
    return np.ascontiguousarray(_padded(values, 0, multiple), np.int32)


def pack_conv_blocked(w: Bytes, tile_b: int, groups: int = 1) -> Bytes:
    """[oc][ic/g][kh][kw] -> [g][oc group][ic block][kh][kw][4][tile_b * 16][4]: quads of input channels."""
    return pack_steps(w, 4, tile_b, groups)


def pack_steps(w: NDArray[Any], step: int, tile_b: int, groups: int = 1) -> NDArray[Any]:
    """The same with `step` input channels side by side, of the type of `w`: -> [...][16 / step][tile_b * 16][step]."""
    oc, ic, kh, kw = w.shape
    full = _padded(_padded(w.reshape(groups, oc // groups, ic, kh, kw), 1, tile_b * 16), 2, 16)
    split = full.reshape(groups, -1, tile_b * 16, full.shape[2] // 16, 16 // step, step, kh, kw)
    return np.ascontiguousarray(split.transpose(0, 1, 3, 6, 7, 4, 2, 5))


# G of F(4, 3), each row times 24, over 4, 4, 4, 1, 1, 4: whole numbers (src/winograd_q8.h).
_WINOGRAD_FILTER = np.array([[6, 0, 0], [-1, -1, -1], [-1, 1, -1], [1, 2, 4], [1, -2, 4], [0, 0, 6]])
WINOGRAD_BIAS = 36
"""How often a bias counts among the sums where it begins."""
WINOGRAD_MOST = 1 << 25
"""Sums must be of less than this in size."""


def pack_winograd(w: Bytes, tile_b: int) -> NDArray[np.int16]:
    """[oc][ic][3][3] -> G w G^T as [36][oc group][ic block][8][tile_b * 16][2]: pairs of input channels."""
    square = np.kron(_WINOGRAD_FILTER, _WINOGRAD_FILTER).astype(np.float32)
    transformed = w.reshape(-1, 9).astype(np.float32) @ square.T  # exact: of less than 2^24
    oc, ic = w.shape[:2]
    steps = pack_steps(transformed.astype(np.int16).reshape(oc, ic, 36, 1), 2, tile_b)
    # [1][oc group][ic block][36][1][8][tile_b * 16][2]
    return np.ascontiguousarray(steps[0, :, :, :, 0].transpose(2, 0, 1, 3, 4, 5))


def pack_winograd_bias(bias: Ints) -> Ints:
    """Folded biases (`fold_zero`) as sums begin with them, modulo 2^32, in whole blocks."""
    return pack_ints((bias.astype(np.int64) * WINOGRAD_BIAS).astype(np.int32), 16)


def pack_conv_stem(w: Bytes, tile_b: int, dilated: bool = False) -> Bytes:
    """[oc][ic][kh][kw] -> [oc group][kh][quads of kw * ic][tile_b * 16][4].

    `dilated`: taps of a row do not lie side by side; -> [oc group][kh][kw][quads of ic][tile_b * 16][4].
    """
    return pack_stem_steps(w, 4, tile_b, dilated)


def pack_stem_steps(w: NDArray[Any], step: int, tile_b: int, dilated: bool = False) -> NDArray[Any]:
    """The same with `step` taps side by side, of the type of `w`."""
    oc, _, kh, kw = w.shape
    taps = w.transpose(0, 2, 3, 1).reshape(oc, kh, kw if dilated else 1, -1)
    full = _padded(_padded(taps, 0, tile_b * 16), 3, step)
    split = full.reshape(-1, tile_b * 16, kh, full.shape[2], full.shape[3] // step, step)
    return np.ascontiguousarray(split.transpose(0, 2, 3, 4, 1, 5))


def pack_dwconv_blocked(w: Bytes) -> Bytes:
    """[c][1][kh][kw] -> [c block][kh][kw / 4][16][4]: quads of neighbouring taps."""
    full = _padded(_padded(w[:, 0], 0, 16), 2, 4)
    split = full.reshape(-1, 16, full.shape[1], full.shape[2] // 4, 4)
    return np.ascontiguousarray(split.transpose(0, 2, 3, 1, 4), np.int8)


def pack_fc(w: Bytes) -> Bytes:
    """[n][k] -> [n panel][k / 4][64][4]."""
    full = _padded(_padded(w, 0, FC_PANEL), 1, 4)
    split = full.reshape(-1, FC_PANEL, full.shape[1] // 4, 4)
    return np.ascontiguousarray(split.transpose(0, 2, 1, 3), np.int8)


def to_bfloat16(values: NDArray[np.float32]) -> NDArray[np.uint16]:
    """The nearest bfloat16, ties to even, as its bits; NaN stays one."""
    bits = values.astype(np.float32).view(np.uint32)
    rounded = bits + np.uint32(0x7FFF) + ((bits >> np.uint32(16)) & np.uint32(1))
    quiet = bits | np.uint32(0x400000)
    return (np.where(np.isnan(values), quiet, rounded) >> np.uint32(16)).astype(np.uint16)


def pack_fc_stored(w: NDArray[Any], panel: int = FC_PANEL) -> NDArray[Any]:
    """[n][k] -> [n panel][k][panel], of the same type: weights that are widened as they are read.

    Float16, signed bytes, or the bits of bfloat16 (`to_bfloat16`).
    """
    full = _padded(w, 0, panel)
    return np.ascontiguousarray(full.reshape(-1, panel, w.shape[1]).transpose(0, 2, 1))


def pack_conv_nhwc(w: Bytes, groups: int = 1) -> Bytes:
    """[oc][ic/g][kh][kw] -> [g][oc panel][kh * kw][ic/g / 4][64][4]."""
    oc, ic, kh, kw = w.shape
    full = _padded(_padded(w.reshape(groups, oc // groups, ic, kh * kw), 1, FC_PANEL), 2, 4)
    split = full.reshape(groups, -1, FC_PANEL, full.shape[2] // 4, 4, kh * kw)
    return np.ascontiguousarray(split.transpose(0, 1, 5, 3, 2, 4), np.int8)


def pack_groups(values: NDArray[Any], groups: int) -> NDArray[Any]:
    """[c] -> [g][c/g rounded up to panels of 64]: numbers of channels, in whole panels of each group."""
    return _padded(values.reshape(groups, -1), 1, FC_PANEL).reshape(-1)


def pack_dwconv_nhwc(w: Bytes) -> Bytes:
    """[c][1][kh][kw] -> [c block][kh * kw / 4][16][4]: quads of taps."""
    full = _padded(_padded(w.reshape(w.shape[0], -1), 0, 16), 1, 4)
    split = full.reshape(-1, 16, full.shape[1] // 4, 4)
    return np.ascontiguousarray(split.transpose(0, 2, 1, 3), np.int8)
