"""The rewrite driver: fixed point, locations, names, use counts, refusals, helpers, guard against endless rules."""

from __future__ import annotations

import attrs
import numpy as np
import pytest

from plait.ir import Layer, Module, Value, verify
from plait.ir.diagnostics import Location
from plait.ir.layers.activations import Relu, Sigmoid, Tanh
from plait.ir.layers.elementwise import Add, Mul
from plait.ir.text import parse_module
from plait.passes.base import PassContext
from plait.passes.rewrite import Builder, No, Rule, apply_rewrites, rewrite

HEAD = "ir 1\nconst @k : f32[4] = [1, 2, 3, 4]\n"


def module_of(body: str, outputs: str = "%y: f32[4]") -> Module:
    return parse_module(f"{HEAD}net @main(%x: f32[4]) -> ({outputs}) {{\n{body}\n}}\n")


def run(module: Module, *rules: Rule, context: PassContext | None = None) -> bool:
    changed = apply_rewrites(module.main, module, rules, context or PassContext(current="test"))
    verify(module)
    return changed


@rewrite(Relu)
def relu_of_tanh(layer: Relu) -> Layer | No:
    """relu(tanh(x)) -> sigmoid(x)"""
    inner = layer.x.owner
    return Sigmoid(inner.x) if isinstance(inner, Tanh) else No("the operand is not tanh")


@rewrite(Sigmoid)
def sigmoid_away(layer: Sigmoid) -> Value | No:
    """sigmoid(x) -> x"""
    return layer.x


def test_a_layer_takes_over_name_uses_and_locations_in_graph_order() -> None:
    module = module_of('%a = tanh(%x) loc "m":"t"\n%y = relu(%a) loc "m":"r" + "m":"t"')
    assert run(module, relu_of_tanh)
    (layer,) = module.main
    assert (layer.op, layer.result.name) == ("sigmoid", "y")
    assert layer.locations == (Location("m", "t"), Location("m", "r"))
    assert module.main.outputs == (layer.result,)


def test_shared_operands_stay() -> None:
    module = module_of("%a = tanh(%x)\n%b = relu(%a)\n%y = add(%a, %b)")
    assert run(module, relu_of_tanh)
    assert [layer.op for layer in module.main] == ["tanh", "sigmoid", "add"]


def test_a_value_passes_its_locations_to_its_maker_or_reader() -> None:
    module = module_of('%a = tanh(%x) loc "m":"t"\n%b = sigmoid(%a) loc "m":"s"\n%y = relu(%b)')
    assert run(module, sigmoid_away)
    assert module.main.body.first is not None
    assert module.main.body.first.locations == (Location("m", "t"), Location("m", "s"))
    module = module_of('%b = sigmoid(%x) loc "m":"s"\n%y = relu(%b) loc "m":"r"')
    assert run(module, sigmoid_away)
    (layer,) = module.main
    assert layer.locations == (Location("m", "s"), Location("m", "r"))


def test_a_value_may_become_an_output_under_the_old_output_name() -> None:
    module = module_of("%y = sigmoid(%x)")
    assert run(module, sigmoid_away)
    assert module.main.outputs == (module.main.arguments[0],)
    assert module.main.output_names == ["y"]


def test_rules_run_until_none_applies() -> None:
    module = module_of("%a = tanh(%x)\n%b = relu(%a)\n%c = relu(%b)\n%y = sigmoid(%c)")
    context = PassContext(current="test")
    assert run(module, relu_of_tanh, sigmoid_away, context=context)
    assert [layer.op for layer in module.main] == ["relu"]
    assert context.statistics == {("test", "relu_of_tanh"): 1, ("test", "sigmoid_away"): 2}
    assert not run(module, relu_of_tanh, sigmoid_away)


def test_refusals_are_data_about_layers_that_remain() -> None:
    module = module_of('%a = relu(%x) loc "m":"r"\n%b = tanh(%a)\n%y = relu(%b)')
    told: list[str] = []
    context = PassContext(current="test", verbose=True, log=told.append)
    run(module, relu_of_tanh, context=context)
    (refusal,) = context.refusals
    assert (refusal.pass_name, refusal.rule, refusal.layer) == ("test", "relu_of_tanh", "%a (relu)")
    assert (refusal.reason, refusal.locations) == ("the operand is not tanh", (Location("m", "r"),))
    assert told == ["test: relu_of_tanh: %y (relu)", "no: test/relu_of_tanh: %a (relu): the operand is not tanh"]


def test_dead_constants_go_and_new_ones_get_their_name() -> None:
    @rewrite(Add)
    def double(layer: Add, builder: Builder) -> Layer:
        """x + k -> x * 2k"""
        return Mul(layer.a, builder.constant("k", np.full(4, 2, np.float32)))

    module = module_of("%y = add(%x, @k)")
    assert run(module, double)
    assert list(module.constants) == ["k"]
    assert module.constants["k"].data.tolist() == [2, 2, 2, 2]


def test_helpers_stand_before_the_root_and_are_undone_by_a_refusal() -> None:
    @rewrite(Tanh)
    def in_two(layer: Tanh, builder: Builder) -> Layer | No:
        """tanh(x) -> relu(sigmoid(x))"""
        helper = builder.layer(Sigmoid(layer.x), "h")
        builder.constant("unused", np.zeros(1, np.float32))
        return Relu(helper) if layer.result.name == "y" else No("wrong name")

    module = module_of('%a = tanh(%x)\n%y = tanh(%a) loc "m":"t"')
    assert run(module, in_two)
    assert [layer.op for layer in module.main] == ["tanh", "sigmoid", "relu"]
    assert [layer.locations for layer in module.main][1:] == [(Location("m", "t"),)] * 2
    assert "unused" not in module.constants
    before = str(module)
    assert not run(module, in_two)
    assert str(module) == before


def test_a_chosen_routine_is_dropped_and_the_format_kept() -> None:
    module = parse_module(
        "ir 1\nnet @main(%x: f32[1x2x3x4] nhwc) -> (%y: f32[1x2x3x4] nhwc) {\n"
        "%a = tanh(%x) : f32[1x2x3x4] nhwc\n%y = relu(%a) : f32[1x2x3x4] nhwc via cpu/f32/relu !2.5us\n}\n"
    )
    assert run(module, relu_of_tanh)
    (layer,) = module.main
    assert (layer.via, layer.cost_us, layer.result.type.layout.name) == (None, None, "nhwc")


def test_a_value_of_another_format_is_refused() -> None:
    module = parse_module(
        "ir 1\nnet @main(%x: f32[1x2x3x4] nhwc) -> (%y: f32[1x2x3x4] nchw) {\n%y = sigmoid(%x) : f32[1x2x3x4] nchw\n}\n"
    )
    context = PassContext(current="test")
    assert not run(module, sigmoid_away, context=context)
    assert "differ in format" in context.refusals[0].reason


def test_rules_that_never_end_are_stopped() -> None:
    @rewrite(Tanh)
    def again(layer: Tanh) -> Layer:
        """tanh(x) -> tanh(x)"""
        return attrs.evolve(layer)

    with pytest.raises(RuntimeError, match=r"again on %y \(tanh\): it puts the same"):
        run(module_of("%y = tanh(%x)"), again)


def test_a_rule_that_changes_the_type_is_stopped() -> None:
    @rewrite(Tanh)
    def wrong(layer: Tanh, builder: Builder) -> Value:
        """tanh(x) -> 0"""
        return builder.constant("zero", np.zeros(3, np.float32))

    with pytest.raises(RuntimeError, match=r"wrong on %y \(tanh\): it changes the type from f32\[4\] to f32\[3\]"):
        run(module_of("%y = tanh(%x)"), wrong)


def test_a_rule_knows_its_equation() -> None:
    assert relu_of_tanh.equation == "relu(tanh(x)) -> sigmoid(x)"
    assert (relu_of_tanh.name, relu_of_tanh.classes) == ("relu_of_tanh", (Relu,))
