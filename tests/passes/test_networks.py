"""What `default` leaves of the published networks, pinned; the numbers stay the same; light spellings fuse as well."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from plait.frontends.onnx import import_onnx
from plait.ir import Module
from plait.ir.layers.conv import Conv2d
from plait.ir.layers.separable import SeparableConv2d
from plait.ir.text import parse_module
from plait.passes.manager import PassManager
from plait.passes.pipeline import PIPELINES, Pipeline
from plait.testing.networks import save

HEAD = {"global_avg_pool": 1, "reshape": 1, "fully_connected": 1}
# network -> layers by kind, convolutions with a residual, activations of convolutions
WANTED: dict[str, tuple[dict[str, int], int, int]] = {
    "resnet50": ({"conv2d": 53, "max_pool2d": 1, **HEAD}, 16, 49),
    "mobilenetv2": ({"conv2d": 18, "separable_conv2d": 17, **HEAD}, 10, 35),
    "mobilenetv3": (
        {
            "conv2d": 32,
            "separable_conv2d": 7,
            "squeeze_excite": 8,
            "reshape": 1,
            "global_avg_pool": 1,
            "fully_connected": 2,
        },
        10,
        31,
    ),
    "googlenet": ({"conv2d": 57, "max_pool2d": 13, "concat": 9, **HEAD}, 0, 57),
    "squeezenet": ({"conv2d": 26, "max_pool2d": 3, "concat": 8, "global_avg_pool": 1, "reshape": 1}, 0, 26),
    "densenet121": ({"conv2d": 120, "scale_shift": 62, "concat": 58, "max_pool2d": 1, "avg_pool2d": 3, **HEAD}, 0, 59),
}


@pytest.mark.parametrize("name", WANTED)
def test_published_networks(name: str, tmp_path: Path, same_numbers: Callable[[Module, Module], None]) -> None:
    # Narrow mobilenetv2 has more skip connections: more blocks keep their number of channels.
    width = 1.0 if name == "mobilenetv2" else 0.25
    module = import_onnx(save(name, tmp_path, image=64, width=width)).module
    before = module.clone()
    places = {place for layer in module.main for place in layer.locations}
    PassManager(Pipeline.parse("default"), check_changed=True).run(module)
    convs = [layer for layer in module.main if isinstance(layer, (Conv2d, SeparableConv2d))]
    found = (
        dict(Counter(layer.op for layer in module.main)),
        sum(c.residual is not None for c in convs),
        sum(bool(c.act) + bool(isinstance(c, SeparableConv2d) and c.depthwise_act) for c in convs),
    )
    assert found == WANTED[name]
    assert {place for layer in module.main for place in layer.locations} == places
    assert not PassManager(Pipeline.parse("default"), check_changed=True).run(module)
    same_numbers(before, module)


# network -> pairs of a depthwise convolution and one of 1x1; what is gated in between is no such pair
PAIRS = {"mobilenetv2": 17, "mobilenetv3": 7, "resnet50": 0}


@pytest.mark.parametrize("name", PAIRS)
def test_separable_convolutions(name: str, tmp_path: Path, same_numbers: Callable[[Module, Module], None]) -> None:
    module = import_onnx(save(name, tmp_path, image=64, width=0.25)).module
    PassManager(Pipeline.parse(PIPELINES["default"].replace("fuse-separable,", ""))).run(module)
    before = module.clone()
    changed = PassManager(Pipeline.parse("fuse-separable"), check_changed=True).run(module)
    assert changed == (PAIRS[name] > 0)
    assert sum(isinstance(layer, SeparableConv2d) for layer in module.main) == PAIRS[name]
    assert not PassManager(Pipeline.parse("default"), check_changed=True).run(module)
    same_numbers(before, module)


def test_light_batch_normalisation(same_numbers: Callable[[Module, Module], None]) -> None:
    """BatchNormalization with scale 1 and shift 0, then Unsqueeze, Mul and Add, as some model zoos publish."""
    module = parse_module("""ir 1
const @w : f32[2x2x1x1] = [1, 2, 3, 4]
const @one : f32[2] = [1, 1]
const @zero : f32[2] = [0, 0]
const @mean : f32[2] = [0.5, 0.25]
const @var : f32[2] = [4, 2]
const @gamma : f32[2] = [2, 3]
const @beta : f32[2] = [1, -1]
net @main(%x: f32[1x2x4x4] nchw) -> (%y: f32[1x2x4x4] nchw) {
  %c = conv2d(%x, @w)
  %n = batch_norm(%c, @one, @zero, @mean, @var)
  %g = reshape(@gamma) {shape = [2, 1, 1]}
  %b = reshape(@beta) {shape = [2, 1, 1]}
  %m = mul(%n, %g)
  %a = add(%m, %b)
  %s = add(%a, %x)
  %y = relu(%s)
}
""")
    before = module.clone()
    PassManager(Pipeline.parse("default"), check_changed=True).run(module)
    (conv,) = module.main
    assert isinstance(conv, Conv2d) and conv.residual is not None and str(conv.act) == "relu"
    assert conv.result.name == "y" and len(module.constants) == 2
    same_numbers(before, module)


def test_shared_weights_are_scaled_once_each() -> None:
    module = parse_module("""ir 1
const @w : f32[1x1x1x1] = [2]
const @k : f32[1x1x1] = [3]
net @main(%x: f32[1x1x2x2] nchw) -> (%y: f32[1x1x2x2] nchw) {
  %a = conv2d(%x, @w)
  %b = mul(%a, @k)
  %c = conv2d(%b, @w)
  %y = mul(%c, @k)
}
""")
    PassManager(Pipeline.parse("default"), check_changed=True).run(module)
    assert [c.data.tolist() for c in module.constants.values()] == [[[[[6.0]]]]]
    assert np.isfinite(next(iter(module.constants.values())).data).all()
