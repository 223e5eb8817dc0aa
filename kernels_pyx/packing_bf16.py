"""Weights of bfloat16 in the order the kernels read them: arrays of their bits, uint16.

Blocks are filled up with zeros. Kernels of pairs read them in twos; others widen them, or take float32.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from plait.kernels_pyx.packing_q8 import pack_stem_steps, pack_steps

Bits = NDArray[np.uint16]


def bits_of(values: NDArray[Any]) -> Bits:
    """The bits of an array of 16-bit floats."""
    return np.ascontiguousarray(values).view(np.uint16)


def pack_conv_blocked(w: Bits, tile_b: int, groups: int = 1) -> Bits:
    """[oc][ic/g][kh][kw] -> [g][oc group][ic block][kh][kw][8][tile_b * 16][2]: pairs of input channels."""
    return pack_steps(w, 2, tile_b, groups)


def pack_conv_stem(w: Bits, tile_b: int, dilated: bool = False) -> Bits:
    """[oc][ic][kh][kw] -> [oc group][kh][pairs of kw * ic][tile_b * 16][2], ic filled up to an even number.

    `dilated`: taps of a row do not lie side by side; -> [oc group][kh][kw][pairs of ic][tile_b * 16][2].
    """
    even = np.pad(w, [(0, 0), (0, w.shape[1] % 2), (0, 0), (0, 0)])
    return pack_stem_steps(even, 2, tile_b, dilated)
