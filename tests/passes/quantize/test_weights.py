"""Weights and biases as integers."""

from __future__ import annotations

import numpy as np
import pytest

from plait.passes.quantize.weights import bias_scale, quantize_bias, quantize_weights


def test_each_channel_has_its_scale() -> None:
    weight = np.random.default_rng(0).standard_normal((4, 3, 2, 2)).astype(np.float32)
    weight *= np.array([1e-4, 1, 10, 1e4], np.float32).reshape(-1, 1, 1, 1)
    found = quantize_weights(weight, 0.5)
    assert found.stored.dtype == np.int8
    assert (np.abs(found.stored.reshape(4, -1)).max(axis=1) == 127).all()
    assert (np.abs(found.numbers - weight) <= found.scale.reshape(-1, 1, 1, 1) * 0.5001).all()


def test_the_axis_of_the_channels_may_be_another() -> None:
    weight = np.array([[1.0, 10.0], [-0.5, 20.0], [0.25, 5.0]], np.float32)
    found = quantize_weights(weight, 0.5, axis=1)
    assert found.scale.shape == (2,)
    np.testing.assert_array_equal(np.abs(found.stored).max(axis=0), [127, 127])


def test_zeros_and_tiny_numbers() -> None:
    weight = np.zeros((2, 3), np.float32)
    weight[1] = np.finfo(np.float32).tiny
    found = quantize_weights(weight, 1e-3)
    assert np.isfinite(found.scale).all() and (found.scale > 0).all() and not found.stored[0].any()
    assert (bias_scale(1e-3, found.scale) > 0).all()


def test_a_bias_fits_32_bits() -> None:
    weight, bias = np.full((1, 2), 1e-6, np.float32), np.array([1e4], np.float32)
    found = quantize_weights(weight, 1e-3, bias)
    stored = quantize_bias(bias, 1e-3, found.scale)
    assert abs(int(stored[0])) <= 2**30 + 1024
    assert stored[0] * float(bias_scale(1e-3, found.scale)[0]) == pytest.approx(1e4, rel=1e-6)


@pytest.mark.parametrize("where", ["weight", "bias"])
def test_numbers_must_be_finite(where: str) -> None:
    weight, bias = np.ones((1, 2), np.float32), np.ones(1, np.float32)
    (weight if where == "weight" else bias).reshape(-1)[0] = np.nan
    with pytest.raises(ValueError, match="not a finite number"):
        quantize_weights(weight, 1.0, bias)
