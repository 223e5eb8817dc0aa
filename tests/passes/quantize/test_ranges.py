"""Ranges as types of 8 bits, observers, and the choice of ranges."""

from __future__ import annotations

import numpy as np
import pytest

from plait.ir.dtypes import Array
from plait.ir.quantization import dequantize, quantize
from plait.passes.quantize.methods import METHODS, entropy, mse, percentile, squared_error
from plait.passes.quantize.observers import BINS, Channels, Histogram
from plait.passes.quantize.ranges import Range, range_of, unsigned_type


def none(name: str) -> Array:
    raise AssertionError(name)


@pytest.mark.parametrize(
    ("low", "high"), [(0, 6), (-1, 1), (-3, 0), (-0.01, 100), (-100, 0.01), (0, 1e-30), (-1e30, 3), (0, 0), (2, 5)]
)
def test_zero_is_exact_and_the_range_is_covered(low: float, high: float) -> None:
    wanted = Range(low, high)
    dtype = unsigned_type(wanted)
    zero = quantize(np.zeros(1, np.float32), dtype, none)
    assert dequantize(zero, dtype, none) == 0
    covered = range_of(dtype)
    step = wanted.width / 255
    assert covered.low <= wanted.low + 0.501 * step and covered.high >= wanted.high - 0.501 * step
    assert covered.width == pytest.approx(wanted.width or 1, rel=1e-6)


def test_a_range_must_be_finite() -> None:
    with pytest.raises(ValueError, match="cannot be quantized"):
        unsigned_type(Range(0, float("inf")))


def test_channels() -> None:
    rng = np.random.default_rng(0)
    parts = [rng.standard_normal((2, 3, 4, 5)).astype(np.float32) for _ in range(3)]
    channels = Channels()
    for part in parts:
        channels.add(part)
    whole = np.concatenate(parts)
    np.testing.assert_allclose(channels.mean, whole.mean(axis=(0, 2, 3), dtype=np.float64), rtol=1e-12)
    np.testing.assert_array_equal(channels.largest, np.abs(whole).max(axis=(0, 2, 3)))
    assert channels.range == Range(whole.min(), whole.max())
    halves = channels.divided(np.array([1.0, 2.0, 4.0]))
    np.testing.assert_allclose(halves.mean, channels.mean / [1, 2, 4])
    np.testing.assert_array_equal(halves.largest, channels.largest / [1, 2, 4])


def test_rows_have_their_features_last() -> None:
    channels = Channels()
    channels.add(np.array([[[1.0, -2.0], [3.0, 4.0]]], np.float32))
    np.testing.assert_array_equal(channels.mean, [2, 1])
    channels.add(np.zeros((0, 2), np.float32))
    assert channels.count == 2


@pytest.mark.parametrize("number", [np.nan, np.inf, -np.inf])
def test_numbers_that_are_not_finite_are_noticed(number: float) -> None:
    channels = Channels()
    channels.add(np.array([[1, number], [-2, 3]], np.float32))
    channels.add(np.array([[1, 2], [-2, 3]], np.float32))
    assert not channels.range.is_finite


def histogram_of(data: Array) -> Histogram:
    found = Histogram(Range(float(data.min()), float(data.max())))
    for part in np.array_split(data, 3):
        found.add(part)
    return found


def test_every_number_is_counted_once() -> None:
    data = np.random.default_rng(1).standard_normal(10_000).astype(np.float32)
    found = histogram_of(data)
    assert found.counts.sum() == data.size
    expected = np.histogram(data.astype(np.float64), BINS, (float(data.min()), float(data.max())))[0]
    assert np.abs(np.cumsum(found.counts) - np.cumsum(expected)).max() <= 2  # numbers on an edge


def with_outliers() -> Array:
    """A normal distribution with two numbers far away, on either side."""
    data = np.random.default_rng(2).standard_normal(400_000)
    data[[7, 70]] = 40, -25
    return data.astype(np.float32)


@pytest.mark.parametrize("method", ["percentile", "entropy", "mse"])
def test_outliers_are_cut_off(method: str) -> None:
    found = METHODS[method](histogram_of(with_outliers()))
    assert 3 < found.high < 25 and -20 < found.low < -3


def test_minmax_keeps_all() -> None:
    assert METHODS["minmax"](histogram_of(with_outliers())) == Range(-25, 40)


@pytest.mark.parametrize("method", sorted(METHODS))
def test_even_numbers_keep_their_range(method: str) -> None:
    found = METHODS[method](histogram_of(np.random.default_rng(3).uniform(-1, 3, 200_000).astype(np.float32)))
    assert found.low == pytest.approx(-1, abs=0.06) and found.high == pytest.approx(3, abs=0.06)


@pytest.mark.parametrize("method", sorted(METHODS))
def test_nothing_but_zeros(method: str) -> None:
    assert METHODS[method](histogram_of(np.zeros(10, np.float32))) == Range(0, 0)


def test_percentile_leaves_out_the_share_that_it_says() -> None:
    data = np.arange(1, 1001, dtype=np.float32) / 1000
    found = percentile(Histogram(Range(0, 1), histogram_on(Range(0, 1), data)), 98)
    assert found.high == pytest.approx(0.99, abs=0.002)


def histogram_on(range: Range, data: Array) -> Array:
    found = Histogram(range)
    found.add(data)
    return found.counts


def test_mse_is_the_least_of_all_methods() -> None:
    histogram = histogram_of(np.random.default_rng(4).laplace(size=100_000).astype(np.float32))
    least = squared_error(histogram, mse(histogram))
    assert all(least <= squared_error(histogram, METHODS[m](histogram)) for m in ("minmax", "entropy", "percentile"))


def test_the_error_of_a_histogram_is_that_of_the_numbers() -> None:
    data = np.random.default_rng(5).standard_normal(100_000).astype(np.float32)
    dtype = unsigned_type(Range(-2.5, 2.5))
    actual = float(np.mean((dequantize(quantize(data, dtype, none), dtype, none).astype(np.float64) - data) ** 2))
    assert squared_error(histogram_of(data), Range(-2.5, 2.5)) == pytest.approx(actual, rel=0.03)


def test_entropy_of_a_rectified_distribution_starts_at_zero() -> None:
    found = entropy(histogram_of(np.maximum(with_outliers(), 0)))
    assert found.low == 0
