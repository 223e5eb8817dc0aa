"""What the evaluator says of references that are missing or do not keep to their types."""

from __future__ import annotations

from typing import Any

import attrs
import numpy as np
import pytest

from plait.backends.errors import RunError
from plait.backends.reference import evaluate
from plait.ir import Function, Layer, Module, TensorType, Value
from plait.ir.registry import LayerSpec, OperandSpec
from plait.ir.types import DType

X = np.ones((2, 3), np.float32)


@attrs.define(eq=False)
class Mine(Layer):
    """Gives what the test wants."""

    x: Value

    def infer(self) -> TensorType:
        return TensorType(self.x.type.dtype, self.x.type.shape)


@attrs.define(eq=False)
class Computed(Mine):
    """The same, with a reference."""

    gives: Any = None

    def reference(self, x: Any) -> Any:
        return self.gives


Mine.spec = LayerSpec("mine", Mine, (OperandSpec("x"),))
Computed.spec = LayerSpec("computed", Computed, (OperandSpec("x"),))


def run(make: Any) -> Any:
    x = Value("x", TensorType(DType.F32, (2, 3)))
    module = Module([Function("main", [x])])
    module.main.set_outputs([module.main.body.append(make(x), ["y"]).result])
    return evaluate(module, [X])["y"]


def test_a_layer_without_a_reference() -> None:
    with pytest.raises(RunError, match="the layer mine has no NumPy reference"):
        run(Mine)


@pytest.mark.parametrize(
    ("gives", "message"),
    [
        (X.astype(np.float64), "gives float64 of shape [2, 3], not f32[2x3] for %y"),
        (X[0], "gives float32 of shape [3], not f32[2x3] for %y"),
        (X[:, :2], "gives float32 of shape [2, 2], not f32[2x3] for %y"),
        (3.0, "gives float, not f32[2x3] for %y"),
        ((X, X), "gives 2 results, not 1"),
    ],
)
def test_results_of_another_type(gives: Any, message: str) -> None:
    with pytest.raises(RunError) as caught:
        run(lambda x: Computed(x, gives=gives))
    assert caught.value.code == "P401" and message in str(caught.value)


def test_results_of_the_right_type() -> None:
    assert run(lambda x: Computed(x, gives=X)) is X
