"""Changes of copies: what follows a change of shape, what is swept, and what is refused."""

from __future__ import annotations

from functools import partial

import attrs
import numpy as np
import pytest

from plait.ir import Module
from plait.ir.text import parse_module, print_module
from plait.passes.reduce.edit import edited, resized
from plait.passes.reduce.fit import fit

NET = """ir 1
const @bias : f32[4] = [1.0, 2.0, 3.0, 4.0]
const @idle : f32[1] = [5.0]
net @main(%x: f32[1x8x6x6], %r: f32[1x4x6x6]) -> (%y: f32[1x4x6x6]) {
  %w0 = relu(%x)
  %idle = relu(%x)
  %y = conv2d(%w0, @w, @bias, %r) {pad = 1, groups = 2}
}
""".replace("const", 'weights "w" {\n  @w : f32[4x4x3x3]\n}\nconst', 1)


@pytest.fixture
def net() -> Module:
    weight = np.arange(144, dtype=np.float32).reshape(4, 4, 3, 3)
    return parse_module(NET, weights=lambda *_: {"w": lambda: weight})


def resize(module: Module, name: str, axis: int, to: int) -> bool:
    values = [*module.main.arguments, *module.constants.values()]
    value = next(v for v in values if v.name == name)
    shape = list(value.type.shape)
    shape[axis] = to
    value.type = attrs.evolve(value.type, shape=shape)
    return True


def types(module: Module) -> dict[str, str]:
    values = [*module.main.arguments, *module.constants.values(), *(r for la in module.main for r in la.results)]
    return {v.name: str(v.type) for v in values}


def test_weights_follow_channels(net: Module) -> None:
    before = print_module(net)
    smaller = edited(net, partial(resize, name="x", axis=1, to=2))
    assert smaller is not None
    found = types(smaller)
    assert found["x"] == found["w0"] == "f32[1x2x6x6] nchw"
    assert found["w"] == "f32[4x1x3x3] nchw"
    assert found["y"] == "f32[1x4x6x6] nchw"
    np.testing.assert_array_equal(smaller.constants["w"].data, net.constants["w"].data[:, :1])
    assert print_module(net) == before


def test_arguments_follow_the_image(net: Module) -> None:
    smaller = edited(net, partial(resize, name="x", axis=2, to=3))
    assert smaller is not None
    assert types(smaller)["r"] == types(smaller)["y"] == "f32[1x4x3x6] nchw"


def test_all_follow_the_output_channels(net: Module) -> None:
    smaller = edited(net, partial(resize, name="w", axis=0, to=2))
    assert smaller is not None
    found = types(smaller)
    assert (found["bias"], found["r"], found["y"]) == ("f32[2]", "f32[1x2x6x6] nchw", "f32[1x2x6x6] nchw")
    assert smaller.constants["bias"].data.tolist() == [1, 2]


def test_what_cannot_fit_is_refused(net: Module) -> None:
    def rank(module: Module) -> bool:
        module.main.arguments[0].type = attrs.evolve(module.main.arguments[0].type, shape=(3,), layout=None)
        return True

    assert edited(net, rank) is None
    assert edited(net, lambda module: False) is None


def test_sweeps_only_what_the_change_left_unused(net: Module) -> None:
    def drop(module: Module) -> bool:
        module.main.set_outputs([module.main.arguments[1]], ["y"])
        return True

    smaller = edited(net, drop)
    assert smaller is not None
    # The idle layer and constant may be what the failure is about.
    assert [layer.results[0].name for layer in smaller.main] == ["idle"]
    assert set(smaller.constants) == {"idle"}


def test_invalid_candidates_are_refused(net: Module) -> None:
    def use_before_definition(module: Module) -> bool:
        first, *_, last = module.main
        module.main.body.move_before(first, None)
        return last is not first

    assert edited(net, use_before_definition) is None


def test_fit_leaves_a_hopeless_layer_as_it_was() -> None:
    module = parse_module("ir 1\nnet @main(%x: f32[2x3]) -> (%y: f32[3x2]) {\n  %y = transpose(%x) {perm = [1, 0]}\n}")
    layer = next(iter(module.main))
    module.main.arguments[0].type = attrs.evolve(module.main.arguments[0].type, shape=(2, 3, 4))
    assert not fit(layer)
    assert layer.perm == (1, 0) and module.main.arguments[0].type.shape == (2, 3, 4)  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("text", "name", "axis", "wanted"),
    [
        ("%y = split(%x) {sizes = [4, 4]}", "x", 1, "f32[2x2x6]"),
        # [2x24] would fit too: the first that fits is taken.
        ("%y = reshape(%x) {shape = [2, 48]}", "x", 1, "f32[1x48]"),
        ("%y = slice(%x) {axes = [1], starts = [0], stops = [5]}", "x", 1, "f32[2x4x6]"),
        ("%y = concat(%x, %z) {axis = 2}", "x", 1, "f32[2x4x12]"),
        ("%y = add(%x, %z)", "z", 1, "f32[2x4x6]"),
    ],
)
def test_attributes_and_other_operands_follow(text: str, name: str, axis: int, wanted: str) -> None:
    head = "ir 1\nnet @main(%x: f32[2x8x6], %z: f32[2x8x6]) -> ("
    results = "%y, %y2" if "split" in text else "%y"
    module = parse_module(f"{head}) {{\n  {text.replace('%y', results, 1)}\n}}")
    smaller = edited(module, partial(resize, name=name, axis=axis, to=4))
    assert smaller is not None
    assert types(smaller)["y"] == wanted


def test_resized() -> None:
    data = np.arange(6).reshape(2, 3)
    assert resized(data, (1, 2)).tolist() == [[0, 1]]
    assert resized(data, (3, 4)).tolist() == [[0, 1, 2, 0], [3, 4, 5, 3], [0, 1, 2, 0]]
    assert resized(data, (4,)).tolist() == [0, 1, 2, 3]
