"""What is said of mistakes that people make when they write the text by hand."""

from __future__ import annotations

import pytest

from plait.ir import IRError
from plait.ir.text import parse_module

HEAD = "the head of a net is: net @main(%x: f32[4]) -> (%y: f32[4]) {"
END = "expected the rest of the layer, another one or '}'"


def net(*lines: str) -> str:
    return "ir 1\nnet @main(%x: f32[4]) -> (%y: f32[4]) {\n" + "".join(f"  {line}\n" for line in lines) + "}\n"


def headed(head: str) -> str:
    return f"ir 1\n{head}\n  %y = relu(%x)\n}}\n"


def mistakes(text: str) -> list[str]:
    with pytest.raises(IRError) as caught:
        parse_module(text)
    return [f"{d.message}; {d.hint}" if d.hint else d.message for d in caught.value.diagnostics]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "unexpected end of the file; expected 'ir'; a text starts with the line: ir 1"),
        ("net @main() -> () {}", "a text starts with the line: ir 1"),
        ("ir v1", "a text starts with the line: ir 1"),
        ("ir 1\nfunc @main() -> () {}", "functions are nets: net @main("),
        ('ir 1\nweigths "a" {}', "did you mean weights?"),
        ("ir 1\nnet main() -> () {}", HEAD),
        (headed("net @main(%x) -> (%y: f32[4]) {"), HEAD),
        (headed("net @main(%x: f32[4]) (%y: f32[4]) {"), HEAD),
        (headed("net @main(%x: f32[4]) -> (%y) {"), HEAD),
        (headed("net @main(%x: f32[4]) -> %y: f32[4] {"), HEAD),
        (headed("net @main(%x: f32) -> (%y: f32[4]) {"), "a tensor type is an element type and a shape"),
        (headed("net @main(%x: tensor<4xf32>) -> (%y: f32[4]) {"), "a tensor type is an element type and a shape"),
        (net("%y = relu(%x)").removesuffix("}\n"), f"unexpected end of the file; {END}; a '{{' is not closed"),
        ("ir 1\nconst @k = 1.0", "a constant is: const @k : f32[2] = [1.0, 2.0]"),
        ("ir 1\nconst %k : f32[] = 1.0", "a constant is: const @k : f32[2] = [1.0, 2.0]"),
        ("ir 1\nconst @k : f32[2] = [1, 2", "a ']' is missing"),
        ("ir 1\nconst @k : f32[2] = [1 2]", "a comma is missing before 2"),
        ("ir 1\nconst @k : f32[] = .5", 'expected a value such as 1, 2.5, "text", word, [1, 2] or {a = 1}; numbers st'),
        ("ir 1\nconst @k : i32[] = 0x10", "numbers are decimal"),
        (net("%y relu(%x)"), "a layer is: %y = relu(%x)"),
        (net("relu(%x)"), "each layer names its results: %y = relu(...)"),
        (net("%y = relu(%x)", "tanh(%y)"), "each layer names its results: %y = tanh(...)"),
        (net("y = relu(%x)"), "did you mean %y?"),
        (net("%a = relu(%x)", "y = relu(%a)"), "results start with a %: %y = ..."),
        (net("%y = relu(x)"), "values start with a %, constants with an @: %x"),
        (net("%y = relu %x"), "operands stand in parentheses: relu(%x)"),
        (net("%y = relu[%x]"), "operands stand in parentheses: relu(%x)"),
        (net("%y = add(%x %x)"), "a comma is missing before %x"),
        (net("%y = relu(%x"), "a ')' is missing"),
        (net("%y : f32[4] = relu(%x)"), "types stand at the end: %y = relu(%x) : f32[4]"),
        (net("f32[4] %y = relu(%x)"), "types stand at the end: %y = relu(%x) : f32[4]"),
        (net("%y = softmax(%x) {axis: 0}"), "attributes are written name = value"),
        (net("%y = softmax(%x, axis = 0)"), "attributes stand in braces after the operands"),
        (net("%y = softmax(%x) [axis = 0]"), f"{END}; attributes stand in braces: {{axis = 1}}"),
        (net("%y = softmax(%x) : f32[4] {axis = 0}"), f"{END}; attributes stand before the types"),
        (net("%y = reduce(%x) {fn = sum keep = true}"), "a comma is missing before keep"),
        (net("%y = relu(%x);"), f"{END}; statements need no sign at their end"),
        (net("# relu", "%y = relu(%x)"), "comments start with // and end with the line"),
        (net("/* relu */", "%y = relu(%x)"), "comments start with // and end with the line"),
        (net("%y = relu(%x)", "return %y"), "there is no return: the head of a net names its outputs"),
        (net("%y = relu(%x) loc 'a':'b'"), 'strings stand in double quotes: "text"'),
        (net('%y = relu(%x) loc "a'), "the string does not end on its line"),
        (net('%y = relu(%x) loc "a" "b"'), 'a location is a file and a name: loc "model.onnx":"conv1"'),
        (net('%y = relu(%x) loc "a":"b" via a/b'), "the order is: {attributes} : types via routine !time loc place"),
        (net("%y = relu(%x) 5us"), f"{END}; times are in microseconds: !12.50us"),
        (net("%y = relu(%x) !5ms"), f"{END}; times are in microseconds: !12.50us"),
    ],
)
def test_syntax(text: str, said: str) -> None:
    assert said in mistakes(text)[0]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (net("%y = rellu(%x)"), "unknown layer 'rellu'; did you mean relu"),
        (net("%y = softmax(%x) {axes = 0}"), "did you mean axis?"),
        (net("%y = conv2d(%x, weigth = %x)"), "did you mean weight?"),
        (net("%y = relu(%xx)"), "%xx is not defined; did you mean %x?"),
        (net("%y = relu(@x)"), "@x is not defined; did you mean %x?"),
        (net("%y = add(%x, @scal)").replace("ir 1", "ir 1\nconst @scale : f32[] = 1"), "did you mean @scale?"),
        (net("%y = add(%x, %k)").replace("ir 1", "ir 1\nconst @k : f32[] = 1"), "did you mean @k?"),
        (net("%y = call(%x) {callee = @maim} : f32[4]"), "there is no net @maim; did you mean @main?"),
        (net("%y = add(%x, %x) {act = rellu}"), "unknown activation 'rellu'; did you mean relu"),
        (net("%y = unary(%x) {fn = sqr}"), "unknown function 'sqr'; did you mean sqrt"),
        (net("%y = unary(%x) {fn = 1}"), "unknown function 1 (known: "),
        (net("%y = reduce(%x) {fn = means}"), "unknown reduction 'means'; did you mean mean"),
        (net("%y = reduce(%x) {fn = MAX}"), "unknown reduction 'MAX'; did you mean max"),
        (net("%y = cast(%x) {to = float16}"), "unknown dtype 'float16'; did you mean f16?"),
        (net("%y = cast(%x) {to = f32, rounding = upp}"), "unknown rounding 'upp'; did you mean up?"),
        (headed("net @main(%x: float32[4]) -> (%y: f32[4]) {"), "unknown dtype 'float32'; did you mean f32?"),
        (headed("net @main(%x: Double[4]) -> (%y: f32[4]) {"), "unknown dtype 'Double'; did you mean f64?"),
        (headed("net @main(%x: int8[4]) -> (%y: f32[4]) {"), "unknown dtype 'int8'; did you mean i8?"),
        (headed("net @main(%x: qu88<0.5>[4]) -> (%y: f32[4]) {"), "unknown quantized type 'qu88'; did you mean qu8"),
        (headed("net @main(%x: f32[1x2x3x4] NHWC) -> (%y: f32[4]) {"), "unknown layout 'NHWC'; did you mean nhwc"),
        (headed("net @main(%x: f32[1, 4]) -> (%y: f32[4]) {"), "separated by x, not by commas; did you mean [1x4]?"),
        (headed("net @main(%x: f32[?x4]) -> (%y: f32[4]) {"), "a size that is not known has a name, such as N"),
        ("ir 1\nconst @k : f32[2x2] = [[1, 2], [3, 4]]", "the elements stand in one list, whatever the shape"),
    ],
)
def test_names_and_values(text: str, said: str) -> None:
    assert said in mistakes(text)[0]


def test_an_unclosed_net_is_one_mistake() -> None:
    assert len(mistakes(net("%y = relu(%x)", "%z = relu(%y)").removesuffix("}\n"))) == 1
