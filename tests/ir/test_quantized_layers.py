"""Layers with quantized operands: what `to` and `rounding` may be, and what has a rule for integers."""

from __future__ import annotations

import pytest

from plait.ir.diagnostics import IRError
from plait.ir.dtypes import DType, Quantized, element_type
from plait.ir.layer import Layer
from plait.ir.quantization import why_not_integer
from plait.ir.registry import known_layers
from plait.ir.text import parse_module, print_module

Q, W = "qu8<0.5:3>", "q8<[0.5, 0.25] axis 0>"
IMAGE = f"{Q}[1x2x4x4]"


def layer_of(line: str, *types: str) -> Layer:
    arguments = ", ".join(f"%{name}: {type}" for name, type in zip("abcd", types, strict=False))
    module = parse_module(f"ir 1\nnet @main({arguments}) -> () {{\n  %y = {line}\n}}\n")
    assert print_module(parse_module(print_module(module))) == print_module(module)
    (layer,) = module.walk()
    return layer


@pytest.mark.parametrize(
    ("line", "types", "result"),
    [
        ("conv2d(%a, %b)", [IMAGE, f"{W}[2x2x1x1]"], Q),
        ("conv2d(%a, %b) {to = qu8<0.1>}", [IMAGE, f"{W}[2x2x1x1]"], "qu8<0.1>"),
        ("conv2d(%a, %b, %c) {to = q8<0.1>, act = relu}", [IMAGE, f"{W}[2x2x1x1]", "f32[2]"], "q8<0.1>"),
        ("conv2d(%a, %b, %c) {rounding = fixed_point}", [IMAGE, f"{W}[2x2x1x1]", "q32<0.25>[2]"], Q),
        ("conv2d(%a, %b, %c, %d)", [IMAGE, f"{W}[2x2x1x1]", "q32<0.25>[2]", IMAGE], Q),
        ("fully_connected(%a, %b) {to = q16<0.1>}", [f"{Q}[1x4]", f"{W}[2x4]"], "q16<0.1>"),
        ("matmul(%a, %b) {to = q32<0.1>}", [f"{Q}[3x4]", "q4<[0.5, 0.25] axis 1>[4x2]"], "q32<0.1>"),
        ("add(%a, %b)", [f"{Q}[3]", "q8<0.1>[1]"], Q),
        ("sub(%a, %b) {rounding = fixed_point}", [f"{Q}[3]", "q8<0.1>[1]"], Q),
        ("mul(%a, %b) {to = q8<3.0>}", [f"{Q}[3]", "q8<0.1>[1]"], "q8<3.0>"),
        ("avg_pool2d(%a) {kernel = 2, rounding = fixed_point}", [IMAGE], Q),
        ("max_pool2d(%a) {kernel = 2, to = q8<1.0>}", [IMAGE], "q8<1.0>"),
        ("global_avg_pool(%a) {to = q8<1.0>, rounding = fixed_point}", [IMAGE], "q8<1.0>"),
        ("reduce(%a) {fn = mean, rounding = fixed_point}", [IMAGE], Q),
        ("concat(%a, %b) {to = q8<1.0>}", [IMAGE, "q8<0.1>[1x3x4x4]"], "q8<1.0>"),
        ("resize(%a) {size = 3, to = q8<1.0>}", [IMAGE], "q8<1.0>"),
        ("pad(%a) {before = [1], after = [1], to = q8<1.0>}", [f"{Q}[3]"], "q8<1.0>"),
        ("cast(%a) {to = q8<1.0>, rounding = fixed_point}", [f"{Q}[3]"], "q8<1.0>"),
    ],
)
def test_layers_on_integers(line: str, types: list[str], result: str) -> None:
    layer = layer_of(line, *types)
    assert layer.result.type.dtype == element_type(result)
    assert why_not_integer(layer) is None


@pytest.mark.parametrize(
    ("line", "types", "result", "reason"),
    [
        ("conv2d(%a, %b) {to = f32}", [IMAGE, f"{W}[2x2x1x1]"], "f32", "the result is f32"),
        ("conv2d(%a, %b)", [IMAGE, "f32[2x2x1x1]"], Q, "weight holds f32"),
        ("conv2d(%a, %b) {to = q8<0.1>}", ["f32[1x2x4x4]", "f32[2x2x1x1]"], "q8<0.1>", "x holds f32"),
        ("conv2d(%a, %b)", [IMAGE, "q8<[0.5, 0.25] axis 1>[2x2x1x1]"], Q, "weight has several scales"),
        ("conv2d(%a, %b, residual = %c)", [IMAGE, f"{W}[2x2x1x1]", "f32[1x2x4x4]"], Q, "residual holds f32"),
        ("add(%a, %b)", [f"{Q}[3]", "q32<0.1>[3]"], Q, "b holds i32"),
        ("add(%a, %b) {to = q8<[0.1, 0.2] axis 0>}", [f"{Q}[2]", f"{Q}[2]"], "q8<[0.1, 0.2] axis 0>", "the result is"),
        ("div(%a, %b) {to = q8<1.0>}", [f"{Q}[3]", "q8<0.1>[3]"], "q8<1.0>", "div has no rule"),
        ("sigmoid(%a) {to = qu8<0.00390625>}", [f"{Q}[3]"], "qu8<0.00390625>", "sigmoid has no rule"),
        ("unary(%a) {fn = exp, to = f16}", [f"{Q}[3]"], "f16", "unary has no rule"),
        ("reduce(%a) {fn = sum, to = q16<1.0>}", [IMAGE], "q16<1.0>", "fn = sum has no rule"),
        ("resize(%a) {size = 3, mode = linear}", [IMAGE], Q, "linear mixes elements"),
    ],
)
def test_layers_on_numbers(line: str, types: list[str], result: str, reason: str) -> None:
    layer = layer_of(line, *types)
    assert layer.result.type.dtype == element_type(result)
    assert str(why_not_integer(layer)).startswith(reason)


@pytest.mark.parametrize(
    ("line", "types", "message"),
    [
        ("add(%a, %b) {to = q8<0.1>}", ["i32[3]", "i32[3]"], "to = q8<0.1> is for floating-point and quantized num"),
        ("add(%a, %b) {to = i8}", [f"{Q}[3]", f"{Q}[3]"], "to = i8: results are quantized or floating-point numbers"),
        ("relu(%a) {to = f16}", ["f32[3]"], "to = f16 where no operand is quantized: that is what cast does"),
        ("relu(%a) {to = 3}", ["f32[3]"], "wants an element type, got 3"),
        ("relu(%a) {rounding = half_even}", [f"{Q}[3]"], "relu has no attribute 'rounding'"),
        ("add(%a, %b) {rounding = nearest}", [f"{Q}[3]", f"{Q}[3]"], "unknown rounding 'nearest'"),
        ("add(%a, %b) {rounding = fixed_point}", ["f32[3]", "f32[3]"], "fixed_point is for layers that compute on int"),
        ("cast(%a) {to = q8<0.1>, rounding = fixed_point}", ["f32[3]"], "compute on integers, but x holds f32"),
        ("conv2d(%a, %b, %a, %a) {rounding = fixed_point}", [IMAGE, f"{W}[2x2x1x1]"], "bias must be"),
        ("conv2d(%a, %b, residual = %a) {rounding = fixed_point}", [IMAGE, f"{W}[2x2x1x1]"], "has no rule in fixed p"),
        ("concat(%a, %b)", [IMAGE, "q8<0.1>[1x3x4x4]"], "does not fit"),
        ("concat(%a, %b) {to = q8<1.0>, axis = 0}", ["f32[3]", "q8<0.1>[3]"], "does not fit"),
    ],
)
def test_refused(line: str, types: list[str], message: str) -> None:
    with pytest.raises(IRError) as error:
        layer_of(line, *types)
    assert message in str(error.value) and error.value.diagnostics[0].code in ("P102", "P104")


def test_integer_operands_are_operands() -> None:
    for name, spec in known_layers().items():
        assert set(spec.cls.integer_operands) <= {o.name for o in spec.operands}, name


def test_scales_are_float32() -> None:
    dtype = Quantized(DType.I8, 0.1)
    assert dtype == element_type("q8<0.1>") == element_type("q8<0.10000000149011612>")
    assert str(dtype) == "q8<0.1>" and dtype.scale == 0.10000000149011612
    with pytest.raises(ValueError, match="positive and finite"):
        Quantized(DType.I8, 1e-60)


def test_an_axis_of_scales_makes_room_for_a_new_one() -> None:
    line = "concat_from_sequence(%a) {axis = 0, new_axis = true}"
    layer = layer_of(line, f"seq<{W}[2x3]>")
    assert layer.result.type.dtype == element_type("q8<[0.5, 0.25] axis 1>")
    layer = layer_of(line.replace("axis = 0", "axis = 1"), f"seq<{W}[2x3]>")
    assert layer.result.type.dtype == element_type(W)
    with pytest.raises(IRError, match="no place along a new axis"):
        constant = "const @s : f32[1x3] = [1, 1, 1]"
        text = f"ir 1\n{constant}\nnet @main(%a: seq<q8<@s axis 0 block 2>[2x3]>) -> () {{\n  %y = {line}\n}}\n"
        parse_module(text)
