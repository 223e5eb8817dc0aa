"""Resized images of bytes, bit for bit: bytes as they are or through a table, and numbers that are mixed in float64."""

import numpy as np
import pytest
import reference_q8 as ref
from reference_q8 import LAYOUTS, Params

OF, TO = Params(0.0235, 101), Params(0.031, 90)


def tables(size, out, seed):
    """Neighbours in any order, with weights from 0 to 1."""
    rng = np.random.default_rng(seed)
    first = np.sort(rng.integers(0, size, out))
    weight = np.where(rng.random(out) < 0.3, rng.integers(0, 2, out), rng.random(out)).astype(np.float64)
    return first, np.minimum(first + 1, size - 1), weight


SHAPES = [((1, 3, 4, 5), (7, 10)), ((2, 17, 9, 33), (5, 40)), ((1, 40, 1, 1), (3, 2)), ((2, 16, 20, 7), (41, 5))]


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize(("shape", "out"), SHAPES)
def test_nearest(layout, shape, out, any_isa):
    n, c, ih, iw = shape
    x = ref.random_bytes(shape, 3)
    (rows, _, _), (columns, _, _) = (tables(s, o, 5) for s, o in zip((ih, iw), out, strict=True))
    want = x[:, :, rows[:, None], columns]
    fields = {"n": n, "c": c, "ih": ih, "iw": iw, "oh": out[0], "ow": out[1]}
    inputs = {"x": ref.to_layout(x, layout), "rows": rows.astype(np.int32), "columns": columns.astype(np.int32)}
    table = ref.requantize_table(OF, TO)
    for changed, wanted in ((None, want), (table, table[want])):
        size = ref.size_in(layout, want.shape)
        got = ref.run_both(f"q8_resize_nearest_{layout}", inputs | {"table": changed}, size, any_isa, **fields)
        assert np.array_equal(ref.from_layout(got, layout, want.shape), wanted)


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize(("shape", "out"), SHAPES)
def test_linear(layout, shape, out, any_isa):
    n, c, ih, iw = shape
    x = ref.random_bytes(shape, 4)
    (up, down, dy), (left, right, dx) = (tables(s, o, 6) for s, o in zip((ih, iw), out, strict=True))
    wide = ref.dequantize(x, OF).astype(np.float64)
    mixed = wide[:, :, up] * (1 - dy)[:, None] + wide[:, :, down] * dy[:, None]
    want = ref.quantize((mixed[..., left] * (1 - dx) + mixed[..., right] * dx).astype(np.float32), TO)
    inputs = {
        "x": ref.to_layout(x, layout),
        "rows": np.concatenate([up, down]).astype(np.int32),
        "columns": np.concatenate([left, right]).astype(np.int32),
        "row_weights": dy,
        "column_weights": dx,
    }
    fields = {"n": n, "c": c, "ih": ih, "iw": iw, "oh": out[0], "ow": out[1], "x_scale": OF.scale, "x_zero": OF.zero}
    fields |= {"scale": TO.scale, "zero": TO.zero, "low": 0, "high": 255}
    size = ref.size_in(layout, want.shape)
    got = ref.run_both(f"q8_resize_linear_{layout}", inputs, size, any_isa, **fields)
    assert np.array_equal(ref.from_layout(got, layout, want.shape), want)
