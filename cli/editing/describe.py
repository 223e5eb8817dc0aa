"""Layers, values, types and routines in words, for hovers and completions (Markdown)."""

from __future__ import annotations

import re

from plait.cli.output import size
from plait.ir.attributes import attribute_text
from plait.ir.layer import Layer, OpaqueLayer
from plait.ir.registry import AttributeSpec, LayerSpec
from plait.ir.types import Type
from plait.ir.values import Constant, Value


def signature(spec: LayerSpec) -> str:
    """`conv2d(x, weight, bias?) {stride = [1, 1]}`, with the names of regions behind."""
    operands = ", ".join(o.name + ("..." if o.variadic else "?" if o.optional else "") for o in spec.operands)
    attributes = ", ".join(a.name if a.required else f"{a.name} = {default_text(a)}" for a in spec.attributes)
    regions = "".join(f" {r.name}" for r in spec.regions)
    return f"{spec.name}({operands})" + (f" {{{attributes}}}" if attributes else "") + regions


def default_text(attribute: AttributeSpec) -> str:
    """The default of an attribute as it would be written; "" if it must be given, or has no spelling."""
    if attribute.required:
        return ""
    try:
        return attribute_text(attribute.default)
    except TypeError:
        return "none"


def documentation(spec: LayerSpec) -> str:
    """The docstring of a layer, paragraphs on one line each."""
    paragraphs = (spec.cls.__doc__ or "").strip().split("\n\n")
    return "\n\n".join(" ".join(p.split()) for p in paragraphs)


def about(spec: LayerSpec, name: str) -> str:
    """The sentences of a layer's docstring that mention an attribute or operand."""
    sentences = re.split(r"(?<=[.;:]) (?=[A-Z`])", " ".join(documentation(spec).split()))
    return " ".join(s for s in sentences if re.search(rf"`[^`]*\b{re.escape(name)}\b[^`]*`", s))


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
    try:
        return f"{type.elements:,} elements, {size(type.nbytes)}"
    except ValueError:  # a sequence or an optional value
        return ""


def layer_text(layer: Layer) -> str:
    """What one layer computes and costs, what was chosen for it, and where it comes from."""
    rows = [_work(layer), _choice(layer)]
    if layer.locations:
        rows.append("from " + ", ".join(f"`{place}`" for place in layer.locations))
    if layer.comment:
        rows.append(layer.comment)
    return "\n\n".join(filter(None, rows))


def _work(layer: Layer) -> str:
    from plait.passes.analyses.costs import cost_of

    cost = None if isinstance(layer, OpaqueLayer) else cost_of(layer)
    return "" if cost is None else f"{count(cost.flops)}flop, {size(cost.nbytes)} read and written"


def _choice(layer: Layer) -> str:
    chosen = [f"`via {layer.via}`"] if layer.via else []
    chosen += [f"{layer.cost_us:.2f} us measured"] if layer.cost_us is not None else []
    return ", ".join(chosen)


def count(number: int) -> str:
    """A number for people: `812 `, `3.4 M`, to stand before a unit."""
    value = float(number)
    for prefix in ("", "k", "M"):
        if value < 1000:
            return f"{value:.0f} " if not prefix else f"{value:.1f} {prefix}"
        value /= 1000
    return f"{value:.1f} G"
