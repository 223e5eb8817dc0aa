"""The verifier on modules in memory: what a text cannot show, every branch of it."""

from __future__ import annotations

import numpy as np
import pytest

from plait.ir import Function, IRError, Module, TensorType, Value, verify
from plait.ir.dtypes import ConstantName, DType, Quantized
from plait.ir.layer import OpaqueLayer
from plait.ir.layers.activations import Relu
from plait.ir.layers.shape import Concat, Split, Transpose
from plait.ir.layout import layout_named
from plait.ir.text import parse_module
from plait.ir.values import Constant
from plait.ir.verify import diagnose

X = TensorType(DType.F32, (2, 4))


def module(*types: TensorType) -> Module:
    return Module([Function("main", [Value(f"x{i}", t) for i, t in enumerate(types or (X,))])])


def findings(found: Module, *, allow_unknown: bool = False) -> list[tuple[str, str]]:
    return [(d.code, d.message) for d in diagnose(found, allow_unknown=allow_unknown)]


def test_a_valid_module_has_no_findings() -> None:
    good = module()
    good.main.set_outputs([good.main.body.append(Relu(good.main.arguments[0])).result])
    verify(good)
    assert findings(good) == []


def test_verify_raises_all_findings() -> None:
    bad = module()
    for _ in range(2):
        bad.main.body.append(OpaqueLayer("rely", tuple(bad.main.arguments), declared=(X,)))
    with pytest.raises(IRError, match="did you mean relu") as caught:
        verify(bad)
    assert [d.code for d in caught.value.diagnostics] == ["P101", "P101"]
    verify(bad, allow_unknown=True)


def test_result_counts() -> None:
    bad = module()
    split = Split(bad.main.arguments[0], sizes=(1, 1), axis=0)
    bad.main.body.append(split, ["a"], [X])
    relu = Relu(bad.main.arguments[0])
    bad.main.body.append(relu, ["b", "c"], [X, X])
    assert findings(bad) == [
        ("P103", "split makes 2 results, not 1"),
        ("P103", "relu makes 1 result, not 2"),
    ]


def test_operands_of_an_unexpected_rank() -> None:
    bad = module(TensorType(DType.F32, ()))
    bad.main.body.append(Concat(tuple(bad.main.arguments), axis=0), ["y"], [X])
    bad.main.body.append(Transpose(bad.main.arguments[0], perm=(0, 1)), ["z"], [X])
    (first, second) = findings(bad)
    assert first[0] == second[0] == "P104" and "transpose: perm [0, 1] is not a permutation" in second[1]


def test_a_rule_that_fails_on_its_operands() -> None:
    class Odd(Relu):
        def infer(self) -> TensorType:
            raise IndexError("tuple index out of range")

    Odd.spec = Relu.spec
    bad = module()
    bad.main.body.append(Odd(bad.main.arguments[0]), ["y"], [X])
    assert findings(bad) == [("P104", "relu: operands do not fit together (tuple index out of range)")]


def test_constants_that_types_name() -> None:
    type = TensorType(Quantized(DType.I8, ConstantName("scale"), axis=1), (2, 4))
    bad = module(type)
    bad.main.body.append(OpaqueLayer("id", tuple(bad.main.arguments), declared=(type,)), ["y"], [type])
    message = "names @scale, which is not a constant of the module"
    assert findings(bad, allow_unknown=True) == [
        ("P003", f"the type of %x0 {message}"),
        ("P003", f"the type of %y {message}"),
    ]
    bad.add_constant("scale", np.ones(4, np.float32))
    assert findings(bad, allow_unknown=True) == []


def test_formats_of_arguments_of_functions_and_regions() -> None:
    text = """\
ir 1
const @n : i64[] = 3
const @go : bool[] = true
net @main(%x: f32[2x4]) -> (%y: f32[2x4]) {
  %y = loop(@n, @go, %x)
    body (%i: i64[], %g: bool[], %v: f32[2x4]) -> (%g: bool[], %v: f32[2x4]) {
    } : f32[2x4]
}
"""
    bad = parse_module(text)
    (loop,) = bad.main
    for value in (bad.main.arguments[0], loop.regions()[0].arguments[2], loop.result):
        value.type = TensorType(DType.F32, (2, 4), layout_named("nchw"))
    assert findings(bad) == [
        ("P106", "layout nchw does not fit rank 2"),
        ("P106", "layout nchw does not fit rank 2"),
        ("P106", "layout nchw does not fit rank 2"),
    ]


def test_constants_of_another_module() -> None:
    bad = module()
    stray = Constant("c", np.zeros(2, np.float32))
    bad.main.body.append(Relu(stray))
    bad.main.set_outputs([stray])
    assert findings(bad) == [
        ("P003", "constant @c is not in the module"),
        ("P105", "output %c is not defined in net @main"),
    ]


@pytest.mark.parametrize(
    ("scale", "type", "message"),
    [
        ("f32[3] = [1, 2, 3]", "q8<@s axis 0>[4]", "the scales @s do not fit, got f32[3]"),
        ("f32[2] = [1, 2]", "q8<@s>[4]", "the scales @s do not fit, got f32[2]"),
        ("f32[2x1] = [1, 2]", "q8<@s axis 0 block 4>[4x1]", "the scales @s do not fit, got f32[2x1]"),
        ("string[1] = ['a']", "q8<@s>[4]", "the scales @s must be numbers, got string[1]"),
        ("i8[2] = [1, 2]", "q8<0.5:@s>[4]", "the zero points @s do not fit, got i8[2]"),
        ("q8<0.5>[1] = [1]", "q8<@s>[4]", "the scales @s must be numbers, got q8<0.5>[1]"),
    ],
)
def test_scales_and_zero_points_must_fit(scale: str, type: str, message: str) -> None:
    text = f"ir 1\nconst @s : {scale}\nnet @main(%x: {type}) -> (%x: {type}) {{\n}}\n".replace("'", '"')
    with pytest.raises(IRError) as caught:
        parse_module(text)
    (found,) = caught.value.diagnostics
    assert (found.code, found.message) == ("P006", f"the type of %x: {message}")


@pytest.mark.parametrize(
    ("scale", "type"),
    [
        ("f32[4] = [1, 2, 3, 4]", "q8<@s axis 1>[1x4]"),
        ("f32[1] = [1]", "q8<@s axis 1>[1x4]"),
        ("f32[2] = [1, 2]", "q8<@s axis 0>[N]"),
        ("f32[1x2] = [1, 2]", "q8<@s axis 1 block 3>[1x4]"),
    ],
)
def test_scales_that_fit(scale: str, type: str) -> None:
    parse_module(f"ir 1\nconst @s : {scale}\nnet @main(%x: {type}) -> (%x: {type}) {{\n}}\n")


def test_types_of_constants_are_checked_too() -> None:
    with pytest.raises(IRError, match="the type of @k names @s, which is not a constant") as caught:
        parse_module("ir 1\nconst @k : q8<@s>[1] = [1]\nnet @main(%x: f32[4]) -> (%x: f32[4]) {\n}\n")
    assert caught.value.code == "P003"


def test_sizes_of_constants_are_numbers() -> None:
    with pytest.raises(IRError, match="the sizes of a constant must be numbers") as caught:
        parse_module('ir 1\nweights "a" {\n  @k : f32[N]\n}\n')
    assert caught.value.code == "P006"


def test_scales_of_constants_are_not_dropped() -> None:
    module = parse_module(
        "ir 1\nconst @s : f32[1] = [2.0]\nconst @k : q8<@s>[1] = [1]\nconst @t : f32[1] = [2.0]\n"
        "const @unused : q8<@t>[1] = [1]\n"
        "net @main() -> (%y: f32[1]) {\n  %y = cast(@k) {to = f32}\n}\n",
        check=False,
    )
    assert module.drop_unused_constants() == 2
    assert list(module.constants) == ["s", "k"]


def test_outputs_without_names_and_arguments_that_repeat() -> None:
    damaged = module()
    (x,) = damaged.main.arguments
    damaged.main.body.outputs = [x]
    assert findings(damaged) == [("P107", "net @main has 1 outputs but 0 names for them")]
    assert "-> (%x0: f32[2x4])" in str(damaged)
    damaged.main.set_outputs([x], ["y"])
    damaged.main.body.arguments.append(x)
    assert findings(damaged) == [("P107", "%x0 is an argument twice")]


def test_types_of_unknown_layers_are_checked() -> None:
    text = "ir 1\nnet @main(%x: f32[4]) -> () {\n  %y = strange(%x) : f32[4] nhwc\n}\n"
    with pytest.raises(IRError, match="layout nhwc does not fit rank 1") as caught:
        parse_module(text, allow_unknown=True)
    assert caught.value.code == "P106"
