"""Defects planted in passes are found: what is left of a random network is what the defect needs, and no more."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

import planted
import pytest

from plait.ir import Module
from plait.ir.text import parse_module, print_module
from plait.ir.verify import verify
from plait.passes.reduce import Predicate, reduce_module
from plait.passes.reduce.edit import Change, edited
from plait.passes.reduce.layers import OUTPUTS, SUBSTITUTES, extract, take_out

CONCAT = """ir 1
net @main(%0: f32[1x1x1x1] nchw) -> (%1: f32[1x3x1x1] nchw) {
  %1 = concat(%0, %0, %0) : f32[1x3x1x1] nchw
}
"""
STRIDED = """ir 1
const @c0 : f32[1x1x1x1] = [0.0]
const @c1 : f32[1] = [0.0]
net @main(%0: f32[1x1x1x1] nchw) -> (%2: f32[1x1x1x1] nchw) {
  %1 = conv2d(%0, @c0) {stride = [2, 2]} : f32[1x1x1x1] nchw
  %2 = batch_norm(%1, @c1, @c1, @c1, @c1) : f32[1x1x1x1] nchw
}
"""
POOLED = """ir 1
net @main(%0: f32[1x1x1x5] nchw) -> (%1: f32[1x1x1x3] nchw) {
  %1 = max_pool2d(%0) {kernel = [1, 1], stride = [1, 2]} : f32[1x1x1x3] nchw
}
"""
WIDE = """ir 1
weights "" {
  @c0 : f32[17x1x3x3]
}
net @main(%0: f32[1x1x3x3] nchw) -> (%1: f32[1x17x1x1] nchw) {
  %1 = conv2d(%0, @c0) : f32[1x17x1x1] nchw
}
"""
GROUPED = """ir 1
const @c0 : f32[2x2x1x1] = [0.0, 0.0, 0.0, 0.0]
net @main(%0: f32[1x4x1x1] nchw) -> (%1: f32[1x2x1x1] nchw) {
  %1 = conv2d(%0, @c0) {groups = 2} : f32[1x2x1x1] nchw
}
"""
NEGATIVE = """ir 1
const @c0 : f32[1x1x1x1] = [-1.0]
net @main(%0: f32[1x1x1x1] nchw) -> (%1: f32[1x1x1x1] nchw) {
  %1 = conv2d(%0, @c0) : f32[1x1x1x1] nchw
}
"""
MISCOMPUTED = """ir 1
const @c0 : f32[2x1x1x1] = [1.0, 1.0]
net @main(%0: f32[1x2x1x1] nchw) -> (%2: f32[1x2x1x1] nchw) {
  %1 = conv2d(%0, @c0) {groups = 2} : f32[1x2x1x1] nchw
  %2 = relu(%1) : f32[1x2x1x1] nchw
}
"""
BUGS: dict[str, tuple[Predicate, tuple[int, ...], str]] = {
    "concat of three": (planted.concat_of_three, (1, 3, 16), CONCAT),
    "norm after strided": (planted.norm_after_strided, (2, 9, 14), STRIDED),
    "odd image": (planted.odd_image, (13,), POOLED),
    "many channels": (planted.many_channels, (0, 1, 2), WIDE),
    "grouped": (planted.two_groups_of_channels, (3, 7, 9), GROUPED),
    "negative weight": (planted.negative_weight, (0, 1, 2), NEGATIVE),
    "miscomputes": (planted.miscomputes, (5, 25, 28), MISCOMPUTED),
}
"""The defect, networks that have what it needs, and what is to be left of them."""


@pytest.mark.parametrize(("name", "seed"), [(name, seed) for name, (_, seeds, _) in BUGS.items() for seed in seeds])
def test_planted_bug(name: str, seed: int) -> None:
    fails, _, wanted = BUGS[name]
    network = planted.random_network(seed)
    text = print_module(network)
    assert len(network.main.body) > 30
    reduction = reduce_module(network, fails)
    assert print_module(network) == text
    assert print_module(reduction.module) == wanted
    assert reduction.complete
    assert reduction.checks <= 100
    assert (reduction.before.layers, reduction.after.layers) == (len(network.main.body), len(parse(wanted).main.body))
    verify(reduction.module)
    assert_minimal(reduction.module, fails)


def parse(text: str) -> Module:
    return parse_module(text)


def assert_minimal(module: Module, fails: Predicate) -> None:
    """1-minimality: with any one layer taken out, in whatever way, the failure vanishes."""
    for change in removals(module):
        smaller = edited(module, change)
        assert smaller is None or not fails(smaller), print_module(smaller)


def removals(module: Module) -> Iterator[Change]:
    count = len(module.main.body)
    for number in range(count):
        yield from (partial(take_out, numbers=[number], substitute=s) for s in SUBSTITUTES)
        kept = [i for i in range(count) if i != number]
        yield from (partial(extract, name="main", kept=kept, pick=pick) for pick in OUTPUTS)


def test_minimality_is_really_tested() -> None:
    module = parse("""ir 1
    const @w : f32[2x1x1x1] = [1.0, 1.0]
    net @main(%x: f32[1x2x1x1]) -> (%y: f32[1x2x1x1]) {
      %c = conv2d(%x, @w) {groups = 2}
      %r = relu(%c)
      %y = unary(%r) {fn = abs}
    }""")
    assert planted.miscomputes(module.clone())
    with pytest.raises(AssertionError):
        assert_minimal(module, planted.miscomputes)


def test_deterministic() -> None:
    runs = [reduce_module(planted.random_network(25), planted.miscomputes) for _ in range(2)]
    assert print_module(runs[0].module) == print_module(runs[1].module)
    assert runs[0].checks == runs[1].checks
