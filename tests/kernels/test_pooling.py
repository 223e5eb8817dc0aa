"""Pooling in every layout against the window-by-window oracle."""

import numpy as np
import pytest
import reference as ref

# channels, size, kernel, stride, pads (top, left, bottom, right), result, dilation
CASES = [
    (16, (8, 8), (2, 2), (2, 2), (0, 0, 0, 0), (4, 4), (1, 1)),
    (20, (9, 13), (3, 3), (2, 2), (1, 1, 1, 1), (5, 7), (1, 1)),
    (5, (7, 7), (3, 2), (1, 2), (0, 1, 1, 0), (6, 4), (1, 1)),
    (33, (6, 6), (3, 3), (2, 2), (0, 0, 0, 0), (3, 3), (1, 1)),  # ceil: the last windows hang over
    (3, (9, 9), (3, 3), (1, 1), (2, 2, 2, 2), (9, 9), (2, 2)),
    (18, (61, 66), (3, 3), (1, 1), (1, 1, 1, 1), (61, 66), (1, 1)),  # several bands of rows
    (3, (97, 80), (5, 2), (3, 2), (2, 0, 2, 1), (33, 40), (1, 1)),
]


@pytest.mark.parametrize(("isa", "layout"), ref.LAYOUTS)
@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("kind", ["max", "avg", "avg_padded"])
def test_pool(layout, case, kind, isa):
    c, size, kernel, stride, pads, out, dilation = case
    x = ref.random((2, c, *size))
    include = kind == "avg_padded"
    want = ref.pool(x, kind[:3], kernel, stride, pads, out, dilation, include)
    fields = dict(
        n=2, c=c, ih=size[0], iw=size[1], oh=out[0], ow=out[1], kh=kernel[0], kw=kernel[1], stride_h=stride[0],
        stride_w=stride[1], pad_t=pads[0], pad_l=pads[1], pad_b=pads[2], pad_r=pads[3], dil_h=dilation[0],
        dil_w=dilation[1], count_include_pad=include,
    )  # fmt: skip
    inputs = {"x": ref.to_layout(x, layout)}
    name, nbytes = f"f32_{kind[:3]}pool_{layout}", ref.size_in(layout, want.shape)
    got = ref.run(name, inputs, nbytes, isa, 1, **fields)
    ref.assert_close(ref.from_layout(got, layout, want.shape), want)
    again = ref.run(name, inputs, nbytes, isa, 2, **fields)
    assert np.array_equal(got, again, equal_nan=True)


@pytest.mark.parametrize(("isa", "layout"), ref.LAYOUTS)
@pytest.mark.parametrize(("c", "h", "w"), [(16, 7, 7), (37, 5, 3), (3, 1, 1), (64, 14, 14)])
def test_global_average(layout, c, h, w, isa):
    x = ref.random((2, c, h, w))
    want = x.astype(np.float64).mean((2, 3), keepdims=True)
    for threads in (1, 2):
        got = ref.run(
            f"f32_global_avgpool_{layout}", {"x": ref.to_layout(x, layout)}, ref.size_in(layout, want.shape), isa,
            threads, n=2, c=c, h=h, w=w,
        )  # fmt: skip
        ref.assert_close(ref.from_layout(got, layout, want.shape), want)


@pytest.mark.parametrize(("isa", "layout"), ref.LAYOUTS)
def test_equal_channels_have_equal_means(layout, isa):
    """In whole vectors and in the rest: a softmax of large scores magnifies the last bit."""
    x = np.repeat(ref.random((1, 1, 13, 13)), 24, axis=1)
    got = ref.run(
        f"f32_global_avgpool_{layout}", {"x": ref.to_layout(x, layout)}, ref.size_in(layout, (1, 24, 1, 1)), isa,
        1, n=1, c=24, h=13, w=13,
    )  # fmt: skip
    assert len(set(ref.from_layout(got, layout, (1, 24, 1, 1)).ravel().tolist())) == 1
