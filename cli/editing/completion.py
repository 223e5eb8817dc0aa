"""What could be written at a place, told from the text of its statement up to there: that need not be whole."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import attrs

from plait.cli.editing import describe
from plait.cli.editing.context import Context, context_at
from plait.cli.editing.document import Document
from plait.cli.editing.positions import Position, Range
from plait.cli.editing.scan import name_in
from plait.cli.layer_pages import default_text, signature
from plait.ir.activation import KINDS
from plait.ir.dtypes import DType
from plait.ir.layout import SPLITS
from plait.ir.registry import AttributeSpec, known_layers, layer_class
from plait.ir.text.printer import constant_type
from plait.ir.types import Type

LIMIT = 500
"""At most so many are given; the next letter that is typed narrows them down."""


@attrs.frozen
class Completion:
    """Something that could stand at a place. `range` is what is written of it so far."""

    label: str
    kind: str
    """layer, attribute, word, type, layout, value, constant, net, routine, keyword or field."""
    range: Range
    insert: str
    detail: str = ""
    documentation: str = ""


@attrs.frozen
class _Found:
    label: str
    kind: str
    detail: str = ""
    documentation: str = ""
    insert: str = ""
    order: int = 0
    """Those with lesser numbers come first."""


def completions(document: Document, position: Position) -> list[Completion]:
    """What could be written at a position, in a useful order."""
    offset = document.lines.offset(position)
    context = context_at(document, offset)
    found = _SOURCES[context.wants](document, context) if context.wants else ()
    range = document.lines.range(offset - len(context.prefix), offset)
    fitting = sorted((f for f in found if _may_become(context.prefix, f.label)), key=lambda f: f.order)
    return [Completion(f.label, f.kind, range, f.insert or f.label, f.detail, f.documentation) for f in fitting[:LIMIT]]


def _may_become(prefix: str, label: str) -> bool:
    """Editors match loosely: all letters that are written must occur, in order. Paths are told by their beginning."""
    if "/" in prefix:
        return label.startswith(prefix)
    letters = iter(label.lower())
    return all(letter in letters for letter in prefix.lower())


# --- values ---


def _operands(document: Document, context: Context) -> Iterator[_Found]:
    yield from _values(document, context)
    yield from _constants(document, context)
    cls = layer_class(context.op)
    for operand in cls.spec.operands if cls is not None and not context.prefix.startswith(("%", "@")) else ():
        if not operand.variadic and operand.name not in context.given:
            detail = "operand, may be absent" if operand.optional else "operand"
            yield _Found(operand.name, "field", detail, insert=f"{operand.name} = ", order=2)


def _values(document: Document, context: Context) -> Iterator[_Found]:
    if context.prefix.startswith("@"):
        return
    # What was made last is wanted most.
    for token in reversed(document.outline.visible(context.sees)):
        value = document.value(("value", context.net, name_in(token)))
        yield _Found(token.text, "value", "" if value is None else str(value.type))


def _constants(document: Document, context: Context) -> Iterator[_Found]:
    if context.prefix.startswith("%"):
        return
    blocks = (t for s in document.outline.scopes if s.kind == "weights" for t in s.definitions)
    for token in (*document.outline.constants, *blocks):
        value = document.value(("constant", "", name_in(token)))
        yield _Found(token.text, "constant", "" if value is None else constant_type(value.type), order=1)


def _nets(document: Document, context: Context) -> Iterator[_Found]:
    for scope in document.outline.scopes:
        if scope.kind == "net" and scope.net != context.net:
            yield _Found(scope.name.text, "net")


# --- layers and their attributes ---


def _layers(document: Document, context: Context) -> Iterator[_Found]:
    for name, spec in known_layers().items():
        yield _Found(name, "layer", signature(spec), spec.summary)


def _attributes(document: Document, context: Context) -> Iterator[_Found]:
    cls = layer_class(context.op)
    for attribute in cls.spec.attributes if cls is not None else ():
        if attribute.name not in context.given:
            default = default_text(attribute)
            detail = f"{f'= {default}, ' if default else ''}{describe.kind_of(attribute)}"
            documentation = describe.about(cls.spec, attribute.name) if cls is not None else ""
            order = 0 if attribute.required else 1
            yield _Found(attribute.name, "attribute", detail, documentation, f"{attribute.name} = ", order)


def _attribute_values(document: Document, context: Context) -> Iterator[_Found]:
    cls = layer_class(context.op)
    attribute = next((a for a in cls.spec.attributes if a.name == context.attribute), None) if cls else None
    if attribute is None:
        return
    if "Activation" in attribute.type:
        for name, (parameters, _) in KINDS.items():
            shape = f"{name}({', '.join('ab'[:parameters])})" if parameters else name
            yield _Found(name, "word", f"activation {shape}", insert=f"{name}(" if parameters else name)
        yield _Found("relu6", "word", "activation clip(0.0, 6.0)")
    elif "SymbolRef" in attribute.type:
        yield from _nets(document, context)
    elif attribute.type in ("ElementType", "Type", "Type | None"):
        yield from _types(document, context)
    elif attribute.type == "bool":
        yield from (_Found(word, "word") for word in ("true", "false"))
    else:
        yield from _default(attribute)


def _default(attribute: AttributeSpec) -> Iterator[_Found]:
    if text := default_text(attribute):
        yield _Found(text, "word", "the default")


# --- types and routines ---


def _types(document: Document, context: Context) -> Iterator[_Found]:
    for type in dict.fromkeys(_types_near(document, context)):
        yield _Found(str(type), "type", "as an operand")
    yield from (_Found(d.value, "type", f"{d.bits} bits" if d.bits else "", insert=d.value, order=1) for d in DType)
    for word in ("q8", "qu8", "q4", "seq", "optional"):
        yield _Found(f"{word}<>", "type", "quantized" if word[0] == "q" else "container", insert=f"{word}<", order=2)


def _types_near(document: Document, context: Context) -> Iterator[Type]:
    for token in context.operands:
        value = document.value(("value", context.net, name_in(token)))
        if value is not None:
            yield value.type


def _layouts(document: Document, context: Context) -> Iterator[_Found]:
    for layout in ("nchw", "nhwc", "nchw16c", "nchw8c"):
        yield _Found(layout, "layout")
    yield from (_Found(f"split {s}", "keyword", "which part each core holds", order=1) for s in SPLITS)
    yield _Found("on", "keyword", "device", insert="on ", order=1)
    if context.op:
        yield from _clauses(document, context)


def _clauses(document: Document, context: Context) -> Iterator[_Found]:
    yield _Found("via", "keyword", "the chosen routine", insert="via ", order=2)
    yield _Found("loc", "keyword", "nodes of the original model", insert="loc ", order=2)


def _regions(document: Document, context: Context) -> Iterator[_Found]:
    cls = layer_class(context.op)
    yield from (_Found(r.name, "keyword", "region") for r in (cls.spec.regions if cls else ()))
    yield from _clauses(document, context)


def _routines(document: Document, context: Context) -> Iterator[_Found]:
    from plait.backends.routine import known_routines

    layer = document.layer(document.outline.statement_at(context.start))
    if layer is not None and layer.op != context.op:
        layer = None
    for routine in known_routines(context.op):
        if describe.refusal(routine, layer) is not None:
            continue
        for variant in dict.fromkeys(("", *describe.variants(routine, layer))):
            path = str(routine.path_with(variant))
            yield _Found(path, "routine", routine.summary, order=1 if variant else 0)


def _items(document: Document, context: Context) -> Iterator[_Found]:
    if not document.text[: context.start].strip():
        yield _Found("ir 1", "keyword", "the version of the text form")
    for word, detail in (("net", "a function"), ("const", "a constant"), ("weights", "constants in a file")):
        yield _Found(word, "keyword", detail, insert=f"{word} ")


_SOURCES: dict[str, Callable[[Document, Context], Iterator[_Found]]] = {
    "operand": _operands,
    "layer": _layers,
    "attribute": _attributes,
    "attribute value": _attribute_values,
    "type": _types,
    "layout": _layouts,
    "clause": _regions,
    "routine": _routines,
    "item": _items,
}
