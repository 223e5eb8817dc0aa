"""The rewrite driver: fixed point, locations, names, use counts, refusals, helpers, guard against endless rules."""

from __future__ import annotations

from collections.abc import Callable

import attrs
import numpy as np
import pytest

from plait.ir import Layer, Module, Value, verify
from plait.ir.diagnostics import Diagnostic, IRError, Location
from plait.ir.layers.activations import Relu, Sigmoid, Tanh
from plait.ir.layers.elementwise import Add, Mul
from plait.ir.layers.shape import Slice, Split
from plait.ir.text import parse_module
from plait.ir.values import Constant
from plait.passes.base import PassContext
from plait.passes.manager import run_pipeline
from plait.passes.rewriting import (
    Builder,
    No,
    Outcome,
    Pattern,
    RewriteError,
    RewriteLoop,
    Rule,
    apply_rewrites,
    rewrite,
    rewrite_module,
)

HEAD = "ir 1\nconst @k : f32[4] = [1, 2, 3, 4]\n"


def module_of(body: str, outputs: str = "%y: f32[4]") -> Module:
    return parse_module(f"{HEAD}net @main(%x: f32[4]) -> ({outputs}) {{\n{body}\n}}\n")


def run(module: Module, *rules: Pattern, context: PassContext | None = None) -> bool:
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


def test_a_layer_takes_over_comments_in_graph_order() -> None:
    module = parse_module(
        "ir 1\nnet @main(%x: f32[1x2x4x4] nchw, %w: f32[2x2x1x1]) -> (%y: f32[1x2x4x4] nchw) {\n"
        "  // mixes channels\n  %c = conv2d(%x, %w)\n  // and no less than nothing\n  // (as in the paper)\n"
        "  %y = relu(%c)\n}\n"
    )
    run_pipeline("fuse-activation", module)
    (layer,) = module.main
    assert layer.comment == "mixes channels\nand no less than nothing\n(as in the paper)"


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


def test_a_refusal_is_false() -> None:
    assert not No("no")


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


def test_a_rule_knows_its_equation() -> None:
    assert relu_of_tanh.equation == "relu(tanh(x)) -> sigmoid(x)"
    assert (relu_of_tanh.name, relu_of_tanh.classes) == ("relu_of_tanh", (Relu,))
    assert OnlyNamed("y").equation == "tanh(x) -> sigmoid(x), if the result has this name"


@attrs.frozen
class OnlyNamed(Pattern):
    """tanh(x) -> sigmoid(x), if the result has this name"""

    name = "only_named"
    classes = (Tanh,)
    benefit = 2
    wanted: str

    def match_and_rewrite(self, root: Layer, builder: Builder) -> Outcome:
        if root.result.name != self.wanted:
            return No("another name")
        return Sigmoid(root.operands[0])


@rewrite(Tanh)
def tanh_to_relu(layer: Tanh) -> Layer:
    """tanh(x) -> relu(x)"""
    return Relu(layer.x)


@rewrite(Tanh)
def tanh_away(layer: Tanh) -> Value:
    """tanh(x) -> x"""
    return layer.x


def test_a_pattern_may_have_parameters_and_goes_by_its_benefit() -> None:
    module = module_of("%a = tanh(%x)\n%y = tanh(%a)")
    context = PassContext(current="test")
    assert run(module, tanh_to_relu, OnlyNamed("y"), context=context)
    assert [layer.op for layer in module.main] == ["relu", "sigmoid"]
    assert context.statistics == {("test", "only_named"): 1, ("test", "tanh_to_relu"): 1}
    with pytest.raises(NotImplementedError):
        Pattern().match_and_rewrite(module.main.body.first, None)  # type: ignore[arg-type]


@pytest.mark.parametrize(("patterns", "op"), [((tanh_to_relu, tanh_away), ["relu"]), ((tanh_away, tanh_to_relu), [])])
def test_equal_benefits_keep_the_given_order(patterns: tuple[Rule, Rule], op: list[str]) -> None:
    module = module_of("%y = tanh(%x)")
    assert run(module, *patterns)
    assert [layer.op for layer in module.main] == op


def test_a_decorated_function_may_have_a_benefit() -> None:
    @rewrite(Tanh, benefit=3)
    def first(layer: Tanh) -> Layer:
        """tanh(x) -> sigmoid(x)"""
        return Sigmoid(layer.x)

    module = module_of("%y = tanh(%x)")
    assert run(module, tanh_to_relu, first)
    assert [layer.op for layer in module.main] == ["sigmoid"]


def test_all_functions_of_a_module_are_rewritten() -> None:
    module = parse_module(
        "ir 1\nnet @main(%x: f32[4]) -> (%x: f32[4]) {\n}\nnet @other(%x: f32[4]) -> (%y: f32[4]) {\n%y = tanh(%x)\n}\n"
    )
    assert rewrite_module(module, (tanh_to_relu,), PassContext())
    assert not rewrite_module(module, (tanh_to_relu,), PassContext())
    assert [layer.op for layer in module.functions["other"]] == ["relu"]


def test_each_of_several_results_may_get_its_own_value() -> None:
    @rewrite(Split)
    def in_slices(layer: Split, builder: Builder) -> tuple[Value, ...]:
        """split(x) -> slice(x), slice(x), ..."""
        made, at = [], 0
        for size, result in zip(layer.sizes, layer.results, strict=True):
            new = Slice(layer.x, axes=(layer.axis,), starts=(at,), stops=(at + size,))
            made.append(builder.layer(new, result.name))
            at += size
        return tuple(made)

    module = module_of('%a, %y = split(%x) {sizes = [1, 3], axis = 0} loc "m":"s"', "%y: f32[3], %a: f32[1]")
    assert run(module, in_slices)
    assert [(la.op, la.result.name, la.locations) for la in module.main] == [
        ("slice", "a", (Location("m", "s"),)),
        ("slice", "y", (Location("m", "s"),)),
    ]


def test_helpers_that_the_result_does_not_need_are_removed() -> None:
    @rewrite(Tanh)
    def wasteful(layer: Tanh, builder: Builder) -> Layer:
        """tanh(x) -> relu(x)"""
        builder.results(Tanh(builder.layer(Relu(layer.x))))
        return Relu(layer.x)

    module = module_of("%y = tanh(%x)")
    assert run(module, wasteful)
    assert [layer.op for layer in module.main] == ["relu"]


def test_a_helper_with_several_results_takes_names_for_them() -> None:
    @rewrite(Tanh)
    def by_halves(layer: Tanh, builder: Builder) -> Layer:
        """tanh(x) of [4] -> relu(x)[:2] + relu(x)[2:]"""
        low, high = builder.results(Split(builder.layer(Relu(layer.x)), sizes=(2, 2), axis=0), ("low", "high"))
        return Add(low, high)

    module = module_of("%a = tanh(%x)\n%y = slice(%a) {axes = [0], starts = [0], stops = [2]}", "%y: f32[2]")

    @rewrite(Slice)
    def slice_of_tanh(layer: Slice, builder: Builder) -> Layer | No:
        """slice(tanh(x)) -> relu(x)[:2] + relu(x)[2:]"""
        inner = layer.x.owner
        return by_halves.match_and_rewrite(inner, builder) if isinstance(inner, Tanh) else No("no tanh")  # type: ignore[return-value]

    assert run(module, slice_of_tanh)
    assert [[r.name for r in layer.results] for layer in module.main] == [["y"], ["low", "high"], ["y"]]


# --- loops ---


def test_a_rule_that_puts_the_same_in_place_is_stopped() -> None:
    @rewrite(Tanh)
    def again(layer: Tanh) -> Layer:
        """tanh(x) -> tanh(x)"""
        return attrs.evolve(layer)

    with pytest.raises(RewriteLoop, match=r"rewrite again on %y \(tanh\): it puts the same in place") as caught:
        run(module_of("%y = tanh(%x)"), again)
    assert (caught.value.rules, caught.value.rule, caught.value.layer) == (("again",), "again", "%y (tanh)")


def test_rules_that_undo_one_another_are_named() -> None:
    @rewrite(Relu)
    def relu_to_tanh(layer: Relu) -> Layer:
        """relu(x) -> tanh(x)"""
        return Tanh(layer.x)

    module = module_of("%a = sigmoid(%x)\n%b = sigmoid(%a)\n%y = tanh(%b)")
    with pytest.raises(RewriteLoop, match="undo one another: tanh_to_relu -> relu_to_tanh") as caught:
        run(module, sigmoid_away, tanh_to_relu, relu_to_tanh)
    assert caught.value.rules == ("tanh_to_relu", "relu_to_tanh")
    assert caught.value.layer == "%y (relu)"


def test_a_loop_through_helpers_and_constants_is_found() -> None:
    @rewrite(Tanh)
    def tanh_in_parts(layer: Tanh, builder: Builder) -> Layer:
        """tanh(x) -> sigmoid(x) + 0"""
        return Add(builder.layer(Sigmoid(layer.x)), builder.constant("zero", np.zeros(4, np.float32)))

    @rewrite(Add)
    def parts_to_tanh(layer: Add) -> Layer | No:
        """sigmoid(x) + 0 -> tanh(x)"""
        inner = layer.a.owner
        return Tanh(inner.x) if isinstance(inner, Sigmoid) else No("no sigmoid")

    for name in ("y", "v"):
        module = module_of(f"%{name} = tanh(%x)", f"%{name}: f32[4]")
        with pytest.raises(RewriteLoop) as caught:
            run(module, tanh_in_parts, parts_to_tanh)
        assert caught.value.rules == ("tanh_in_parts", "parts_to_tanh")


def test_rules_that_grow_without_end_are_stopped() -> None:
    @rewrite(Tanh)
    def deeper(layer: Tanh, builder: Builder) -> Layer:
        """tanh(x) -> tanh(relu(x))"""
        return Tanh(builder.layer(Relu(layer.x)))

    with pytest.raises(RewriteLoop, match="do not come to an end after 150 steps; the last were by deeper") as caught:
        run(module_of("%y = tanh(%x)"), deeper)
    assert caught.value.rules == ("deeper",)


def test_counting_in_a_constant_is_no_loop() -> None:
    @rewrite(Add)
    def up(layer: Add, builder: Builder) -> Layer | No:
        """x + k -> x + (k + 1) up to 9"""
        assert isinstance(layer.b, Constant)
        if layer.b.data.max() > 8:
            return No("large enough")
        return Add(layer.a, builder.constant("k", layer.b.data + np.float32(1)))

    for size in (4, 40):
        module = parse_module(f"ir 1\nnet @main(%x: f32[{size}]) -> (%y: f32[{size}]) {{\n%y = relu(%x)\n}}\n")
        relu = module.main.body.first
        assert relu is not None
        k = module.add_constant("k", np.zeros(size, np.float32))
        module.main.body.replace(relu, Add(module.main.arguments[0], k))
        assert run(module, up)
        assert module.constants["k"].data.max() == 9


def test_moving_a_layer_along_values_of_one_name_is_no_loop() -> None:
    @rewrite(Relu)
    def tanh_down(layer: Relu, builder: Builder) -> Layer | No:
        """relu(tanh(x)) -> tanh(relu(x))"""
        inner = layer.x.owner
        return Tanh(builder.layer(Relu(inner.x))) if isinstance(inner, Tanh) else No("no tanh")

    module = module_of("%a = tanh(%x)\n%b = relu(%a)\n%c = relu(%b)\n%y = relu(%c)")
    for layer in module.main:
        layer.result.name = "v"
    assert run(module, tanh_down)
    assert [layer.op for layer in module.main] == ["relu", "relu", "relu", "tanh"]


def test_constants_without_data_do_no_harm() -> None:
    module = parse_module(
        'ir 1\nweights "gone" {\n@w : f32[4]\n}\n'
        "net @main(%x: f32[4]) -> (%y: f32[4]) {\n%a = add(%x, @w)\n%y = tanh(%a)\n}\n"
    )

    @rewrite(Add)
    def commuted(layer: Add) -> Layer | No:
        """x + @w -> @w + x"""
        return Add(layer.b, layer.a) if isinstance(layer.b, Constant) else No("done")

    assert run(module, commuted)
    assert [v.name for v in module.main.body.first.operands] == ["w", "x"]  # type: ignore[union-attr]


# --- outcomes that cannot be ---


def returns_a_constant(layer: Tanh, builder: Builder) -> Outcome:
    return builder.constant("zero", np.zeros(3, np.float32))


def returns_two(layer: Tanh, builder: Builder) -> Outcome:
    return (layer.x, layer.x)


def returns_another_type(layer: Tanh, builder: Builder) -> Outcome:
    return Slice(layer.x, axes=(0,), starts=(0,), stops=(2,))


def returns_what_is_there(layer: Tanh, builder: Builder) -> Outcome:
    return layer


def returns_its_result(layer: Tanh, builder: Builder) -> Outcome:
    return layer.result


def returns_a_reader_of_the_root(layer: Tanh, builder: Builder) -> Outcome:
    return builder.layer(Relu(layer.result))


def returns_what_comes_later(layer: Tanh, builder: Builder) -> Outcome:
    (reader,) = layer.result.users
    return Relu(reader.result)


def returns_what_is_nowhere(layer: Tanh, builder: Builder) -> Outcome:
    return Relu(Value("lost", layer.x.type, owner=Relu(layer.x)))


def returns_a_stray_constant(layer: Tanh, builder: Builder) -> Outcome:
    return Add(layer.x, Constant("stray", np.zeros(4, np.float32)))


def returns_what_does_not_fit(layer: Tanh, builder: Builder) -> Outcome:
    return Add(layer.x, builder.constant("three", np.zeros(3, np.float32)))


def makes_what_does_not_fit(layer: Tanh, builder: Builder) -> Outcome:
    return builder.layer(Add(layer.x, builder.constant("three", np.zeros(3, np.float32))))


def raises(layer: Tanh, builder: Builder) -> Outcome:
    builder.layer(Relu(layer.x))
    raise KeyError("weight")


@pytest.mark.parametrize(
    ("function", "problem"),
    [
        (returns_a_constant, "it changes the type from f32[4] to f32[3]"),
        (returns_two, "it changes the type from f32[4] to f32[4], f32[4]"),
        (returns_another_type, "it changes the type from f32[4] to f32[2]"),
        (returns_what_is_there, "it returns %a (tanh), which is in a function; return its result, or a copy of it"),
        (returns_its_result, "it uses %a, which is not defined before the layer"),
        (returns_a_reader_of_the_root, "it uses %a, which is not defined before the layer"),
        (returns_what_comes_later, "it uses %y, which is not defined before the layer"),
        (returns_what_is_nowhere, "it uses %lost, which is not defined before the layer"),
        (returns_a_stray_constant, "it uses @stray, which is not in the module; make constants with the builder"),
        (returns_what_does_not_fit, "ShapeError: shapes [4] and [3] do not broadcast"),
        (makes_what_does_not_fit, "ShapeError: shapes [4] and [3] do not broadcast"),
        (raises, "KeyError: 'weight'"),
    ],
)
def test_a_wrong_outcome_names_rule_and_layer_and_changes_nothing(
    function: Callable[[Tanh, Builder], Outcome], problem: str
) -> None:
    module = module_of("%a = tanh(%x)\n%y = relu(%a)")
    before = str(module)
    with pytest.raises(RewriteError) as caught:
        run(module, rewrite(Tanh)(function))
    assert str(caught.value) == f"rewrite {function.__name__} on %a (tanh): {problem}"
    assert str(module) == before


def test_an_error_of_the_user_passes_through() -> None:
    @rewrite(Tanh)
    def reads(layer: Tanh) -> Value:
        """tanh(x) -> x"""
        raise IRError(Diagnostic("P007", "the weights are gone"))

    with pytest.raises(IRError, match="the weights are gone"):
        run(module_of("%y = tanh(%x)"), reads)
