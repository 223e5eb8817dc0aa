"""Layers, values, types and routines in words, for hovers and completions (Markdown)."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, TypeVar

from plait.cli.layer_pages import TYPES
from plait.cli.output import size
from plait.ir.layer import Layer, OpaqueLayer
from plait.ir.registry import AttributeSpec, LayerSpec
from plait.ir.types import Type
from plait.ir.values import Constant, Value

if TYPE_CHECKING:
    from plait.backends.routine import Routine

T = TypeVar("T")
_SECTIONS = ("Shapes", "Types", "Semantics", "Source")


def kind_of(attribute: AttributeSpec) -> str:
    """What an attribute takes: "integer, or list of 2"."""
    words = TYPES.get(attribute.type, attribute.type)
    return re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", words)


def documentation(spec: LayerSpec) -> str:
    """What the docstring of a layer says of the whole: what it computes, shapes, types, and the source of that."""
    found = spec.documentation
    sections = [f"**{title}** {found.texts[title]}" for title in _SECTIONS if title in found.texts]
    return "\n\n".join(filter(None, (found.summary, found.description, *sections)))


def about(spec: LayerSpec, name: str) -> str:
    """What the docstring of a layer says of an operand, attribute or region."""
    return spec.documentation.fields.get(name, "")


def code(text: str) -> str:
    """A block of IR text."""
    return f"```plait\n{text}\n```"


def value_text(value: Value) -> str:
    """A value or constant: its type and size, and the numbers of a small constant."""
    from plait.ir.text.printer import constant_type

    if not isinstance(value, Constant):
        return "\n\n".join(filter(None, (code(f"%{value.name} : {value.type}"), extent(value.type))))
    shown = f"const @{value.name} : {constant_type(value.type)}"
    if value.has_data and value.type.elements <= 16:
        from plait.ir.literals import literal_text

        shown += f" = {literal_text(value.data, value.type.dtype)}"
    return f"{code(shown)}\n\n{extent(value.type)}"


def extent(type: Type) -> str:
    """Elements and bytes of a type, or which sizes are not known."""
    if not type.is_static:
        symbols = ", ".join(sorted(type.symbols()))
        return f"size depends on {symbols}" if symbols else ""
    # A sequence has no size, and neither has a layout of another rank.
    return ask(lambda: f"{plural(type.elements, 'element')}, {size(type.nbytes)}", "")


def layer_text(layer: Layer) -> str:
    """What one layer computes and costs, what was chosen for it, and where it comes from."""
    rows = [_work(layer), _choice(layer)]
    if layer.locations:
        rows.append("from " + ", ".join(f"`{place}`" for place in layer.locations))
    if layer.comment:
        rows.append(layer.comment)
    return "\n\n".join(filter(None, rows))


def ask(question: Callable[[], T], otherwise: T) -> T:
    """What the code of a layer or routine answers; it is written for valid layers of static shapes, so it may fail."""
    try:
        return question()
    except Exception:
        return otherwise


def _work(layer: Layer) -> str:
    from plait.passes.analyses.costs import cost_of

    cost = None if isinstance(layer, OpaqueLayer) else ask(lambda: cost_of(layer), None)
    return "" if cost is None else f"{count(cost.flops)}flop, {size(cost.nbytes)} read and written"


def _choice(layer: Layer) -> str:
    chosen = [f"`via {layer.via}`"] if layer.via else []
    chosen += [f"{layer.cost_us:.2f} us measured"] if layer.cost_us is not None else []
    return ", ".join(chosen)


def refusal(routine: Routine, layer: Layer | None) -> str | None:
    """Why a routine cannot run a layer, as far as that can be told."""
    return None if layer is None else ask(lambda: routine.refuse(layer), None)


def variants(routine: Routine, layer: Layer | None) -> Sequence[str]:
    """The variants of a routine for a layer, as far as they can be told."""
    none: Sequence[str] = ()
    return none if layer is None else ask(lambda: routine.variants(layer), none)


def plural(number: int, what: str) -> str:
    """`1 layer`, `2,000 layers`."""
    return f"{number:,} {what}{'s' * (number != 1)}"


def count(number: int) -> str:
    """A number for people: `812 `, `3.4 M`, to stand before a unit."""
    value = float(number)
    for prefix in ("", "k", "M"):
        if value < 1000:
            return f"{value:.0f} " if not prefix else f"{value:.1f} {prefix}"
        value /= 1000
    return f"{value:.1f} G"
