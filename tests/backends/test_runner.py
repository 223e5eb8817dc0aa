"""Runners: named inputs, their errors, and what comes out."""

from __future__ import annotations

import numpy as np
import pytest

from plait.backends.errors import RunError
from plait.backends.runner import Runner, check_inputs, random_inputs
from plait.ir.text.parser import parse_module

TWO = """ir 1
net @main(%a: f32[2x3], %b: i64[4]) -> (%sum: f32[2x3], "indices" = %c: i64[4]) {
  %sum = add(%a, %a) : f32[2x3] via cpu/f32/nchw/vector
  %c = add(%b, %b) : i64[4] via cpu/any/nchw/reference
}
"""
ONE = """ir 1
net @main(%x: f32[1x17x2x3] nhwc) -> (%y: f32[1x17x2x3] nhwc) {
  %y = relu(%x) : f32[1x17x2x3] nhwc via cpu/f32/nhwc/vector
}
"""
A, B = np.arange(6, dtype=np.float32).reshape(2, 3), np.arange(4)


@pytest.fixture(scope="module")
def two() -> Runner:
    return Runner(parse_module(TWO))


@pytest.fixture(scope="module")
def one() -> Runner:
    return Runner(parse_module(ONE))


def messages(runner: Runner, *arrays: object, **named: object) -> list[str]:
    with pytest.raises(RunError) as caught:
        runner(*arrays, **named)  # type: ignore[arg-type]
    assert {d.code for d in caught.value.diagnostics} == {"P401"}
    return [d.message for d in caught.value.diagnostics]


def test_by_position_by_name_and_mixed(two: Runner) -> None:
    for outputs in (two(A, B), two(a=A, b=B), two(b=B, a=A), two(A, b=B)):
        assert list(outputs) == ["sum", "indices"]
        np.testing.assert_array_equal(outputs["sum"], 2 * A)
        np.testing.assert_array_equal(outputs["indices"], 2 * B)


def test_a_single_output_comes_bare(one: Runner) -> None:
    x = np.array([-1.0, 2.0], np.float32).repeat(51).reshape(1, 2, 3, 17)
    np.testing.assert_array_equal(one(x), np.maximum(x, 0))
    assert list(one.run(x)) == ["y"]


def test_types_of_inputs_and_outputs(two: Runner) -> None:
    assert {n: str(t) for n, t in two.inputs.items()} == {"a": "f32[2x3]", "b": "i64[4]"}
    assert {n: str(t) for n, t in two.outputs.items()} == {"sum": "f32[2x3]", "indices": "i64[4]"}


def test_strided_and_read_only_inputs(two: Runner) -> None:
    a = np.asfortranarray(A)
    a.flags.writeable = False
    np.testing.assert_array_equal(two(a, B[::1])["sum"], 2 * A)
    np.testing.assert_array_equal(two(A, np.arange(8)[::2])["indices"], 4 * B)


def test_lists_are_inputs_if_their_dtype_fits(two: Runner) -> None:
    np.testing.assert_array_equal(two(A, [1, 2, 3, 4])["indices"], [2, 4, 6, 8])


def test_outputs_are_new_arrays(two: Runner) -> None:
    first = two(A, B)["sum"]
    two(A + 1, B)
    np.testing.assert_array_equal(first, 2 * A)


def test_missing(two: Runner) -> None:
    assert messages(two, A) == ["input 'b' (i64[4]) is missing"]
    assert messages(two) == ["input 'a' (f32[2x3]) is missing", "input 'b' (i64[4]) is missing"]


def test_unknown(two: Runner) -> None:
    assert messages(two, A, B, c=B) == ["there is no input 'c' (inputs: a, b)"]


def test_given_twice(two: Runner) -> None:
    assert messages(two, A, B, a=A) == ["input 'a' is given twice"]


def test_too_many(two: Runner) -> None:
    assert messages(two, A, B, A) == ["3 inputs were given, the model takes 2 (a, b)"]


def test_shape(two: Runner) -> None:
    assert messages(two, A.T, B) == ["input 'a' has shape [3, 2], the model takes [2, 3]"]
    assert messages(two, A[0], B) == ["input 'a' has shape [3], the model takes [2, 3]"]


def test_dtype(two: Runner) -> None:
    assert messages(two, A.astype(np.float64), B) == ["input 'a' has dtype float64, the model takes float32"]


def test_every_problem_is_reported(two: Runner) -> None:
    assert messages(two, A.T, B.astype(np.int32), q=1) == [
        "there is no input 'q' (inputs: a, b)",
        "input 'a' has shape [3, 2], the model takes [2, 3]",
        "input 'b' has dtype int32, the model takes int64",
    ]


def test_inputs_have_the_shape_in_which_they_are_stored(one: Runner) -> None:
    assert messages(one, np.zeros((1, 17, 2, 3), np.float32)) == [
        "input 'x' has shape [1, 17, 2, 3], the model takes [1, 2, 3, 17] (how f32[1x17x2x3] nhwc is stored)"
    ]


def test_inputs_may_be_called_self() -> None:
    runner = Runner(parse_module(TWO.replace("%b", "%self")))
    np.testing.assert_array_equal(runner(a=A, self=B)["indices"], 2 * B)


def test_random_inputs_fit_and_follow_the_seed(two: Runner, one: Runner) -> None:
    inputs = two.random_inputs(3)
    assert two(**inputs)["sum"].std() > 0
    np.testing.assert_array_equal(inputs["a"], two.random_inputs(3)["a"])
    assert (inputs["a"] != two.random_inputs(4)["a"]).all()
    assert not inputs["b"].any()
    assert one(**one.random_inputs()).shape == (1, 2, 3, 17)


@pytest.mark.parametrize("text", ["seq<f32[4]>", "optional<f32[]>", "string[2]"])
def test_inputs_that_are_no_arrays(text: str) -> None:
    module = parse_module(f"ir 1\nnet @main(%s: {text}) -> (%s: {text}) {{\n}}\n")
    types = {v.name: v.type for v in module.main.arguments}
    for use in (lambda: random_inputs(types, 0), lambda: check_inputs(types, (np.zeros(4),), {})):
        with pytest.raises(RunError, match=r"P401.*input 's' is .*, not an array of numbers"):
            use()
