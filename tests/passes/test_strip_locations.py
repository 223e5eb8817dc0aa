"""strip-locations leaves no location behind, in any function, and counts what it did."""

from __future__ import annotations

from plait.ir.text import parse_module
from plait.passes.base import PassContext
from plait.passes.manager import run_pipeline


def test_no_location_is_left() -> None:
    module = parse_module("""ir 1
net @main(%x: f32[2]) -> (%y: f32[2]) {
  %a = relu(%x) loc "m.onnx":"Relu_0" + "m.onnx":"Relu_1"
  %y = tanh(%a)
}
net @postprocess(%x: f32[2]) -> (%y: f32[2]) {
  %y = relu(%x) loc "m.onnx":"Relu_2"
}
""")
    context = PassContext()
    assert run_pipeline("strip-locations", module, context)
    assert "loc" not in str(module)
    assert context.statistics == {("strip-locations", "layers"): 2}
    assert not run_pipeline("strip-locations", module)
