"""Routines that are Python functions: formats, refusals, constants, several results."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from plait.backends import routine as registry
from plait.backends.descriptor import RoutinePath
from plait.backends.errors import DescriptorError, RoutineError
from plait.backends.program import Program
from plait.backends.python_routine import python_routine
from plait.backends.routine import find_routine, routine_owner
from plait.ir.plugins import PluginError
from plait.ir.text.parser import parse_module


@pytest.fixture(autouse=True)
def own_registry(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry, "_registry", registry._registry.copy())


def run(text: str, *inputs: Any) -> list[Any]:
    return Program(parse_module(f"ir 1\n{text}")).run(list(inputs))


def test_arrays_come_as_they_are_stored() -> None:
    seen = []

    @python_routine("cpu/f32/nhwc/here", layer="relu")
    def relu(layer: Any, x: Any) -> Any:
        """By a comparison.

        More.
        """
        seen.append((layer.op, x.shape))
        return np.where(x > 0, x, 0)

    found = find_routine("relu", RoutinePath.parse("cpu/f32/nhwc/here[x=1]"))
    assert found is not None and found.summary == "By a comparison." and routine_owner(found) == __name__
    x = np.random.default_rng(0).standard_normal((1, 2, 5, 3)).astype(np.float32)
    (y,) = run(
        "net @main(%x: f32[1x3x2x5] nhwc) -> (%y: f32[1x3x2x5] nhwc) {\n"
        "  %y = relu(%x) : f32[1x3x2x5] nhwc via cpu/f32/nhwc/here\n}",
        x,
    )
    assert np.array_equal(y, np.maximum(x, 0)) and seen == [("relu", (1, 2, 5, 3))]


def test_constants_absent_operands_and_several_results() -> None:
    @python_routine("cpu/f32/row/here", layer="fully_connected")
    def dense(layer: Any, x: Any, weight: Any, bias: Any) -> Any:
        assert bias is None
        return x @ weight.T

    @python_routine("cpu/any/row/here", layer="split")
    def split(layer: Any, x: Any) -> Any:
        return tuple(np.split(x, 2, axis=layer.axis))

    x = np.arange(3, dtype=np.float32).reshape(1, 3)
    a, b = run(
        "const @w : f32[2x3] = [1, 2, 3, 4, 5, 6]\n"
        "net @main(%x: f32[1x3]) -> (%a: f32[1x1], %b: f32[1x1]) {\n"
        "  %d = fully_connected(%x, @w) via cpu/f32/row/here\n"
        "  %a, %b = split(%d) {axis = 1, sizes = [1, 1]} via cpu/any/row/here\n}",
        x,
    )
    assert (a.tolist(), b.tolist()) == ([[8]], [[17]])


def test_refusals() -> None:
    python_routine("cpu/f32/row/none", layer="relu", refuse=lambda layer: "it is Monday")(lambda layer, x: x)
    text = "net @main(%x: TYPE) -> (%y: TYPE) {\n  %y = relu(%x) via cpu/f32/row/none\n}"
    with pytest.raises(RoutineError, match=r"refuses %y \(relu\): it is Monday"):
        run(text.replace("TYPE", "f32[3]"))
    with pytest.raises(RoutineError, match=r"refuses %y \(relu\): %x is f64, not f32"):
        run(text.replace("TYPE", "f64[3]"))


def test_paths_and_clashes() -> None:
    with pytest.raises(DescriptorError, match="a routine path is device/dtype/layout/algorithm"):
        python_routine("here", layer="relu")
    with pytest.raises(
        PluginError, match=r"routine 'cpu/any/nchw/reference of relu' is registered by both plait\..* \(built in\) and"
    ):
        python_routine("cpu/any/nchw/reference", layer="relu")(lambda layer, x: x)
