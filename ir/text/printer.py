"""From modules to text. Deterministic, and works on invalid modules too."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator

import attrs

from plait.ir.attributes import attribute_text
from plait.ir.layer import Layer, OpaqueLayer
from plait.ir.literals import is_inline, literal_text
from plait.ir.module import Function, Module
from plait.ir.region import Region
from plait.ir.spelling import cost_text, name_text, quote, routine_text, word_text
from plait.ir.types import Type
from plait.ir.values import Constant, Value

_WIDTH = 120


@attrs.frozen
class Style:
    """What is printed beside what counts."""

    locations: bool = True
    comments: bool = True


def print_module(module: Module, *, locations: bool = True, comments: bool = True, weights_hash: str = "") -> str:
    """The text form of a module."""
    style = Style(locations, comments)
    blocks = ["ir 1"]
    inline = [c for c in module.constants.values() if is_inline(c.type) and c.has_data]
    external = [c for c in module.constants.values() if not is_inline(c.type) or not c.has_data]
    if external:
        hashed = f" {weights_hash}" if weights_hash else ""
        declared = "".join(f"  {_const(c)} : {constant_type(c.type)}\n" for c in external)
        blocks.append(f"weights {quote(module.weights_file or '')}{hashed} {{\n{declared}}}")
    if inline:
        rows = (f"const {_const(c)} : {constant_type(c.type)} = {literal_text(c.data, c.type.dtype)}" for c in inline)
        blocks.append("\n".join(rows))
    blocks += [_function(f, style) for f in module.functions.values()]
    return "\n".join(blocks) + "\n"


def constant_type(type: Type) -> str:
    """Type of a constant: always row-major, so no layout is written."""
    return f"{type.dtype}[{'x'.join(str(d) for d in type.shape)}]"


def layer_text(layer: Layer, names: Names | None = None, *, locations: bool = True) -> str:
    """One layer without its comment: one line (wrapped before `via` if it would be long), and those of its regions."""
    if names is None:
        inside = [*(r for region in layer.regions() for r in region.values())]
        names = Names((*layer.operands, *layer.results, *inside, *layer.reads()))
    return "\n".join(_layer(layer, names, "", Style(locations, comments=False)))


class Names:
    """Unique printed names: the first value with a name keeps it, later ones get `.1`, `.2`, ..."""

    def __init__(self, values: Iterable[Value]) -> None:
        self._names: dict[Value, str] = {}
        taken: set[str] = set()
        counts: dict[str, int] = {}
        for value in values:
            if value in self._names or isinstance(value, Constant):
                continue
            base = value.name or "v"
            name = base
            while name in taken:
                counts[base] = counts.get(base, 0) + 1
                name = f"{base}.{counts[base]}"
            taken.add(name)
            self._names[value] = name_text(name)

    def __getitem__(self, value: Value) -> str:
        return self._names.get(value) or name_text(f"{value.name}?undefined")

    def operand(self, value: Value) -> str:
        """`%name` or `@name`."""
        return _const(value) if isinstance(value, Constant) else f"%{self[value]}"


def _function(function: Function, style: Style) -> str:
    names = Names(function.body.values())
    # A damaged function may lack names.
    paired = itertools.zip_longest(function.outputs, function.output_names[: len(function.outputs)])
    outputs = ", ".join(_output(v, n, names) for v, n in paired)
    head = f"net @{name_text(function.name)}({_arguments(function.body, names)}) -> ({outputs}) {{"
    return "\n".join([*_comment(function.comment, "", style), head, *_rows(function.body, names, "  ", style), "}"])


def _arguments(region: Region, names: Names) -> str:
    return ", ".join(f"%{names[a]}: {a.type}" for a in region.arguments)


def _output(value: Value, name: str | None, names: Names) -> str:
    spelled = names.operand(value)
    shown = f"{spelled}: {constant_type(value.type) if isinstance(value, Constant) else value.type}"
    return shown if name is None or spelled[1:] == name_text(name) else f"{quote(name)} = {shown}"


def _rows(region: Region, names: Names, indent: str, style: Style) -> Iterator[str]:
    for layer in region:
        yield from _comment(layer.comment, indent, style)
        yield from _layer(layer, names, indent, style)


def _comment(text: str, indent: str, style: Style) -> Iterator[str]:
    # Blank comments are not read back.
    if text.strip() and style.comments:
        yield from (f"{indent}// {line}".rstrip() for line in text.split("\n"))


def _layer(layer: Layer, names: Names, indent: str, style: Style) -> Iterator[str]:
    text = indent + ", ".join([f"%{names[r]}" for r in layer.results])
    text += f" = {layer.op}({', '.join(_operands(layer, names))})"
    if attributes := layer.attributes():
        text += f" {attribute_text(attributes)}"
    if regions := named_regions(layer):
        for name, region in regions:
            yield text
            outputs = ", ".join(_output(v, None, names) for v in region.outputs)
            yield f"{indent}  {word_text(name)} ({_arguments(region, names)}) -> ({outputs}) {{"
            yield from _rows(region, names, indent + "    ", style)
            text = f"{indent}  }}"
    text += " : " + ", ".join([str(r.type) for r in layer.results])
    tail = ""
    if layer.via:
        tail += f" via {routine_text(layer.via)}"
    if layer.cost_us is not None:
        tail += f" !{cost_text(layer.cost_us)}us"
    if style.locations and layer.locations:
        tail += " loc " + " + ".join(f"{quote(place.file)}:{quote(place.name)}" for place in layer.locations)
    if tail and len(text) + len(tail) > _WIDTH:
        yield text
        text = f"{indent}     "
    yield text + tail


def named_regions(layer: Layer) -> list[tuple[str, Region]]:
    """The regions of a layer with their names in the text."""
    if isinstance(layer, OpaqueLayer):
        return list(layer.bodies.items())
    return [(spec.name, getattr(layer, spec.field)) for spec in layer.spec.regions]


def _operands(layer: Layer, names: Names) -> list[str]:
    """Positional up to the first absent operand, then `field = %value`."""
    if isinstance(layer, OpaqueLayer):
        fields = layer.fields or ("",) * len(layer.args)
        shown = [names.operand(v) for v in layer.args]
        return [f"{f} = {v}" if f else v for f, v in zip(fields, shown, strict=True)]
    shown, gap = [], False
    for spec in layer.spec.operands:
        field = getattr(layer, spec.name)
        if spec.variadic:
            shown += [names.operand(v) for v in field]
        elif field is None:
            gap = True
        else:
            shown.append(f"{spec.name} = {names.operand(field)}" if gap else names.operand(field))
    return shown


def _const(value: Value) -> str:
    return f"@{name_text(value.name)}"
