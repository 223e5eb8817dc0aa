"""Docstrings of layers are read into parts, and every layer has all of them."""

from __future__ import annotations

import pytest

from plait.ir import Layer, known_layers
from plait.ir.documentation import documentation_of, parse_documentation
from plait.ir.plugins import owner
from plait.ir.registry import LayerSpec

BUILT_IN = [spec for spec in known_layers().values() if owner(spec.origin) == "plait"]

TEXT = """What it computes,
    on two lines.

    Operands:
        x: one thing,
            on two lines.
        y: another: with a colon.
    Shapes: `x` [N] to [N]; these are
        two lines.
    Semantics:
        - a list
        - of two items,
          the second longer

        and a paragraph.
    Example:
        (%x: f32[2])
        %y = op(%x)
          body () -> () {
          }

    Free text at the end.
    """


def test_parts() -> None:
    found = parse_documentation(TEXT)
    assert found.summary == "What it computes, on two lines."
    assert found.fields == {"x": "one thing, on two lines.", "y": "another: with a colon."}
    assert found.texts == {
        "Shapes": "`x` [N] to [N]; these are two lines.",
        "Semantics": "- a list\n- of two items, the second longer\n\nand a paragraph.",
        "Example": "(%x: f32[2])\n%y = op(%x)\n  body () -> () {\n  }",
    }
    assert found.description == "Free text at the end."
    assert parse_documentation("").summary == ""


def test_what_a_class_leaves_out_is_that_of_its_base() -> None:
    class Base(Layer):
        """Base.

        Attributes:
            axis: of the base.
            size: of the base.
        Shapes: of the base.
        Example:
            ()
            %y = op()
        """

    class Mine(Base):
        """Mine.

        Attributes:
            size: mine.
        Types: mine.
        """

    found = documentation_of(Mine, Layer, "mine")
    assert found.summary == "Mine."
    assert found.fields == {"axis": "of the base.", "size": "mine."}
    assert found.texts == {"Shapes": "of the base.", "Types": "mine.", "Example": "()\n%y = mine()"}


@pytest.mark.parametrize("spec", BUILT_IN, ids=lambda spec: spec.name)
def test_every_layer_is_documented(spec: LayerSpec) -> None:
    """A layer's docstring has a summary, a line for each field, and the sections that plait.ir.documentation lists."""
    found = spec.documentation
    fields = {f.name for group in (spec.operands, spec.attributes, spec.regions) for f in group}
    assert set(found.fields) == fields, "each operand, region and attribute has its line, and nothing else has one"
    assert {"Shapes", "Types", "Example", "Source"} <= set(found.texts)
    assert found.summary.endswith(".") and not found.description
    sentences = [text for title, text in (*found.fields.items(), *found.texts.items()) if title != "Example"]
    assert all(text.endswith(".") for text in sentences)
