"""Generic text by other hands: what is taken, and where errors are."""

from __future__ import annotations

import pytest

from plait.ir import IRError
from plait.ir.diagnostics import Location
from plait.ir.text import parse_module, print_module
from plait.ir.text.parser import is_generic

TEXT = """// A comment.
"builtin.module"() ({
  %w = "plait.const"() {name = "weight", value = dense<1.0> : tensor<2xf32>} : () -> tensor<2xf32>
  "plait.net"() <{sym_name = "main"}> ({
  ^bb0(%x: tensor<4x2xf32>):
    // The sum.
    %0:2 = "plait.split"(%x) <{axis = 0, sizes = [1, 3]}>
      : (tensor<4x2xf32>) -> (tensor<1x2xf32>, tensor<3x2xf32>) loc("a")
    %1 = "plait.add"(%0#1, %w) {act = "relu"} : (tensor<3x2xf32>, tensor<2xf32>) -> tensor<3x2xf32> loc("f.py":3:4)
    "plait.return"(%1, %0#0) : (tensor<3x2xf32>, tensor<1x2xf32>) -> ()
  }) : () -> ()
}) : () -> ()
"""


def test_text_as_mlir_prints_it() -> None:
    module = parse_module(TEXT)
    assert print_module(module).splitlines() == [
        "ir 1",
        "const @weight : f32[2] = [1.0, 1.0]",
        "net @main(%x: f32[4x2]) -> (%1: f32[3x2], %0.0: f32[1x2]) {",
        "  // The sum.",
        '  %0.0, %0.1 = split(%x) {sizes = [1, 3], axis = 0} : f32[1x2], f32[3x2] loc "":"a"',
        '  %1 = add(%0.1, @weight) {act = relu} : f32[3x2] loc "f.py":"3:4"',
        "}",
    ]
    assert [layer.locations for layer in module.main] == [(Location("", "a"),), (Location("f.py", "3:4"),)]


def test_only_generic_text_is_taken_for_it() -> None:
    assert is_generic(TEXT) and is_generic('\n \t// x\n//\n"builtin.module"')
    assert not any(is_generic(text) for text in ("", "ir 1", '// "builtin.module"', '"builtin"', "builtin.module {"))


def test_names_that_tools_have_copied_are_made_different() -> None:
    text = TEXT.replace('act = "relu"}', 'act = "relu", plait.names = ["x"]}')
    assert "%x.1 = add(%0.1, @weight)" in print_module(parse_module(text))


@pytest.mark.parametrize("value", ["dense<[1.0, 1.0]>", "dense<[0x3F800000, 1]>", 'dense<"0x0000803F">', "dense<1>"])
def test_elements(value: str) -> None:
    assert parse_module(TEXT.replace("dense<1.0>", value)) == parse_module(TEXT)


def wrong(old: str, new: str, code: str, at: str, message: str) -> object:
    return pytest.param(old, new, code, at, message, id=f"{code}-{message[:40]}")


@pytest.mark.parametrize(
    ("old", "new", "code", "at", "message"),
    [
        wrong("(%x) <{", "(%x <{", "P001", "<{axis", "unexpected '<'; expected ')' or ','"),
        wrong("^bb0(", "^bb0((", "P001", "(%x: t", "unexpected '('; expected %value or ')'"),
        wrong('"plait.net"', '"func.func"', "P001", '"func', "a module holds only plait.const, plait.weight and plait"),
        wrong('"plait.return"', '"plait.yield"', "P001", '"plait.yield', "the region must end with plait.return"),
        wrong("%1 =", "%x =", "P002", "%x =", "%x is defined twice"),
        wrong("%1 =", "%w =", "P002", "%w =", "%w is defined twice"),
        wrong("(%0#1,", "(%zz,", "P003", "%zz", "%zz is not defined"),
        wrong("(%0#1,", "(%1,", "P004", "%1, %w", "%1 is used before its definition"),
        wrong("}) : () -> ()\n}) :", "}) : () -> ()\n}) {plait.version = 2} :", "P005", "plait.version", "version 2"),
        wrong("tensor<4x2xf32>):", "tensor<4x2xf33>):", "P006", "f33", "unknown element type 'f33'; did you mean"),
        wrong("<4x2xf32>)", "<4x?xf32>)", "P006", "tensor<4x?x", "1 dimensions are unknown, but dims names 0"),
        wrong("<4x2xf32>)", "<4x2xf32, {lay = 1}>)", "P006", "tensor<4x2xf32, {", "has no 'lay'; did you mean"),
        wrong("<4x2xf32>)", '<4x2xf32, {layout = "x"}>)', "P006", "tensor<4x2xf32, {", "unknown layout 'x'"),
        wrong(
            "<4x2xf32>)", '<4x2xf32, {split = "rows"}>)', "P006", "tensor<4x2xf32, {", "only images are split by rows"
        ),
        wrong("<4x2xf32>)", "<4x2xf32, {device = 1}>)", "P006", "tensor<4x2xf32, {", "must be a string"),
        wrong("dense<1.0> :", "dense<[1.0]> :", "P006", "value", "elements of shape [1], but the type has [2]"),
        wrong("dense<1.0> :", 'dense<"0x00"> :', "P006", "value", "1 bytes are no elements of f32"),
        wrong("dense<1.0> :", 'dense<"0xxx"> :', "P006", "value", "hexadecimal"),
        wrong("dense<1.0> :", "dense<[[1.0], 2.0]> :", "P006", "value", "not equally long"),
        wrong("dense<1.0> :", "dense<true> :", "P006", "name", "@weight: True is not a number"),
        wrong("dense<1.0> : tensor<2x", "dense<1.0> : tensor<3x", "P006", "tensor<3x", "the elements are f32[3], but"),
        wrong('"relu"', r'"\u1"', "P006", r'"\u1"', "is not a string of MLIR"),
        wrong('"relu"', '#plait.attr<"(">', "P006", '"("', "is not an attribute: unexpected '('"),
        wrong('"relu"', '#plait.attr<"1, b = 2">', "P006", '"1, b', "is more than one attribute"),
        wrong('act = "relu"}', "plait.via = 1}", "P102", "plait.via", "via must be a string"),
        wrong(
            'act = "relu"}', "plait.cost_us = -1.0}", "P006", "plait.cost_us", "a cost must be a number of at least 0"
        ),
        wrong('"plait.add"', '"plait.ad"', "P101", '"plait.ad"', "unknown layer 'ad'; did you mean pad or add?"),
        wrong('"plait.add"', '"arith.addf"', "P101", '"arith.addf"', 'layers are operations such as "plait.relu"'),
        wrong('{act = "relu"}', '{actt = "relu"}', "P102", "actt", "add has no attribute 'actt'; did you mean act?"),
        wrong('act = "relu"}', "plait.nams = []}", "P102", "plait.nams", "add has no attribute 'nams'; did you mean"),
        wrong('act = "relu"}', "plait.names = [1]}", "P102", "plait.names", "names must be a list of strings"),
        wrong('act = "relu"}', "plait.names = []}", "P102", "plait.names", "0 names, but 1 results"),
        wrong('"main"}', '"main", arg_names = []}', "P102", '"plait.net"', "0 names, but the region has 1 arguments"),
        wrong('"main"}', '"main", output_names = []}', "P102", "output_names", "0 names, but 2 outputs"),
        wrong('sym_name = "main"', "", "P102", '"plait.net"', "plait.net needs attribute sym_name"),
        wrong('%1 = "', '"', "P102", '"plait.add"', "add must have results, with names"),
        wrong(
            ", value = dense<1.0> : tensor<2xf32>}", "}", "P102", '"plait.const"', "plait.const needs attribute value"
        ),
        wrong("(%0#1, %w)", "(%0#1)", "P103", '"plait.add"', "1 operands but 2 types"),
        wrong(
            "(tensor<3x2xf32>, tensor<2xf32>)", "(tensor<3x2xf32>, tensor<2xf64>)", "P103", "tensor<2xf64>", "%w is st"
        ),
        wrong("(%1, %0#0) : (tensor<3x2xf32>", "(%1, %0#0) : (tensor<3x3xf32>", "P103", "%1, %0", "output is declared"),
    ],
)
def test_errors(old: str, new: str, code: str, at: str, message: str) -> None:
    assert TEXT.count(old) >= 1
    text = TEXT.replace(old, new, 1)
    with pytest.raises(IRError) as caught:
        parse_module(text, "m.mlir")
    found = [
        d
        for d in caught.value.diagnostics
        if d.code == code
        and message in f"{d.message}; {d.hint}"
        and d.span is not None
        and d.span.text[d.span.column - 1 :].startswith(at)
    ]
    assert len(found) == 1, f"{code} at {at!r}: {message}\n{caught.value}"


def test_all_errors_are_reported() -> None:
    text = TEXT.replace('"plait.add"', '"plait.ad"').replace("dense<1.0>", "dense<true>")
    text = text.replace("4x2xf32>):", "4x2xf3>):")
    with pytest.raises(IRError) as caught:
        parse_module(text)
    assert [d.code for d in caught.value.diagnostics] == ["P006", "P006", "P101"]


SEGMENTS = """"builtin.module"() ({
  "plait.net"() <{sym_name = "main"}> ({
  ^bb0(%x: tensor<1x2x3x4xf32>, %w: tensor<2x2x1x1xf32>, %r: tensor<1x2x3x4xf32>):
    %y = "plait.conv2d"(%x, %w, %r) <{operandSegmentSizes = SIZES}>
      : (tensor<1x2x3x4xf32>, tensor<2x2x1x1xf32>, tensor<1x2x3x4xf32>) -> tensor<1x2x3x4xf32>
    "plait.return"(%y) : (tensor<1x2x3x4xf32>) -> ()
  }) : () -> ()
}) : () -> ()
"""


def test_operands_by_segments() -> None:
    text = SEGMENTS.replace("SIZES", "array<i32: 1, 1, 0, 1>")
    assert "%y = conv2d(%x, %w, residual = %r) :" in print_module(parse_module(text))


@pytest.mark.parametrize("sizes", ["1, 1, 1", "1, 1, 1, 1", "2, 1, 0, 0", "-1, 1, 2, 1", "1, 1, 0, 1.5"])
def test_segments_that_do_not_fit(sizes: str) -> None:
    with pytest.raises(IRError, match="operandSegmentSizes") as caught:
        parse_module(SEGMENTS.replace("SIZES", f"array<i32: {sizes}>"))
    assert next((d.code, d.span.line, d.span.column) for d in caught.value.diagnostics if d.span) == ("P102", 4, 39)
