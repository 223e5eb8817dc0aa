"""Numbers of weights that are stored in fewer bits, and what is refused."""

from __future__ import annotations

import numpy as np
import pytest

from plait.backends.reference import evaluate
from plait.ir.diagnostics import PlaitError
from plait.ir.module import Module
from plait.ir.text import parse_module
from plait.passes.base import PassContext
from plait.passes.manager import run_pipeline

TEXT = """ir 1
const @w : f32[3x4] = [0.1, -0.7, 0.33, 1.9, 0.2, 0.3, 0.6, 0.7, 3.3, 5.5, -7.7, 1e-3]
net @main(%x: f32[2x4]) -> (%y: f32[2x3]) {
  %y = fully_connected(%x, @w)
}
"""


def computed(module: Module, x: np.ndarray) -> np.ndarray:
    (y,) = evaluate(module, {"x": x}).values()
    return np.asarray(y)


@pytest.mark.parametrize(("to", "tolerance"), [("bf16", 2**-8), ("f16", 2**-11), ("q8", 2**-7)])
def test_results_are_near(to: str, tolerance: float) -> None:
    x = np.random.default_rng(1).standard_normal((2, 4)).astype(np.float32)
    before, module = parse_module(TEXT), parse_module(TEXT)
    run_pipeline(f"store-weights{{to={to}}}", module)
    wanted, found = computed(before, x), computed(module, x)
    assert found.dtype == np.float32
    assert 0 < np.abs(found - wanted).max() < tolerance * np.abs(wanted).max()
    assert "w" not in module.constants


def test_reasons() -> None:
    module = parse_module(TEXT)
    context = PassContext()
    assert not run_pipeline("store-weights{keep=[y]}", module, context)
    assert [(r.layer, r.reason) for r in context.refusals] == [("%y (fully_connected)", "it is to be kept")]


def test_only_weights_may_be_narrower() -> None:
    text = TEXT.replace("const @w : f32", "const @w : bf16")
    assert parse_module(text).main.outputs[0].type.dtype.value == "f32"
    for wrong in (text.replace("%x: f32", "%x: f64").replace("%y: f32", "%y: f64"), text.replace("%x: f32", "%x: f16")):
        with pytest.raises(PlaitError, match="operands have dtypes"):
            parse_module(wrong)
