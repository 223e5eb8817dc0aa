"""Small NumPy references, and a harness that runs one kernel with poisoned memory around every buffer.

Oracles compute in float64.  They are written for clarity: one loop over the taps, everything else array arithmetic.
"""

import math
from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
from numpy.typing import DTypeLike, NDArray

from plait import kernels_pyx as kernels
from plait.kernels_pyx import Act, BinaryOp, Plan, UnaryFunction

F32 = NDArray[np.float32]
BLOCKS = {"baseline": (16, 4), "avx2": (16, 8), "avx512": (16,)}
"""Channels in a block of each blocked layout that an ISA level has: 16, and one vector where that is shorter."""
FLOAT_ISAS = kernels.isas_with("f32_fill")
"""Levels with builds of all kernels; others have their own of low precision only."""
BLOCKED = [(isa, f"nchw{block}c") for isa in FLOAT_ISAS for block in BLOCKS[isa]]
LAYOUTS = [(isa, layout) for isa in FLOAT_ISAS for layout in ("nchw", "nhwc")] + BLOCKED
"""Parameters (isa, layout) of tests that run in every layout."""
GUARD = 64  # floats of poison on either side of a result
UNTOUCHED = 0x7FC0BEEF
"""A NaN of our own, to tell a written NaN from an untouched one."""

erf = np.vectorize(math.erf, otypes=[float])


def random(shape: tuple[int, ...], seed: int = 0) -> F32:
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


def random_filters(shape: tuple[int, ...], seed: int = 0) -> F32:
    """Filters whose results are of unit scale, however deep the sum."""
    return random(shape, seed) / np.float32(math.sqrt(math.prod(shape[1:])))


def activate(x: NDArray, act: Act, a: float = 0.0, b: float = 0.0) -> NDArray:
    x = np.asarray(x, np.float64)
    with np.errstate(over="ignore"):
        match act:
            case Act.NONE:
                return x
            case Act.RELU:
                return np.maximum(x, 0)
            case Act.CLIP:
                return np.clip(x, a, b)
            case Act.HARD_SWISH:
                return x * np.clip(x / 6 + 0.5, 0, 1)
            case Act.HARD_SIGMOID:
                return np.clip(a * x + b, 0, 1)
            case Act.SIGMOID:
                return 1 / (1 + np.exp(-x))
            case Act.SILU:
                return x / (1 + np.exp(-x))
            case Act.LEAKY_RELU:
                return np.where(x < 0, a * x, x)
            case Act.TANH:
                return np.tanh(x)
            case Act.ELU:
                return np.where(x < 0, a * np.expm1(x), x)
            case Act.GELU:
                return 0.5 * x * (1 + erf(x / math.sqrt(2)))


UNARY = {
    UnaryFunction.EXP: np.exp,
    UnaryFunction.SQRT: np.sqrt,
    UnaryFunction.NEG: np.negative,
    UnaryFunction.ABS: np.abs,
    UnaryFunction.LOG: np.log,
    UnaryFunction.ERF: erf,
    UnaryFunction.RECIPROCAL: np.reciprocal,
    UnaryFunction.FLOOR: np.floor,
    UnaryFunction.CEIL: np.ceil,
}

BINARY = {
    BinaryOp.ADD: np.add,
    BinaryOp.SUB: np.subtract,
    BinaryOp.MUL: np.multiply,
    BinaryOp.DIV: np.divide,
    BinaryOp.MAX: np.maximum,
    BinaryOp.MIN: np.minimum,
    BinaryOp.POW: np.power,
}


class Case(NamedTuple):
    """A convolution's shape; pads are top, left, bottom, right."""

    ic: int
    oc: int
    size: tuple[int, int]
    kernel: tuple[int, int]
    stride: tuple[int, int] = (1, 1)
    pads: tuple[int, int, int, int] = (0, 0, 0, 0)
    dilation: tuple[int, int] = (1, 1)
    groups: int = 1
    n: int = 1

    def __str__(self):
        return "-".join(str(v).replace(" ", "") for v in self)


def random_case(rng: np.random.Generator) -> Case:
    """Any shape, with edge tiles, pads, strides, dilation and groups."""
    groups = int(rng.choice([1, 1, 1, 2]))
    ic, oc = (int(rng.integers(1, 60)) if groups == 1 else 16 * groups * int(rng.integers(1, 3)) for _ in range(2))
    kernel = int(rng.integers(1, 6)), int(rng.integers(1, 6))
    dilation = int(rng.integers(1, 3)), int(rng.integers(1, 3))
    pads = tuple(int(p) for p in rng.integers(0, 3, 4))
    size = tuple(int(rng.integers((k - 1) * d + 1, 24)) for k, d in zip(kernel, dilation, strict=True))
    stride = int(rng.integers(1, 4)), int(rng.integers(1, 4))
    return Case(ic, oc, size, kernel, stride, pads, dilation, groups, int(rng.integers(1, 3)))


def geometry(case: Case, shape: tuple[int, ...]) -> dict[str, int]:
    n, oc, oh, ow = shape
    return {
        "n": n, "ic": case.ic, "ih": case.size[0], "iw": case.size[1], "oc": oc, "oh": oh, "ow": ow,
        "kh": case.kernel[0], "kw": case.kernel[1], "stride_h": case.stride[0], "stride_w": case.stride[1],
        "pad_t": case.pads[0], "pad_l": case.pads[1], "dil_h": case.dilation[0], "dil_w": case.dilation[1],
    }  # fmt: skip


def conv(x: F32, w: F32, stride=(1, 1), pads=(0, 0, 0, 0), dilation=(1, 1), groups: int = 1) -> NDArray:
    """Convolution of NCHW x with OIHW w; pads are top, left, bottom, right."""
    n = x.shape[0]
    oc, icg, kh, kw = w.shape
    top, left, bottom, right = pads
    padded = np.pad(x.astype(np.float64), ((0, 0), (0, 0), (top, bottom), (left, right)))
    oh = (padded.shape[2] - (kh - 1) * dilation[0] - 1) // stride[0] + 1
    ow = (padded.shape[3] - (kw - 1) * dilation[1] - 1) // stride[1] + 1
    y = np.zeros((n, groups, oc // groups, oh, ow))
    grouped = padded.reshape(n, groups, icg, *padded.shape[2:])
    filters = w.astype(np.float64).reshape(groups, oc // groups, icg, kh, kw)
    for i in range(kh):
        for j in range(kw):
            h, v = i * dilation[0], j * dilation[1]
            window = grouped[:, :, :, h : h + oh * stride[0] : stride[0], v : v + ow * stride[1] : stride[1]]
            y += np.einsum("ngchw,goc->ngohw", window[:, :, :, :oh, :ow], filters[:, :, :, i, j])
    return y.reshape(n, oc, oh, ow)


def pool(x: F32, kind: str, kernel, stride, pads, out, dilation=(1, 1), include_pad=False) -> NDArray:
    """Pooling of NCHW x, window by window; pads are top, left, bottom, right."""
    n, c, ih, iw = x.shape
    y = np.zeros((n, c, *out))
    for oh in range(out[0]):
        for ow in range(out[1]):
            rows = [oh * stride[0] - pads[0] + i * dilation[0] for i in range(kernel[0])]
            columns = [ow * stride[1] - pads[1] + j * dilation[1] for j in range(kernel[1])]
            inside = [(r, s) for r in rows for s in columns if 0 <= r < ih and 0 <= s < iw]
            counted = [(r, s) for r in rows for s in columns if r < ih + pads[2] and s < iw + pads[3]]
            values = np.stack([x[:, :, r, s] for r, s in inside]).astype(np.float64)
            if kind == "max":
                y[:, :, oh, ow] = values.max(0)
            else:
                y[:, :, oh, ow] = values.sum(0) / (len(counted) if include_pad else len(inside))
    return y


def block_of(layout: str) -> int:
    """Channels in a block; 1 for nchw and nhwc."""
    return int(layout[4:-1]) if layout not in ("nchw", "nhwc") else 1


def to_layout(x: F32, layout: str) -> F32:
    """NCHW to a layout; the lanes of a block beyond the last channel hold NaN, which no kernel may let out."""
    if layout == "nhwc":
        return np.ascontiguousarray(x.transpose(0, 2, 3, 1))
    if layout == "nchw":
        return np.ascontiguousarray(x)
    (n, c, h, w), block = x.shape, block_of(layout)
    full = np.full((n, -(-c // block) * block, h, w), np.nan, np.float32)
    full[:, :c] = x
    return np.ascontiguousarray(full.reshape(n, -1, block, h, w).transpose(0, 1, 3, 4, 2))


def from_layout(x: F32, layout: str, shape: tuple[int, ...]) -> F32:
    n, c, h, w = shape
    if layout == "nhwc":
        return x.reshape(n, h, w, c).transpose(0, 3, 1, 2)
    if layout == "nchw":
        return x.reshape(shape)
    block = block_of(layout)
    blocked = x.reshape(n, -(-c // block), h, w, block)
    return blocked.transpose(0, 1, 4, 2, 3).reshape(n, -1, h, w)[:, :c]


def size_in(layout: str, shape: tuple[int, ...]) -> int:
    n, c, h, w = shape
    block = block_of(layout)
    return n * -(-c // block) * block * h * w


def run(
    kernel: str,
    inputs: Mapping[str, NDArray | None],
    y_size: int,
    isa: str,
    threads: int = 1,
    dtype: DTypeLike = np.float32,
    **fields,
) -> NDArray:
    """Run one kernel over inputs at unaligned addresses; check that nothing outside of the result was written."""
    plan = Plan(threads)
    buffers: list[NDArray] = []
    refs = {}
    for name, array in inputs.items():
        if array is None:
            refs[name] = None
            continue
        shifted = np.empty(array.size + 1, array.dtype)[1:]  # aligned for an element, no more
        shifted[:] = array.ravel()
        refs[name] = plan.add_external(shifted.nbytes)
        buffers.append(shifted)
    workspace = plan.workspace_bytes(kernel, isa=isa, **fields)
    y_bytes = y_size * np.dtype(dtype).itemsize
    y_at, work_at = GUARD * 4, 2 * GUARD * 4 + -(-y_bytes // 64) * 64
    names = [name for name, _ in kernels.kernel_fields(kernel, isa)]
    if "work" in names:
        refs["work"] = kernels.arena(work_at)
    plan.arena_bytes = -(-(work_at + workspace + GUARD * 4) // 4) * 4
    plan.add(kernel, isa=isa, y=kernels.arena(y_at), **refs, **fields)
    memory = kernels.aligned_empty(plan.arena_bytes // 4)
    memory.view(np.int32)[:] = UNTOUCHED
    outside_of = ((0, y_at), (y_at + y_bytes, work_at), (work_at + workspace, plan.arena_bytes))
    for begin, end in outside_of:
        kernels.poison(memory, begin, end)
    plan.run(buffers, arena=memory)
    for begin, end in outside_of:
        kernels.poison(memory, begin, end, on=False)
    changed = memory.view(np.uint8) != np.full(memory.size, UNTOUCHED, np.int32).view(np.uint8)
    outside = [changed[begin:end] for begin, end in outside_of]
    assert not np.concatenate(outside).any(), f"{kernel} ({isa}) wrote outside of its result"
    return memory.view(np.uint8)[y_at : y_at + y_bytes].view(dtype).copy()


def assert_close(got: NDArray, want: NDArray, tolerance: float = 2e-5) -> None:
    """Equal within `tolerance` of the result's scale."""
    assert got.shape == want.shape
    scale = max(1.0, float(np.abs(want).max(initial=0)))
    error = np.abs(got - want)
    assert not np.isnan(error).any(), f"{int(np.isnan(error).sum())} of {error.size} results are NaN"
    worst = np.unravel_index(error.argmax(), error.shape)
    assert error[worst] <= tolerance * scale, f"error {error[worst]:.3g} at {worst}"
