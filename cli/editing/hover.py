"""What is shown of the thing under the pointer."""

from __future__ import annotations

from plait.cli.editing import describe
from plait.cli.editing.document import Document
from plait.cli.editing.outline import Mark
from plait.cli.editing.positions import Position, Range
from plait.cli.editing.scan import Token
from plait.cli.layer_pages import default_text, signature
from plait.ir.activation import KINDS
from plait.ir.registry import LayerSpec, layer_class


def hover(document: Document, position: Position) -> tuple[Range, str] | None:
    """Markdown about the token at a position, and its range; None where there is nothing to say."""
    token = document.outline.token_at(document.lines.offset(position))
    if token is None:
        return None
    mark = document.mark_at(position)
    text = _of_mark(document, mark) if mark else _of_token(token)
    shown = mark.token if mark else token
    return (document.lines.range(shown.start, shown.end), text) if text else None


def _of_mark(document: Document, mark: Mark) -> str:
    if mark.key is not None:
        return _net(document, mark) if mark.key[0] == "net" else _value(document, mark)
    spec = _spec(mark)
    if mark.role == "layer":
        return _layer(document, mark, spec)
    if mark.role == "routine":
        return _routine(document, mark)
    if spec is not None and mark.role == "attribute":
        return _attribute(spec, mark.of)
    if spec is not None and mark.role in ("field", "region"):
        what = "operand" if mark.role == "field" else "region"
        return f"{what} `{mark.token.text}` of `{spec.name}`\n\n{describe.about(spec, mark.token.text)}".strip()
    return _word(mark.token) if mark.role == "word" else ""


def _spec(mark: Mark) -> LayerSpec | None:
    op = mark.statement.op if mark.statement else None
    cls = layer_class(op.text) if op else None
    return cls.spec if cls else None


def _value(document: Document, mark: Mark) -> str:
    value = document.value(mark.key)
    if value is None:
        return ""
    rows = [describe.value_text(value)]
    if value.owner is not None:
        rows += [f"result of `{value.owner.op}`", describe.layer_text(value.owner), value.owner.spec.summary]
    elif mark.key is not None and mark.key[0] == "value":
        rows.append("argument")
    return "\n\n".join(filter(None, rows))


def _net(document: Document, mark: Mark) -> str:
    assert mark.key is not None
    net = document.net(mark.key)
    if net is None:
        return ""
    arguments = ", ".join(f"%{a.name}: {a.type}" for a in net.arguments)
    outputs = ", ".join(f"{name}: {v.type}" for name, v in zip(net.output_names, net.outputs, strict=False))
    layers = list(net.walk())
    rows = [
        describe.code(f"net @{net.name}({arguments}) -> ({outputs})"),
        describe.plural(len(layers), "layer"),
        net.comment,
    ]
    times = [layer.cost_us for layer in layers]
    if times and None not in times:
        rows.append(f"{sum(t for t in times if t is not None):.2f} us measured, the sum over the layers")
    return "\n\n".join(filter(None, rows))


def _layer(document: Document, mark: Mark, spec: LayerSpec | None) -> str:
    layer = document.layer(mark.statement)
    own = describe.layer_text(layer) if layer is not None else ""
    if spec is None:
        return own
    return "\n\n".join(filter(None, (describe.code(signature(spec)), own, describe.documentation(spec))))


def _attribute(spec: LayerSpec, name: str) -> str:
    attribute = next((a for a in spec.attributes if a.name == name), None)
    if attribute is None:
        return ""
    text = default_text(attribute)
    default = ", must be given" if attribute.required else f", default `{text}`" if text else ""
    head = f"attribute `{name}` of `{spec.name}`: {describe.kind_of(attribute)}{default}"
    return f"{head}\n\n{describe.about(spec, name)}".strip()


def _routine(document: Document, mark: Mark) -> str:
    from plait.backends.descriptor import RoutinePath
    from plait.backends.routine import find_routine, routine_owner
    from plait.ir.diagnostics import PlaitError

    op = mark.statement.op if mark.statement else None
    try:
        routine = find_routine(op.text, RoutinePath.parse(mark.token.text)) if op else None
    except PlaitError as error:
        return error.diagnostics[0].message
    if routine is None or op is None:
        return f"`{op.text if op else '?'}` has no such routine here"
    rows = [f"`{routine.path}` of `{routine.layer}`", routine.summary, f"by {routine_owner(routine)}"]
    refused = describe.refusal(routine, document.layer(mark.statement))
    return "\n\n".join(filter(None, (*rows, f"refuses this layer: {refused}" if refused else "")))


def _word(token: Token) -> str:
    if token.text in KINDS:
        return _activation(token.text)
    return _of_token(token)


def _activation(name: str) -> str:
    parameters = KINDS[name][0]
    return f"activation `{name}`" + (f", {describe.plural(parameters, 'parameter')}" if parameters else "")


def _of_token(token: Token) -> str:
    """Element types, quantized types, layouts."""
    from plait.ir.dtypes import Quantized, element_type
    from plait.ir.layout import layout_named

    try:
        if token.kind in ("name", "quantized"):
            dtype = element_type(token.text)
            stored = f", stored as {dtype.storage}" if isinstance(dtype, Quantized) else ""
            return f"element type `{dtype}`: {dtype.bits} bits{stored}" if dtype.bits else f"element type `{dtype}`"
    except ValueError:
        pass
    try:
        if token.kind in ("name", "layout"):
            layout = layout_named(token.text)
            return f"layout `{layout}`: from slowest to fastest {', '.join(map(str, layout.terms or ()))}"
    except ValueError:
        pass
    return ""
