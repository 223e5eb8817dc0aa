"""Random inputs, and what the comparison of two modules finds."""

from __future__ import annotations

import numpy as np
import pytest

from plait.backends.errors import RunError
from plait.ir import Module
from plait.ir.dtypes import DType
from plait.ir.text import parse_module
from plait.testing import NotComputable, NotEquivalent, assert_equivalent, random_inputs
from plait.testing.equivalence import default_tolerance, difference


def net(body: str, arguments: str = "%x: f32[4]", outputs: str = "%y: f32[4]") -> Module:
    constants = "const @c : f32[2] = [1.0, 2.0]\nconst @zero : i64[] = 0\n"
    return parse_module(f"ir 1\n{constants}net @main({arguments}) -> ({outputs}) {{\n{body}\n}}\n", allow_unknown=True)


def test_inputs_by_type() -> None:
    module = net(
        "%y = relu(%x) %p = cast(%i) {to = f32} %q = cast(%b) {to = f32}",
        "%x: f32[NxC], %i: i64[3x5], %b: bool[40], %u: u8[], %h: f16[2*Nx7], %d: f64[0]",
        "%y: f32[NxC], %p: f32[3x5], %q: f32[40]",
    )
    inputs = random_inputs(module)
    assert {n: (a.dtype.name, a.shape) for n, a in inputs.items()} == {
        "x": ("float32", (3, 2)),
        "i": ("int64", (3, 5)),
        "b": ("bool", (40,)),
        "u": ("uint8", ()),
        "h": ("float16", (6, 7)),
        "d": ("float64", (0,)),
    }
    assert 0 < inputs["b"].sum() < 40 and inputs["i"].max() > 1 and inputs["x"].min() < 0 < inputs["x"].max()
    assert all(np.array_equal(inputs[n], a) for n, a in random_inputs(module).items())
    assert not np.array_equal(inputs["x"], random_inputs(module, seed=1)["x"])
    assert random_inputs(module, sizes={"C": 7})["x"].shape == (2, 7)


def test_sizes_grow_until_every_dimension_has_elements() -> None:
    module = net("%y = max_pool2d(%x) {kernel = 5}", "%x: f32[1x1xHxW]", "%y: f32[1x1xH-4xW-4]")
    assert random_inputs(module)["x"].shape == (1, 1, 8, 12)
    hopeless = net("%y = relu(%x)", "%x: f32[Nx-1*N]", "%y: f32[Nx-1*N]")
    with pytest.raises(ValueError, match="negative"):
        random_inputs(hopeless)


def test_indices_stay_within_the_axis() -> None:
    module = net("%y = gather(%x, %i) {axis = 1}", "%x: f32[4xN], %i: i64[50]", "%y: f32[4x50]")
    assert random_inputs(module)["i"].max() == 1
    assert_equivalent(module, module)


def test_equal_modules() -> None:
    assert_equivalent(net("%y = relu(%x)"), net("%a = relu(%x) %y = relu(%a)"))
    nan = net("%a = unary(%x) {fn = log} %y = relu(%a)")
    assert_equivalent(nan, nan)


def test_first_value_that_differs_is_named() -> None:
    wrong = net('%a = tanh(%x) %b = tanh(%a) loc "m.onnx":"T" %y = relu(%b)')
    right = net("%a = tanh(%x) %b = sigmoid(%a) %y = relu(%b)")
    with pytest.raises(NotEquivalent) as caught:
        assert_equivalent(wrong, right)
    lines = str(caught.value).splitlines()
    assert lines[0].startswith("output 'y': 4 of 4 elements differ, most at [") and ", expected 0." in lines[0]
    assert lines[1].startswith("it begins at %b (tanh) from m.onnx:T: 4 of 4 elements differ")
    assert lines[2] == "inputs: random, seed 0"


def test_inputs_that_are_given() -> None:
    a, b = net("%y = relu(%x)"), net("%y = leaky_relu(%x)")
    assert_equivalent(a, b, {"x": np.arange(4, dtype=np.float32)})
    with pytest.raises(
        NotEquivalent, match=r"(?s)1 of 4 elements differ, most at \[2\]: 0.0, expected -0.02.*as given"
    ):
        assert_equivalent(a, b, {"x": np.float32([0, 1, -3, 4])})
    with pytest.raises(RunError, match="must have the shape"):
        assert_equivalent(a, b, {"x": np.zeros(3, np.float32)})


def test_tolerance() -> None:
    a, b = net("%y = clip(%x) {high = 0.0}"), net("%y = clip(%x) {high = 0.001}")
    inputs = {"x": np.full(4, 5, np.float32)}
    assert_equivalent(a, b, inputs, tolerance=0.002)
    with pytest.raises(NotEquivalent):
        assert_equivalent(a, b, inputs)


def test_sizes_of_symbols_are_told_and_bound_dimensions_are_respected() -> None:
    symbolic = net("%y = relu(%x)", "%x: f32[N]", "%y: f32[N]")
    with pytest.raises(NotEquivalent, match="inputs: random, seed 3, N = 9"):
        assert_equivalent(net("%y = tanh(%x)", "%x: f32[N]", "%y: f32[N]"), symbolic, seed=3, sizes={"N": 9})
    assert_equivalent(net("%y = relu(%x)"), symbolic)


def test_other_arguments_and_outputs() -> None:
    with pytest.raises(NotEquivalent, match=r"the arguments are \['z'\], expected \['x'\]"):
        assert_equivalent(net("%y = relu(%z)", "%z: f32[4]"), net("%y = relu(%x)"))
    with pytest.raises(NotEquivalent, match=r"the outputs are \['b'\], expected \['y'\]"):
        assert_equivalent(net("%y = relu(%x)", outputs='"b" = %y: f32[4]'), net("%y = relu(%x)"))
    with pytest.raises(NotEquivalent, match=r"output 'y': is float64\[4\], expected float32\[4\]"):
        assert_equivalent(net("%y = cast(%x) {to = f64}", outputs="%y: f64[4]"), net("%y = relu(%x)"))


def test_modules_without_semantics() -> None:
    strange = net("%y = strange(%x) : f32[4]")
    with pytest.raises(NotComputable):
        assert_equivalent(strange, strange)


def test_differences_of_arrays() -> None:
    inf = np.float32([np.inf])
    assert difference(inf, inf) == "" and "expected inf" in difference(np.float32([1]), inf)
    assert "expected nan" in difference(np.float32([1]), np.float32([np.nan]))
    assert difference(np.array([1, 2]), np.array([1, 3])) == "1 of 2 elements differ, most at [1]: 2, expected 3"
    assert difference(np.array(True), np.array(False)) == "1 of 1 elements differ, most: True, expected False"
    assert difference(np.zeros((0, 2)), np.zeros((0, 2))) == ""
    assert default_tolerance(np.dtype(np.float16)) > 1e-3 > default_tolerance(np.dtype(np.float32))


def test_inputs_of_every_element_type_and_of_sequences() -> None:
    arguments = ", ".join(f"%{d.value}: {d}[2x3]" for d in DType)
    arguments += ", %q: q8<0.5>[4], %s: seq<f32[_x2]>, %o: optional<i64[]>"
    module = net("%y = relu(%f32)", arguments, "%y: f32[2x3]")
    drawn = [random_inputs(module, seed) for seed in range(8)]
    assert all(drawn[0][d.value].dtype == d.numpy for d in DType) and drawn[0]["q"].dtype == np.int8
    assert {a.shape for inputs in drawn for a in inputs["s"]} == {(1, 2), (2, 2), (3, 2)}
    assert {inputs["o"] is None for inputs in drawn} == {True, False}
    for inputs in drawn:
        assert_equivalent(module, module, inputs)


def test_sequences_and_optional_values() -> None:
    take = "%s: seq<f32[2]>, %o: optional<f32[2]>"
    give = "%t: seq<f32[2]>, %o: optional<f32[2]>"
    one = net("%t = sequence_insert(%s, @c)", take, give)
    other = net("%t = sequence_insert(%s, @c, @zero)", take, give)
    a, b = np.float32([5, 6]), np.float32([3, 4])
    assert_equivalent(one, other, {"s": [], "o": None})
    with pytest.raises(NotEquivalent, match=r"output 't': element 0: 2 of 2 elements differ"):
        assert_equivalent(one, other, {"s": [a], "o": b})
    assert difference([a], [a, b]) == "has 1 elements, expected 2"
    assert (
        difference(None, a) == "is nothing, expected a tensor"
        and difference([a], None) == "is a sequence, expected nothing"
    )
    assert difference(None, None) == "" == difference([a, None], [a, None])


def test_differences_of_narrow_floats_complex_numbers_and_strings() -> None:
    bf16 = DType.BF16.numpy
    assert difference(np.array([1.0, 2.0], bf16), np.array([1.0, 2.03], bf16)) == ""
    assert "expected 2.5" in difference(np.array([2.0], bf16), np.array([2.5], bf16))
    assert difference(np.array([1 + 1e-8j]), np.array([1 + 0j])) == ""
    assert "1 of 1" in difference(np.array([1 + 1j]), np.array([1 + 0j]))
    assert "b, expected c" in difference(np.array(["a", "b"], object), np.array(["a", "c"], object))
    assert "1 of 2" in difference(np.array([1, 2], DType.I4.numpy), np.array([1, 3], DType.I4.numpy))
