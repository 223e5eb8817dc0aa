"""A small float network, and twins of its layers that are made by hand."""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import attrs
import numpy as np
import pytest

from plait.ir.module import Module
from plait.ir.text import parse_module
from plait.ir.types import TensorType
from plait.ir.values import Array
from plait.tuning.calibration import Samples
from plait.tuning.samples import samples_of

sys.path.insert(0, str(Path(__file__).parent))  # for `small_networks`

NETWORK = """ir 1
weights "w" {
  @w1 : f32[20x3x3x3]
  @w2 : f32[20x20x1x1]
  @w3 : f32[5x20]
}
net @main(%x: f32[1x3x8x8]) -> (%y: f32[1x5]) {
  %a = conv2d(%x, @w1) {pad = [1, 1, 1, 1], act = relu}
  %b = conv2d(%a, @w2)
  %s = add(%a, %b)
  %r = relu(%s)
  %m = global_avg_pool(%r)
  %f = reshape(%m) {shape = [1, 20]}
  %y = fully_connected(%f, @w3)
}"""

ADD = """ir 1
net @main(%a: f32[1x20x8x8], %b: f32[1x20x8x8]) -> (%s: f32[1x20x8x8]) {
  %a.l = cast(%a) {to = bf16}
  %b.l = cast(%b) {to = bf16}
  %s.l = add(%a.l, %b.l)
  %s = cast(%s.l) {to = f32}
}"""
LINEAR = """ir 1
weights "w" {
  @w3 : f32[5x20]
}
net @main(%f: f32[1x20]) -> (%y: f32[1x5]) {
  %f.q = cast(%f) {to = qu8<0.02:3>}
  %f.f = cast(%f.q) {to = f32}
  %y = fully_connected(%f.f, @w3)
}"""
CONV = """ir 1
weights "w" {
  @w2 : f32[20x20x1x1]
}
net @main(%a: f32[1x20x8x8]) -> (%b: f32[1x20x8x8]) {
  %a.q = cast(%a) {to = qu8<0.05>}
  %a.f = cast(%a.q) {to = f32}
  %b = conv2d(%a.f, @w2)
}"""
SAME = """ir 1
net @main(%s: f32[1x20x8x8]) -> (%r: f32[1x20x8x8]) {
  %r = relu(%s)
}"""


def with_weights(text: str, times: float = 1.0) -> Module:
    """A module whose constants have random elements, by their names, times a number."""

    def load(file: str, digest: str, types: dict[str, TensorType]) -> dict[str, Callable[[], Array]]:
        return {name: partial(random_constant, name, type, times) for name, type in types.items()}

    return parse_module(text, weights=load)


def random_constant(name: str, type: TensorType, times: float) -> Array:
    numbers = np.random.default_rng(sum(name.encode())).standard_normal(type.static_shape) / 4
    return np.asarray(numbers * times, np.float32)


TWINS = {
    "b": {"qint8": CONV, "bfloat16": CONV.replace("qu8<0.05>", "bf16")},
    "s": {"bfloat16": ADD},
    "r": {"qint8": SAME},
    "y": {"qint8": LINEAR},
}


@attrs.frozen(eq=False)
class Case:
    """A network, twins of some of its layers, and samples."""

    module: Module
    twins: dict[str, dict[str, Module]]
    samples: Samples

    @staticmethod
    def make(weights: float = 1.0) -> Case:
        """The case with the weights of the network times a number."""
        module = with_weights(NETWORK, weights)
        twins = {name: {p: with_weights(text) for p, text in some.items()} for name, some in TWINS.items()}
        images: Any = np.random.default_rng(1).standard_normal((5, 3, 8, 8), dtype=np.float32)
        return Case(module, twins, samples_of(module.main, images))

    def twin(self, name: str, precision: str, weights: float) -> Module:
        """A twin with its weights times a number."""
        return with_weights(TWINS[name][precision], weights)


@pytest.fixture
def case() -> Case:
    return Case.make()
