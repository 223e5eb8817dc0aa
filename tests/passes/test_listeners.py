"""Listeners: what they are told, in which order, and the built-in ones."""

from __future__ import annotations

from collections.abc import Sequence

import attrs
import pytest

from plait.ir import Layer, Module, Value
from plait.ir.layers.activations import Relu, Sigmoid, Tanh
from plait.ir.text import parse_module
from plait.passes.base import PassContext
from plait.passes.manager import PassManager
from plait.passes.pipeline import Pipeline
from plait.passes.rewriting import Builder, Limit, Listener, No, Pattern, TextLog, apply_rewrites, rewrite


@rewrite(Relu)
def relu_of_tanh(layer: Relu, builder: Builder) -> Layer | No:
    """relu(tanh(x)) -> sigmoid(sigmoid(x))"""
    inner = layer.x.owner
    if not isinstance(inner, Tanh):
        return No("the operand is not tanh")
    return Sigmoid(builder.layer(Sigmoid(inner.x), "h"))


@attrs.define
class Watch(Listener):
    seen: list[str] = attrs.field(factory=list)

    def on_match(self, pattern: Pattern, root: Layer) -> None:
        self.seen.append(f"match {pattern.name} {root.describe()} {root.region is not None}")

    def on_refuse(self, pattern: Pattern, root: Layer, reason: str) -> None:
        self.seen.append(f"refuse {pattern.name} {root.describe()} {reason}")

    def on_insert(self, layer: Layer) -> None:
        self.seen.append(f"insert {layer.describe()}")

    def on_replace(self, root: Layer, values: Sequence[Value]) -> None:
        self.seen.append(f"replace {root.describe()} by {[v.name for v in values]}")

    def on_remove(self, layer: Layer) -> None:
        self.seen.append(f"remove {layer.describe()}")


def chain() -> Module:
    return parse_module(
        "ir 1\nnet @main(%x: f32[4]) -> (%y: f32[4]) {\n"
        "%a = tanh(%x)\n%b = relu(%a)\n%c = tanh(%b)\n%d = relu(%c)\n%y = relu(%d)\n}\n"
    )


def test_a_listener_is_told_everything_in_order() -> None:
    watch = Watch()
    assert apply_rewrites((m := chain()).main, m, (relu_of_tanh,), PassContext(listeners=[Listener(), watch]))
    first = [
        "match relu_of_tanh %b (relu) True",
        "insert %h (sigmoid)",
        "insert %b (sigmoid)",
        "replace %b (relu) by ['b']",
        "remove %b (relu)",
        "remove %a (tanh)",
    ]
    assert watch.seen[:6] == first
    assert len([line for line in watch.seen if line.startswith("match")]) == 2
    # A refusal is told once, though the layer is looked at again in the second sweep.
    assert [line for line in watch.seen if line.startswith("refuse")] == [
        "refuse relu_of_tanh %y (relu) the operand is not tanh"
    ]


@pytest.mark.parametrize(
    ("most", "applied", "ops"), [(0, 0, "relu"), (1, 1, "relu"), (2, 2, "sigmoid"), (9, 2, "sigmoid")]
)
def test_a_limit_stops_after_so_many_rewrites(most: int, applied: int, ops: str) -> None:
    module, limit = chain(), Limit(most)
    context = PassContext(listeners=[limit])
    assert apply_rewrites(module.main, module, (relu_of_tanh,), context) == (applied > 0)
    assert limit.applied == applied
    assert [layer.op for layer in module.main].count("sigmoid") == 2 * applied
    assert [layer.op for layer in module.main][-2] == ops
    assert ("the limit of rewrites is reached" in {r.reason for r in context.refusals}) == (most < 2)


def test_a_limit_counts_over_the_passes_of_a_pipeline() -> None:
    body = "%a = add(%x, %x)\n%b = reshape(%a) {shape = [4]}\n%y = relu(%b)\n"
    text = f"ir 1\nnet @main(%x: f32[4]) -> (%y: f32[4]) {{\n{body}}}\n"
    for most, ops in ((1, ["add", "relu"]), (2, ["add"])):
        module, limit = parse_module(text), Limit(most)
        PassManager(Pipeline.parse("canonicalize,fuse-activation")).run(module, PassContext(listeners=[limit]))
        assert [layer.op for layer in module.main] == ops
        assert limit.applied == most


def test_the_log_is_for_people() -> None:
    lines: list[str] = []
    module = chain()
    apply_rewrites(module.main, module, (relu_of_tanh,), PassContext(listeners=[TextLog(lines.append), Limit(1)]))
    assert lines == ["relu_of_tanh: %b (relu)"]


def test_a_detailed_log_shows_the_layers() -> None:
    lines: list[str] = []
    module = chain()
    context = PassContext(listeners=[TextLog(lines.append, detail=True), Limit(1)])
    apply_rewrites(module.main, module, (relu_of_tanh,), context)
    assert lines == [
        "relu_of_tanh: %b (relu)",
        "  + %h = sigmoid(%x) : f32[4]",
        "  + %b = sigmoid(%h) : f32[4]",
        "  - %b = relu(%a) : f32[4]",
        "  - %a = tanh(%x) : f32[4]",
    ]
