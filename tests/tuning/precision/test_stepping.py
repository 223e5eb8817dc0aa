"""Other results in the place of those of layers: what else reads the memory around them sees nothing of it."""

from __future__ import annotations

import numpy as np
import pytest

from plait.backends.reference import evaluate
from plait.ir.text import parse_module
from plait.tuning.precision.stepping import Stepper

VIEWS = """ir 1
net @main(%x: f32[1x16x4x4]) -> (%y: f32[1x256], %z: f32[1x16x4x4], %c: f32[1x32x4x4], %s: f32[1x8x4x4]) {
  %a = relu(%x)
  %f = reshape(%a) {shape = [1, 256]}
  %y = add(%f, %f)
  %b = hard_swish(%a)
  %c = concat(%a, %b) {axis = 1}
  %p, %q = split(%b) {axis = 1, sizes = [8, 8]}
  %s = sub(%p, %q)
  %z = mul(%b, %a)
}"""


@pytest.mark.parametrize("name", ["f", "c", "p", "b"])
def test_views_have_memory_of_their_own(name: str) -> None:
    module = parse_module(VIEWS)
    x = np.random.default_rng(3).standard_normal((1, 16, 4, 4), dtype=np.float32)
    stepper = Stepper(module)
    run = stepper.start({"x": x})
    stepper.advance(run, name, through=True)
    (layer,) = [layer for layer in module.main if layer.results[0].name == name]
    others = [np.full(r.type.static_shape, 7, np.float32) for r in layer.results]
    stepper.replace(run, name, others)
    got = [np.array(a) for a in stepper.finish(run)]
    # The same with the numbers as inputs of what follows.
    values = {}
    evaluate(module, {"x": x}, values=values.__setitem__)
    known = {v.name: a for v, a in values.items()} | dict(zip([r.name for r in layer.results], others, strict=True))
    if name == "b":
        known["p"] = known["q"] = known["b"][:, :8]
        known["c"] = np.concatenate([known["a"], known["b"]], 1)
    wanted = (2 * known["f"], known["b"] * known["a"], known["c"], known["p"] - known["q"])
    for a, b in zip(got, wanted, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6)
    np.testing.assert_array_equal(x, np.random.default_rng(3).standard_normal((1, 16, 4, 4), dtype=np.float32))
