"""Layers in modules that do without `from __future__ import annotations`: types are objects there, not text."""

import attrs
import pytest

from plait.ir import Layer, Value, layer, registry
from plait.ir.region import Region


def test_annotations_that_are_objects(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry, "_registry", registry._registry.copy())

    @layer("objects")
    @attrs.define(eq=False)
    class Objects(Layer):
        """One of each."""

        declares_types = True

        x: Value
        y: Value | None = None
        body: Region = attrs.field(factory=Region, kw_only=True)
        size: tuple[int, ...] = attrs.field(default=(1,), kw_only=True)

    @layer("many")
    @attrs.define(eq=False)
    class Many(Layer):
        """Any number of operands."""

        declares_types = True

        xs: tuple[Value, ...]

    spec = Objects.spec
    assert [(o.name, o.optional, o.variadic) for o in spec.operands] == [("x", False, False), ("y", True, False)]
    assert [(a.name, a.type) for a in spec.attributes] == [("size", "tuple[int, ...]")]
    assert [r.name for r in spec.regions] == ["body"]
    assert [(o.name, o.variadic) for o in Many.spec.operands] == [("xs", True)]
