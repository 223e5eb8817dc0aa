"""Integer layers in NumPy, as docs/design/quantization.md says them: sums in int64, one change of scale in float32."""

from typing import NamedTuple

import numpy as np
import reference as ref
from numpy.typing import NDArray
from reference import Case

from plait.kernels_pyx import packing_q8


class Scales(NamedTuple):
    """How a result is stored."""

    x_zero: int = 128
    zero: int = 128
    low: int = 0
    high: int = 255
    res_zero: int = 128
    res_scale: float = 0.75

    @property
    def fields(self) -> dict[str, float]:
        return self._asdict()


class Operands(NamedTuple):
    """A convolution's; x and residual NCHW u8, w OIHW s8."""

    x: NDArray[np.uint8]
    w: NDArray[np.int8]
    bias: NDArray[np.int32]
    scale: NDArray[np.float32]
    res: NDArray[np.uint8] | None


def requantize(acc: NDArray, scale: NDArray, s: Scales, res: NDArray | None = None) -> NDArray[np.uint8]:
    """Stored bytes of the sums `acc` (integers; channels are axis 1)."""
    one = np.float32
    shape = (1, -1) + (1,) * (acc.ndim - 2)
    assert np.abs(acc).max(initial=0) < 2**31, "an int32 does not hold this sum"
    v = acc.astype(np.int32).astype(one) * scale.astype(one).reshape(shape)
    if res is not None:
        v = v + (res.astype(np.int32) - s.res_zero).astype(one) * one(s.res_scale)
    assert v.dtype == one
    return (np.clip(np.rint(v), s.low - s.zero, s.high - s.zero) + s.zero).astype(np.uint8)


def conv_sums(o: Operands, case: Case, s: Scales, w_zero: NDArray | None = None) -> NDArray[np.int64]:
    """The sums, NCHW. Those of less than 2^53 are exact in the float64 of `ref.conv`."""
    x = o.x.astype(np.int64) - s.x_zero
    w = o.w.astype(np.int64) - (0 if w_zero is None else w_zero.reshape(-1, 1, 1, 1))
    acc = ref.conv(x, w, case.stride, case.pads, case.dilation, case.groups) + o.bias.reshape(1, -1, 1, 1)
    return acc.astype(np.int64)


def conv(o: Operands, case: Case, s: Scales, w_zero: NDArray | None = None) -> NDArray[np.uint8]:
    """The result, NCHW."""
    return requantize(conv_sums(o, case, s, w_zero), o.scale, s, o.res)


def operands(case: Case, seed: int = 0, res: bool = True, extreme: str = "") -> Operands:
    """Random ones whose results spread over all bytes; `extreme`: products as large as can be, "low" or "high"."""
    rng = np.random.default_rng(seed)
    x = rng.integers(0, 256, (case.n, case.ic, *case.size), np.uint8)
    w = rng.integers(-128, 128, (case.oc, case.ic // case.groups, *case.kernel), np.int8)
    if extreme:
        x[...] = 255
        w[...] = -128 if extreme == "low" else 127
    depth = w[0].size
    bias = rng.integers(-100 * depth, 100 * depth + 1, case.oc, np.int32)
    scale = rng.uniform(0.5, 1.5, case.oc).astype(np.float32) / np.float32(80 * depth**0.5)
    if extreme:
        scale /= np.float32(depth**0.5)
    out = ref.conv(x[:, :1], w[:1, :1], case.stride, case.pads, case.dilation).shape[2:]
    r = rng.integers(0, 256, (case.n, case.oc, *out), np.uint8) if res else None
    return Operands(x, w, bias, scale, r)


def to_layout(x: NDArray, layout: str, seed: int = 99) -> NDArray:
    """NCHW bytes to a layout; lanes of a block beyond the last channel are noise, which no kernel may use."""
    if layout == "nchw":
        return np.ascontiguousarray(x)
    if layout == "nhwc":
        return np.ascontiguousarray(x.transpose(0, 2, 3, 1))
    n, c, h, w = x.shape
    full = np.random.default_rng(seed).integers(0, 256, (n, -(-c // 16) * 16, h, w), x.dtype)
    full[:, :c] = x
    return np.ascontiguousarray(full.reshape(n, -1, 16, h, w).transpose(0, 1, 3, 4, 2))


def folded(o: Operands, s: Scales, w_zero: NDArray | None = None) -> NDArray[np.int32]:
    return packing_q8.fold_zero(o.bias, o.w, s.x_zero, w_zero)
