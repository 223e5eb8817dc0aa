"""What stands bare in the text form, and what needs quotes to read back."""

from __future__ import annotations

import math

import pytest

from plait.ir import DType, Function, IRError, Location, Module, OpaqueLayer, Region, TensorType, Value
from plait.ir.layers.activations import Relu
from plait.ir.text import parse_attributes, parse_module, print_module

F32_4 = TensorType(DType.F32, (4,))


def relu_net(**annotations: object) -> Module:
    """One relu, annotated."""
    function = Function("main", [Value("x", F32_4)])
    function.set_outputs([function.body.append(Relu(*function.arguments, **annotations), ["y"]).result])
    return Module([function])


def opaque_net(layer: OpaqueLayer, argument: Value) -> Module:
    """A net of one layer of a kind that is not registered."""
    function = Function("main", [argument])
    function.set_outputs([function.body.append(layer, ["y"]).result])
    return Module([function])


@pytest.mark.parametrize("cost", [0.001234, 1e-9, 123.456, 12.5, 3.0, 1e20, 0.1 + 0.2])
def test_costs_read_back_exactly(cost: float) -> None:
    (layer,) = parse_module(print_module(relu_net(cost_us=cost))).main
    assert layer.cost_us == cost


def test_costs_have_two_decimals_where_these_are_exact() -> None:
    text = print_module(relu_net(cost_us=12.5))
    assert "!12.50us" in text
    assert "!0.001234us" in print_module(relu_net(cost_us=0.001234))


@pytest.mark.parametrize(
    "via", ["cpu/f32/row/relu", "cpu/f32[tile=14x2]", "my-vendor/x", "null", "a b", 'a"b', "a/b[\n]"]
)
def test_every_path_of_a_routine_reads_back(via: str) -> None:
    (layer,) = parse_module(print_module(relu_net(via=via))).main
    assert layer.via == via


@pytest.mark.parametrize("device", ["gpu", "gpu:0", "on", "via", "a b", ""])
def test_every_device_reads_back(device: str) -> None:
    module = relu_net()
    module.main.arguments[0].type = TensorType(DType.F32, (4,), None, device)
    again = parse_module(print_module(module))
    assert again.main.arguments[0].type.device == device


@pytest.mark.parametrize("comment", ["", " ", "\x0b", "\n", "a\n\nb", "a\n", "  a", "// a", "a\u2028b", '"', "é"])
def test_every_comment_reads_back_but_blank_ones(comment: str) -> None:
    module = relu_net(comment=comment)
    again = parse_module(print_module(module))
    assert again == module
    (layer,) = again.main
    assert layer.comment == (comment if comment.strip() else "")


def test_a_comment_belongs_to_the_first_layer_of_a_line() -> None:
    head, tail = "ir 1\nnet @main(%x: f32[4]) -> (%b: f32[4]) {\n", "\n}\n"
    first, second = parse_module(f"{head}  // one\n  %a = relu(%x) %b = relu(%a) // two{tail}").main
    assert (first.comment, second.comment) == ("one", "")


@pytest.mark.parametrize("text", ["", "//", "\u2028", 'a"b\\', "c\nd"])
def test_every_location_reads_back(text: str) -> None:
    place = Location(text, text)
    (layer,) = parse_module(print_module(relu_net(locations=(place,)))).main
    assert layer.locations == (place,)


WORDS = [
    "via",
    "loc",
    "on",
    "seq",
    "optional",
    "true",
    "ir",
    "net",
    "const",
    "inf",
    "q8",
    "f32",
    "0",
    "//",
    "%",
    "a b",
    "",
]


@pytest.mark.parametrize("word", WORDS)
def test_every_name_of_values_nets_and_outputs_reads_back(word: str) -> None:
    module = relu_net()
    function = module.functions.pop("main")
    function.name, function.arguments[0].name, function.output_names = word, word, [word]
    module.functions[word] = function
    again = parse_module(print_module(module))
    assert again == module
    assert again.functions[word].arguments[0].name == (word or "v")
    assert again.functions[word].output_names == [word]


@pytest.mark.parametrize("word", WORDS)
def test_every_attribute_and_region_name_reads_back(word: str) -> None:
    argument = Value("x", F32_4)
    inner = Region([Value("r", F32_4)])
    inner.outputs = inner.arguments
    values = {word: word, "list": (word, {word: word})}
    module = opaque_net(OpaqueLayer("via", (argument,), values, {word: inner}, declared=(F32_4,)), argument)
    again = parse_module(print_module(module), allow_unknown=True)
    assert again == module
    (layer,) = again.main
    assert isinstance(layer, OpaqueLayer)
    assert layer.values == values
    assert list(layer.bodies) == [word]


@pytest.mark.parametrize("value", [-0.0, 0, 10**30, -(2**63), 1e308, 5e-324, math.inf, -math.inf, True, (), {}, ""])
def test_every_value_of_an_attribute_reads_back(value: object) -> None:
    argument = Value("x", F32_4)
    module = opaque_net(OpaqueLayer("kind", (argument,), {"a": value}, declared=(F32_4,)), argument)
    (layer,) = parse_module(print_module(module), allow_unknown=True).main
    assert isinstance(layer, OpaqueLayer)
    assert repr(layer.values["a"]) == repr(value)


def test_names_of_attributes_may_stand_in_quotes() -> None:
    text = 'ir 1\nnet @main(%x: f32[4]) -> (%y: f32[4]) {\n  %y = softmax(%x) {"axis" = 0}\n}\n'
    assert "{axis = 0}" in print_module(parse_module(text))


@pytest.mark.parametrize(
    ("text", "column", "message"),
    [
        ("{a = 1e400}", 6, "1e400 is too large for a float64"),
        ("{a = 1, a = 2}", 9, "'a' is given twice"),
        ('{a = {b = 1, "b" = 2}}', 14, "'b' is given twice"),
    ],
)
def test_what_would_be_lost_is_refused(text: str, column: int, message: str) -> None:
    with pytest.raises(IRError, match=message) as caught:
        parse_attributes(text)
    (found,) = caught.value.diagnostics
    assert found.code == "P006" and found.span is not None and found.span.column == column


def test_a_malformed_device_is_told() -> None:
    with pytest.raises(IRError, match="is not a string") as caught:
        parse_module('ir 1\nnet @main(%x: f32[4] on "\\q") -> (%x: f32[4]) {\n}\n')
    assert caught.value.code == "P006"
