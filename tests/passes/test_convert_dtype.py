"""Numbers after a change of the element type, and what is refused."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from plait.backends.reference import evaluate
from plait.frontends.onnx import import_onnx
from plait.ir.text import parse_module
from plait.passes.base import PassContext
from plait.passes.manager import run_pipeline
from plait.testing.equivalence import assert_equivalent
from plait.testing.networks import save
from plait.testing.random_modules import COMPUTABLE, random_module


@pytest.mark.parametrize(("pipeline", "tolerance"), [("to-f16", 2e-3), ("to-bf16", 2e-2)])
def test_a_network(pipeline: str, tolerance: float, tmp_path: Path) -> None:
    module = import_onnx(save("squeezenet", tmp_path, image=32, width=0.25)).module
    before = module.clone()
    run_pipeline("default", before)
    run_pipeline(pipeline, module)
    kinds = [layer.op for layer in module.main]
    assert kinds.count("cast") == 2 and kinds.count("conv2d") == 26
    assert {str(layer.result.type.dtype) for layer in module.main if layer.op == "conv2d"} == {pipeline[3:]}
    rng = np.random.default_rng(0)
    (argument,) = module.main.arguments
    inputs = {argument.name: rng.uniform(-1, 1, argument.type.static_shape).astype(np.float32)}
    (wanted,), (found,) = (tuple(evaluate(m, inputs).values()) for m in (before, module))
    scale = np.abs(wanted).max()
    assert found.dtype == np.float32
    assert 0 < np.abs(found - wanted).max() < tolerance * scale


@pytest.mark.parametrize("seed", range(30))
def test_wider_is_nearly_equal(seed: int) -> None:
    module = random_module(seed, 10, COMPUTABLE)
    before = module.clone()
    run_pipeline("convert-dtype{to=f64}", module)
    assert_equivalent(module, before, tolerance=1e-4)


def test_reasons() -> None:
    module = parse_module("""ir 1
const @big : f32[1] = [1e30]
const @small : f32[] = 1e-12
net @main(%x: f32[1]) -> (%y: f32[1], %i: i64[1]) {
  %a = add(%x, @big)
  %b = mul(%a, @small)
  %y = softmax(%b)
  %i = cast(%x) {to = i64}
}
""")
    context = PassContext()
    assert not run_pipeline("convert-dtype{to=f16,keep=[softmax]}", module, context)
    assert [(r.layer, r.reason) for r in context.refusals] == [
        ("%a (add)", "@big has 1.0000000150474662e+30, too much for f16"),
        ("%b (mul)", "@small is 9.999999960041972e-13, which becomes 0 in f16"),
        ("%y (softmax)", "it is to be kept"),
        ("%i (cast)", "%x would be rounded in vain"),
    ]
