"""Which convolutions of bytes Winograd takes: those whose sums it has room for, whatever the image."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from random_layers.checking import case_of
from random_layers.draw import Drawn, Recipe
from routine_cases.case import Case

from plait.backends.null import FixedCosts
from plait.backends.program import Program
from plait.backends.reference import evaluate
from plait.backends.routine import Routine, known_routines
from plait.ir.dtypes import DType, Quantized
from plait.ir.text.parser import parse_module
from plait.ir.text.printer import print_module
from plait.ir.values import Array
from plait.kernels_pyx.packing_q8 import WINOGRAD_MOST
from plait.tuning.tuner import tune

PATH = "cpu/q8/nchw16c/winograd_f4"
CHANNELS = 114
ROOM = WINOGRAD_MOST - 1 - 255 * 127 * 9 * CHANNELS
"""What a bias may have besides the largest sum of so many channels."""


def winograd() -> Routine:
    (found,) = (r for r in known_routines("conv2d") if str(r.path) == PATH)
    return found


def layer(w: Array, bias: int = 0, **attributes: Any) -> Case:
    oc, ic = len(w), w.shape[1] * attributes.get("groups", 1)
    x = Drawn(Quantized(DType.U8, 1.0, 0), np.zeros((1, ic, 5, 6), np.uint8))
    weight = Drawn(Quantized(DType.I8, 1.0, 0), w, constant=True, weight=True)
    b = Drawn(Quantized(DType.I32, 1.0, 0), np.full(oc, bias, np.int32), constant=True, weight=True)
    return case_of("conv", Recipe("conv2d", (x, weight, b), {"pad": (1, 1, 1, 1), **attributes}))


@pytest.mark.parametrize(
    ("sign", "bias", "taken"), [(1, ROOM, True), (-1, -ROOM, True), (1, ROOM + 1, False), (-1, ROOM + 1, False)]
)
def test_sums_without_room_are_refused(sign: int, bias: int, taken: bool) -> None:
    w = np.full((3, CHANNELS, 3, 3), 127 * sign, np.int8)
    reason = winograd().refuse(layer(w, bias).layer)
    assert reason is None if taken else f"room for {WINOGRAD_MOST}" in (reason or "")


def test_many_channels_have_room_where_weights_are_small() -> None:
    drawn = np.random.default_rng(0).normal(0, 40, (8, 512, 3, 3))
    weights = np.clip(np.rint(drawn), -127, 127).astype(np.int8)
    assert winograd().refuse(layer(weights).layer) is None
    assert "a sum may be of" in (winograd().refuse(layer(np.abs(weights)).layer) or "")


@pytest.mark.parametrize(
    ("attributes", "reason"),
    [
        ({"stride": (2, 2)}, "not 3x3 with stride 1"),
        ({"dilation": (2, 2)}, "not 3x3 with stride 1"),
        ({"groups": 2}, "groups are not supported"),
    ],
)
def test_other_windows_are_refused(attributes: dict[str, Any], reason: str) -> None:
    case = layer(np.ones((4, 4 // attributes.get("groups", 1), 3, 3), np.int8), **attributes)
    assert reason in (winograd().refuse(case.layer) or "")


def test_a_bias_in_numbers_whose_scale_a_constant_holds() -> None:
    """How large it is, only lowering knows; the bits are the same where there is no room for it."""
    module = parse_module(
        """ir 1
const @w : q8<@s axis 0>[2x1x3x3] = [127, 1, 2, 3, 4, 5, 6, 7, -8, -9, 1, -127, 3, 4, 5, 6, 7, 8]
const @s : f32[2] = [1.0, 1.0]
const @b : f32[2] = [-4.0e7, 3.0]
net @main(%x: qu8<1.0>[1x1x5x6]) -> (%y: qu8<2000.0:200>[1x2x5x6]) {
  %y = conv2d(%x, @w, @b) {pad = [1, 1, 1, 1], to = qu8<2000.0:200>}
}
"""
    )
    x = np.random.default_rng(1).integers(0, 256, (1, 1, 5, 6), np.uint8)
    wanted = evaluate(module, [x])["y"]
    tuned = tune(module, FixedCosts({"*": 1e3, PATH: 1.0, "adapt *": 1.0})).module
    assert PATH in print_module(tuned)
    (got,) = Program(tuned, 1).run([x])
    assert np.array_equal(got, wanted) and len(np.unique(got)) > 5
