"""Weights rounded together: what the rounding of one adds to a result is made up for by those rounded after it.

The squared error of an output channel over all that was observed is e' M e, with e the errors of its weights and M the
second moments of what they are multiplied with. Weights are rounded one by one, each time with the best values for the
rest (Hassibi and Stork 1993, Second order derivatives for network pruning: optimal brain surgeon; Frantar et al. 2023,
GPTQ).
"""

from __future__ import annotations

import numpy as np

from plait.ir.dtypes import Array
from plait.passes.quantize.weights import MOST

_DAMPING = 0.1
"""What is added to the moments of each element, as a share of their mean: samples are few, and with 0.01 less of the
error is left on them, but more on others."""
_BLOCK = 64
"""Weights whose errors are handed on to the weights behind them in one product of matrices."""


def round_together(weight: Array, scale: Array, moments: Array) -> Array:
    """Weights as integers, i8[G, O, K], with about the least squared error of the results.

    Args:
        weight: f64[G, O, K], of G groups of O output channels, which read K elements.
        scale: f64[G, O], the step of the weights of each channel.
        moments: f64[G, K, K], the mean of the product of each two elements of what is read.
    """
    moments = _damped(moments)
    wanted = weight / scale[..., None]
    # First what matters most, while there are many left to make up for it.
    order = np.argsort(-np.diagonal(moments, axis1=1, axis2=2), axis=1, kind="stable")
    moments = np.take_along_axis(np.take_along_axis(moments, order[:, :, None], 1), order[:, None, :], 2)
    wanted = np.take_along_axis(wanted, order[:, None, :], 2)
    found = _one_by_one(wanted, moments)
    stored = np.empty(weight.shape, np.int8)
    np.put_along_axis(stored, order[:, None, :], found.astype(np.int8), 2)
    return stored


def squared_errors(error: Array, moments: Array) -> Array:
    """f64[G, O]: the mean squared error of each output channel.

    Args:
        error: f64[G, O, K], by how much weights are off.
    """
    return np.asarray(np.einsum("gok,gok->go", error @ moments, error))


def _damped(moments: Array) -> Array:
    count = moments.shape[-1]
    means = np.trace(moments, axis1=1, axis2=2) / count
    return np.asarray(moments + (np.where(means > 0, means, 1) * _DAMPING)[:, None, None] * np.eye(count))


def _one_by_one(wanted: Array, moments: Array) -> Array:
    """f64[G, O, K]: each weight rounded, after those before it."""
    count = wanted.shape[2]
    left = wanted.copy()
    found = np.empty_like(left)
    # Row i: by how much the weights behind i change for each unit by which i is off, times its diagonal element.
    upper = np.swapaxes(np.linalg.cholesky(np.linalg.inv(moments)), 1, 2)
    for start in range(0, count, _BLOCK):
        stop = min(start + _BLOCK, count)
        errors = np.empty((*left.shape[:2], stop - start))
        for i in range(start, stop):
            found[:, :, i] = np.clip(np.rint(left[:, :, i]), -MOST, MOST)
            errors[:, :, i - start] = (left[:, :, i] - found[:, :, i]) / upper[:, None, i, i]
            left[:, :, i + 1 : stop] -= errors[:, :, i - start, None] * upper[:, None, i, i + 1 : stop]
        left[:, :, stop:] -= errors @ upper[:, start:stop, stop:]
    return found
