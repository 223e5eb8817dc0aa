"""What layers read, as rows: their product with the weights is the result of the layer."""

from __future__ import annotations

import numpy as np
import pytest

from plait.backends.reference import evaluate
from plait.ir.layer import Layer
from plait.ir.module import Module
from plait.ir.text import parse_module
from plait.passes.quantize import moments as observed
from plait.passes.quantize.moments import Moments, as_rows, elements_read, layers_at_once, rows_read
from plait.passes.quantize.plan import make_plan, weight_of

LAYERS = {
    "conv2d(%x, @w) {pad = [1, 2, 0, 1], stride = [2, 1]}": ("1x4x7x6", "6x4x3x2", "1x6x3x8"),
    "conv2d(%x, @w) {dilation = [2, 1], groups = 2}": ("2x4x7x6", "6x2x2x3", "2x6x5x4"),
    "conv2d(%x, @w) {pad = [1, 1, 1, 1], groups = 4}": ("1x4x5x5", "4x1x3x3", "1x4x5x5"),
    "fully_connected(%x, @w)": ("3x8", "5x8", "3x5"),
    "matmul(%x, @w)": ("2x3x8", "8x5", "2x3x5"),
}


def case(text: str) -> tuple[Module, Layer]:
    x, w, y = LAYERS[text]
    shape = [int(d) for d in w.split("x")]
    numbers = np.random.default_rng(0).standard_normal(shape).astype(np.float32)
    listed = ", ".join(str(v) for v in numbers.reshape(-1))
    source = f"ir 1\nconst @w : f32[{w}] = [{listed}]\nnet @main(%x: f32[{x}]) -> (%y: f32[{y}]) {{\n  %y = {text}\n}}"
    module = parse_module(source)
    (layer, *_) = module.main
    return module, layer


@pytest.mark.parametrize("text", LAYERS)
def test_rows_times_weights_are_the_result(text: str) -> None:
    module, layer = case(text)
    (argument,) = module.main.arguments
    x = np.random.default_rng(1).standard_normal(argument.type.static_shape).astype(np.float32)
    rows = rows_read(layer, x)
    weight = weight_of(layer)[1].data  # type: ignore[attr-defined]
    assert rows.shape[2] == elements_read(layer)
    found = np.einsum("gnk,gok->gno", rows.astype(np.float64), as_rows(layer, weight))
    (wanted,) = evaluate(module, [x]).values()
    channels_first = wanted.ndim == 4
    flat = (np.moveaxis(wanted, 1, 0) if channels_first else np.moveaxis(wanted, -1, 0)).reshape(-1, found.shape[1])
    np.testing.assert_allclose(found.transpose(0, 2, 1).reshape(flat.shape), flat, rtol=1e-4, atol=1e-5)


def test_moments() -> None:
    _, layer = case("fully_connected(%x, @w)")
    samples = [np.random.default_rng(i).standard_normal((3, 8)).astype(np.float32) + i for i in range(4)]
    found = Moments(layer)
    for sample in samples:
        found.add(sample)
    rows = np.concatenate(samples).astype(np.float64)
    np.testing.assert_allclose(found.mean, [rows.mean(axis=0)], rtol=1e-5)
    np.testing.assert_allclose(found.second, [rows.T @ rows / 12], rtol=1e-5)
    np.testing.assert_allclose(found.central, [np.cov(rows.T, bias=True)], atol=1e-4)


def test_large_images_are_looked_at_on_a_grid_that_moves(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(observed, "_PLACES", 4)
    _, layer = case("conv2d(%x, @w) {pad = [1, 1, 1, 1], groups = 4}")
    x = np.random.default_rng(1).standard_normal((1, 4, 5, 5)).astype(np.float32)
    turns = [rows_read(layer, x, turn) for turn in range(9)]
    assert all(1 <= rows.shape[1] <= 4 for rows in turns)
    centres = np.concatenate([rows[2, :, 4] for rows in turns])
    np.testing.assert_array_equal(np.sort(centres), np.sort(x[0, 2].reshape(-1)))


def test_layers_are_observed_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    text = """ir 1
const @a : f32[4x3x1x1] = [1.0, -0.5, 0.25, 2.0, 0.5, 1.0, -1.0, 0.125, 1.0, -2.0, 0.5, 0.75]
const @b : f32[2x4x1x1] = [1.0, -0.5, 0.25, 2.0, 0.5, 1.0, -1.0, 0.125]
net @main(%x: f32[1x3x4x4]) -> (%y: f32[1x2x4x4]) {
  %c = conv2d(%x, @a) {act = relu}
  %d = mul(%c, %c)
  %y = conv2d(%d, @b)
}"""
    plan = make_plan(parse_module(text).main, lambda layer: False)
    assert [[layer.result.name for layer in part] for part in layers_at_once(plan)] == [["c", "y"]]
    monkeypatch.setattr(observed, "_AT_ONCE", 100)
    assert [[layer.result.name for layer in part] for part in layers_at_once(plan)] == [["c"], ["y"]]
    monkeypatch.setattr(observed, "MOST_ELEMENTS", 3)
    assert [[layer.result.name for layer in part] for part in layers_at_once(plan)] == [["c"]]
