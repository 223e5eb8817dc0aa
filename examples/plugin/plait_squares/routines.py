"""A routine of the layer `square`."""

import numpy as np

from plait.backends.python_routine import python_routine
from plait_squares.layers import Square


@python_routine("cpu/f32/nhwc/numpy", layer="square")
def square(layer: Square, x: np.ndarray) -> np.ndarray:
    """`np.square` on whatever lies there."""
    return np.square(x)
