"""The reference evaluator: results, observation, memory, and errors about inputs."""

from __future__ import annotations

import numpy as np
import pytest

from plait.backends.errors import RunError
from plait.backends.reference import evaluate
from plait.ir.text import parse_module

TEXT = """ir 1
const @k : f32[1] = [2.0]
net @main(%x: f32[NxC], %z: f32[NxC]) -> (%y: f32[NxC], "sum" = %s: f32[NxC], %k: f32[NxC]) {
  %y = relu(%x) : f32[NxC]
  %s = add(%y, %z) : f32[NxC]
  %k = mul(%s, @k) : f32[NxC]
}
"""
X = np.array([[-1, 2, 3]], np.float32)
Z = np.ones((1, 3), np.float32)


@pytest.fixture
def module():
    return parse_module(TEXT)


def test_results_by_name_and_by_position(module):
    results = evaluate(module, {"z": Z, "x": X})
    assert list(results) == ["y", "sum", "k"]
    np.testing.assert_array_equal(results["k"], [[2, 6, 8]])
    for name, array in evaluate(module.main, [X, Z]).items():
        np.testing.assert_array_equal(array, results[name])


def test_kept_values_and_observer(module):
    seen = []
    results = evaluate(
        module, [X, Z], keep=["s", "x"], values=lambda value, array: seen.append((value.name, array.shape))
    )
    assert list(results) == ["y", "sum", "k", "s", "x"]
    assert seen == [("y", (1, 3)), ("s", (1, 3)), ("k", (1, 3))]


def test_dead_values_are_freed():
    """Ten layers in a row need two arrays at a time."""
    import weakref

    rows = "".join(f"  %v{i + 1} = relu(%v{i}) : f32[4]\n" for i in range(10))
    module = parse_module(f"ir 1\nnet @main(%v0: f32[4]) -> (%v10: f32[4]) {{\n{rows}}}\n")
    alive: list[weakref.ref] = []
    most = 0

    def watch(value, array):
        nonlocal most
        alive.append(weakref.ref(array))
        most = max(most, sum(ref() is not None for ref in alive))

    evaluate(module, [np.ones(4, np.float32)], values=watch)
    assert most <= 3


def test_layers_that_look_at_their_types_see_the_sizes_at_hand():
    text = (
        "ir 1\nnet @main(%x: f32[NxCxHxW] nchw) -> (%y: f32[NxCx(H)/2x(W)/2] nchw) {\n"
        "  %y = max_pool2d(%x) {kernel = [2, 2], stride = [2, 2]}\n}\n"
    )
    module = parse_module(text)
    assert evaluate(module, [np.ones((2, 3, 5, 6), np.float32)])["y"].shape == (2, 3, 2, 3)


@pytest.mark.parametrize(
    ("inputs", "texts"),
    [
        ({"x": X}, ["input 'z' is missing"]),
        ({"x": X, "z": Z, "w": Z}, ["there is no input 'w'; inputs are x, z"]),
        ([X], ["1 inputs given, but there are 2: x, z"]),
        (
            {"x": X.astype(np.float64), "z": Z},
            ["input 'x' must be f32 (float32), got float64", "x.astype(numpy.float32)"],
        ),
        ({"x": X[0], "z": Z}, ["input 'x' must have the shape (N, C), got (3,)"]),
        (
            {"x": X, "z": np.ones((2, 3), np.float32)},
            ["input 'z' must have the shape (N, C), N = 1, C = 3, got (2, 3)"],
        ),
    ],
    ids=str,
)
def test_inputs_that_do_not_fit(module, inputs, texts):
    with pytest.raises(RunError) as caught:
        evaluate(module, inputs)
    assert caught.value.code == "P401" and caught.value.exit_code == 1
    assert all(text in str(caught.value) for text in texts), str(caught.value)


def test_value_to_keep_that_is_not_there(module):
    with pytest.raises(RunError, match="there is no value 'yy' to keep"):
        evaluate(module, [X, Z], keep=["yy"])
