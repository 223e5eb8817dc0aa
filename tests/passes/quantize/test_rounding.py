"""Weights rounded together have results of less error than weights that are rounded each by itself."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from plait.ir.dtypes import Array
from plait.passes.quantize.rounding import round_together, squared_errors


def moments_of(count: int, seed: int, rank: int | None = None) -> Array:
    """Of elements with something in common, as those of images have."""
    rng = np.random.default_rng(seed)
    rows = rng.standard_normal((400, rank or count)) @ rng.standard_normal((rank or count, count)) + 2
    return np.asarray(rows.T @ rows / len(rows))


def errors(stored: Array, weight: Array, scale: Array, moments: Array) -> Array:
    return squared_errors(stored.astype(np.float64) * scale[..., None] - weight, moments)


@pytest.mark.parametrize("count", [1, 3, 9, 65, 150])
def test_errors_are_less(count: int) -> None:
    rng = np.random.default_rng(count)
    weight = rng.standard_normal((2, 5, count))
    scale = np.abs(weight).max(axis=2) / 127
    moments = np.stack([moments_of(count, 1), moments_of(count, 2)])
    stored = round_together(weight, scale, moments)
    assert stored.dtype == np.int8 and stored.min() >= -127
    each = np.rint(weight / scale[..., None])
    less, more = errors(stored, weight, scale, moments), errors(each, weight, scale, moments)
    assert less.sum() <= more.sum() * (1 if count == 1 else 0.75)


def test_few_weights_are_about_as_good_as_can_be() -> None:
    rng = np.random.default_rng(0)
    weight, moments = rng.uniform(-3, 3, (1, 6, 4)), moments_of(4, 3)[None]
    scale = np.full((1, 6), 1.0)
    found = errors(round_together(weight, scale, moments), weight, scale, moments)
    best = np.full((1, 6), np.inf)
    for near in itertools.product((-1, 0, 1, 2), repeat=4):
        best = np.minimum(best, errors(np.floor(weight) + np.array(near), weight, scale, moments))
    assert found.sum() < 2 * best.sum()


def test_what_is_never_read_is_rounded_by_itself() -> None:
    weight = np.array([[[0.4, 2.6, -1.4]]])
    for moments in (np.zeros((1, 3, 3)), np.diag([0.0, 1.0, 0.0])[None]):
        np.testing.assert_array_equal(round_together(weight, np.ones((1, 1)), moments), [[[0, 3, -1]]])


def test_fewer_samples_than_elements() -> None:
    weight, moments = np.random.default_rng(0).standard_normal((1, 3, 40)), moments_of(40, 5, rank=4)[None]
    scale = np.abs(weight).max(axis=2) / 127
    stored = round_together(weight, scale, moments)
    assert (np.abs(stored * scale[..., None] - weight) < 20 * scale[..., None]).all()


def test_bounds_hold() -> None:
    weight = np.full((1, 1, 6), 127.4)
    stored = round_together(weight, np.ones((1, 1)), moments_of(6, 0)[None])
    assert stored.max() == 127
