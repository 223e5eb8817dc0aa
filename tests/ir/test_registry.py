"""What `@layer` refuses: mistakes of authors that would otherwise show much later, as something else."""

from __future__ import annotations

import attrs
import pytest

from plait.ir import Layer, TensorType, Value, known_layers, layer


def test_a_name_must_be_a_word() -> None:
    with pytest.raises(ValueError, match="'my layer' cannot name a layer"):

        @layer("my layer")
        @attrs.define(eq=False)
        class Mine(Layer):
            def infer(self) -> TensorType:
                raise AssertionError


def test_a_class_must_be_defined_by_attrs() -> None:
    with pytest.raises(TypeError, match="Mine is no attrs class"):

        @layer("mine")
        class Mine(Layer):
            x: Value

            def infer(self) -> TensorType:
                raise AssertionError


def test_layers_have_identity() -> None:
    with pytest.raises(TypeError, match="Mine compares by its fields"):

        @layer("mine")
        @attrs.define
        class Mine(Layer):
            x: Value

            def infer(self) -> TensorType:
                raise AssertionError


def test_types_of_results_must_be_inferred() -> None:
    with pytest.raises(TypeError, match="Mine has no method infer"):

        @layer("mine")
        @attrs.define(eq=False)
        class Mine(Layer):
            x: Value


def test_nothing_of_it_is_registered() -> None:
    assert not {"mine", "my layer"} & known_layers().keys()
