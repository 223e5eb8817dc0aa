"""Pooling of bytes, and moves of channels, against NumPy, bit for bit."""

import numpy as np
import pytest
import reference_q8 as ref
from reference_q8 import Params

from plait.kernels_pyx import Plan, aligned_empty

LAYOUTS = ("nchw16c", "nhwc")
OF, TO = Params(0.021, 133), Params(0.013, 17)
# channels, size, kernel, stride, pads (top, left, bottom, right), result, dilation
CASES = [
    (16, (8, 8), (2, 2), (2, 2), (0, 0, 0, 0), (4, 4), (1, 1)),
    (20, (9, 13), (3, 3), (2, 2), (1, 1, 1, 1), (5, 7), (1, 1)),
    (5, (7, 7), (3, 2), (1, 2), (0, 1, 1, 0), (6, 4), (1, 1)),
    (33, (6, 6), (3, 3), (2, 2), (0, 0, 0, 0), (3, 3), (1, 1)),  # ceil: the last windows hang over
    (3, (9, 9), (3, 3), (1, 1), (2, 2, 2, 2), (9, 9), (2, 2)),
    (18, (21, 26), (5, 3), (1, 1), (2, 1, 2, 1), (21, 26), (1, 1)),
]


def geometry(case):
    c, size, kernel, stride, pads, out, dilation = case
    return dict(
        n=2, c=c, ih=size[0], iw=size[1], oh=out[0], ow=out[1], kh=kernel[0], kw=kernel[1], stride_h=stride[0],
        stride_w=stride[1], pad_t=pads[0], pad_l=pads[1], pad_b=pads[2], pad_r=pads[3], dil_h=dilation[0],
        dil_w=dilation[1],
    )  # fmt: skip


def windows(x, case, include_pad):
    """For every output: the elements inside the image, and how many count."""
    _, size, kernel, stride, pads, out, dilation = case
    for oh in range(out[0]):
        for ow in range(out[1]):
            rows = [oh * stride[0] - pads[0] + i * dilation[0] for i in range(kernel[0])]
            columns = [ow * stride[1] - pads[1] + j * dilation[1] for j in range(kernel[1])]
            inside = [(r, s) for r in rows for s in columns if 0 <= r < size[0] and 0 <= s < size[1]]
            counted = [(r, s) for r in rows for s in columns if r < size[0] + pads[2] and s < size[1] + pads[3]]
            values = np.stack([x[:, :, r, s] for r, s in inside]).astype(np.int32)
            yield oh, ow, values, len(counted) if include_pad else len(inside)


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("case", CASES, ids=str)
@pytest.mark.parametrize("changed", [False, True])
def test_maximum(case, changed, layout, any_isa):
    x = ref.random_bytes((2, case[0], *case[1]))
    x[:, ::2] //= 4  # maxima that are not all 255
    want = np.zeros((2, case[0], *case[5]), np.uint8)
    for oh, ow, values, _ in windows(x, case, False):
        want[:, :, oh, ow] = values.max(0)
    table = ref.requantize_table(OF, TO) if changed else None
    inputs = {"x": ref.to_layout(x, layout), "table": table}
    got = ref.run_both(f"q8_maxpool_{layout}", inputs, ref.size_in(layout, want.shape), any_isa, **geometry(case))
    assert np.array_equal(ref.from_layout(got, layout, want.shape), table[want] if changed else want)


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("case", CASES, ids=str)
@pytest.mark.parametrize("include_pad", [0, 1])
def test_average(case, include_pad, layout, any_isa):
    x, taps = ref.random_bytes((2, case[0], *case[1])), case[2][0] * case[2][1]
    scales = np.array([0, *(ref.ratio(OF.scale, over=n * TO.scale) for n in range(1, taps + 1))], np.float32)
    want = np.zeros((2, case[0], *case[5]), np.uint8)
    for oh, ow, values, count in windows(x, case, include_pad):
        want[:, :, oh, ow] = ref.store((values - OF.zero).sum(0).astype(np.float32) * scales[count], TO, 5, 250)
    got = ref.run_both(
        f"q8_avgpool_{layout}", {"x": ref.to_layout(x, layout), "scale": scales}, ref.size_in(layout, want.shape),
        any_isa, **geometry(case), count_include_pad=include_pad, x_zero=OF.zero, zero=TO.zero, low=5, high=250,
    )  # fmt: skip
    assert np.array_equal(ref.from_layout(got, layout, want.shape), want)


@pytest.mark.parametrize("shape", [(1, 16, 7, 7), (2, 37, 5, 3), (1, 3, 1, 1), (1, 40, 56, 56)])
def test_global_average(shape, any_isa):
    n, c, h, w = shape
    x = ref.random_bytes(shape)
    x[:, -1] = 255
    scale = ref.ratio(OF.scale, over=h * w * TO.scale)
    want = ref.store((x.astype(np.int32) - OF.zero).sum((2, 3), keepdims=True).astype(np.float32) * scale, TO)
    got = ref.run_both(
        "q8_global_avgpool_nchw16c", {"x": ref.to_layout(x, "nchw16c")}, ref.size_in("nchw16c", want.shape), any_isa,
        n=n, c=c, h=h, w=w, scale=scale, x_zero=OF.zero, zero=TO.zero, low=0, high=255,
    )  # fmt: skip
    assert np.array_equal(ref.from_layout(got, "nchw16c", want.shape), want)


@pytest.mark.parametrize(
    ("x_first", "y_first", "channels"), [(0, 0, 40), (0, 5, 40), (3, 0, 17), (7, 30, 33), (16, 16, 16)]
)
@pytest.mark.parametrize("changed", [False, True])
def test_channels_between_blocks(x_first, y_first, channels, changed, any_isa):
    x, base = ref.random_bytes((2, 40, 5, 3), 1), ref.random_bytes((2, 70, 5, 3), 2)
    table = ref.requantize_table(OF, TO)
    want = base.copy()
    part = x[:, x_first : x_first + channels]
    want[:, y_first : y_first + channels] = table[part] if changed else part
    for threads in (1, 2):
        plan = Plan(threads)
        blocked, source = ref.to_layout(base, "nchw16c"), ref.to_layout(x, "nchw16c")
        y = aligned_empty(blocked.shape, np.uint8)
        y[...] = blocked
        a, b = plan.add_external(source.nbytes), plan.add_external(y.nbytes, writable=True)
        plan.add(
            "q8_concat_part_nchw16c", isa=any_isa, x=a, y=b, table=plan.add_constant(table) if changed else None, n=2,
            h=5, w=3, channels=channels, x_c=40, x_first=x_first, y_c=70, y_first=y_first,
        )  # fmt: skip
        plan.run([source, y])
        assert np.array_equal(ref.from_layout(y, "nchw16c", want.shape), want)
        assert np.array_equal(y[:, -1, ..., 70 % 16 :], blocked[:, -1, ..., 70 % 16 :]), "a lane of no channel changed"


def test_fill(any_isa):
    assert (ref.run_both("q8_fill", {}, 1237, any_isa, count=1237, value=200) == 200).all()
