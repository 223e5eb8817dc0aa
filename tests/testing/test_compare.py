"""Relative errors and their edge cases."""

from __future__ import annotations

import math

import numpy as np
import pytest

from plait.testing.compare import assert_close, differences, relative_error


@pytest.mark.parametrize(
    ("actual", "reference", "wanted"),
    [
        ([3, 4], [3, 4], 0),
        ([0, 0], [0, 0], 0),
        ([3, 4.5], [3, 4], 0.1),
        ([1], [0], math.inf),
        ([1], [[1]], math.inf),
        ([math.nan, 1], [math.nan, 1], 0),
        ([math.inf, 1], [math.inf, 1], 0),
        ([math.nan, 1], [0, 1], math.inf),
        ([math.inf], [-math.inf], math.inf),
        ([math.inf, 3, 4.5], [math.inf, 3, 4], 0.1),
        ([], [], 0),
    ],
    ids=str,
)
def test_relative_error(actual, reference, wanted):
    assert relative_error(np.array(actual), np.array(reference)) == pytest.approx(wanted)


def test_differences_of_sets_of_results():
    found = differences({"a": np.array([1.0, 2.5])}, {"a": np.array([1.0, 2.0]), "b": np.ones(2)})
    assert [d.name for d in found] == ["a", "b"] and found[0].largest == 0.5 and math.isinf(found[1].error)
    with pytest.raises(AssertionError, match=r"1 of 2 arrays differ by more than 0\.5:\n  b: "):
        assert_close({"a": np.array([1.0, 2.5])}, {"a": np.array([1.0, 2.0]), "b": np.ones(2)}, 0.5)
