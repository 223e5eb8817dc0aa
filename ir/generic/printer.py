"""From modules to generic MLIR text. Deterministic, and works on invalid modules too.

What a layer computes stands in its properties `<{...}>`, what else is known of it (names, routine, cost, comment) in
discardable attributes `{plait...}`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from plait.ir.diagnostics import Location
from plait.ir.generic.attributes import array_text, attribute_text
from plait.ir.generic.dense import elements_text
from plait.ir.generic.spelling import SsaNames, is_key, key, real, stands_anywhere, string
from plait.ir.generic.types import constant_type_text, type_text
from plait.ir.layer import Layer, OpaqueLayer
from plait.ir.literals import is_inline
from plait.ir.module import Function, Module
from plait.ir.region import Region
from plait.ir.spelling import unquote
from plait.ir.text.printer import Names, Style, named_regions
from plait.ir.values import Constant, Value


def print_generic(module: Module, *, locations: bool = True, comments: bool = True, weights_hash: str = "") -> str:
    """The module as generic MLIR text, which `parse_module` reads back.

    Args:
        locations, comments: whether they are printed.
        weights_hash: `sha256:<digest>` of the weights file.
    """
    constants = list(module.constants.values())
    inline = [c for c in constants if is_inline(c.type) and c.has_data]
    external = [c for c in constants if not is_inline(c.type) or not c.has_data]
    ssa = SsaNames()
    names = {c: ssa.take(c.name) for c in (*external, *inline)}
    lines = [_external(c, names[c]) for c in external]
    lines += [_inline(c, names[c]) for c in inline]
    for function in module.functions.values():
        lines += _FunctionText(function, names, ssa.nested(), Style(locations, comments)).lines()
    notes = ["plait.version = 1 : i64"]
    if external:
        notes.append(f"plait.weights_file = {string(module.weights_file or '')}")
        if weights_hash:
            notes.append(f"plait.weights_hash = {string(weights_hash)}")
    body = "".join(f"{line}\n" for line in lines or ["^bb0:"])
    return f'"builtin.module"() ({{\n{body}}}) {{{", ".join(notes)}}} : () -> ()\n'


def _external(constant: Constant, name: str) -> str:
    return f'  {name} = "plait.weight"() <{{name = {string(constant.name)}}}> : () -> {_type_of(constant)}'


def _inline(constant: Constant, name: str) -> str:
    value = elements_text(constant.data, constant.type)
    properties = f"name = {string(constant.name)}, value = {value}"
    return f'  {name} = "plait.const"() <{{{properties}}}> : () -> {_type_of(constant)}'


def _type_of(value: Value) -> str:
    return constant_type_text(value.type) if isinstance(value, Constant) else type_text(value.type)


class _FunctionText:
    """The text of one function."""

    def __init__(self, function: Function, constants: dict[Constant, str], ssa: SsaNames, style: Style) -> None:
        self.function, self.style, self.ssa = function, style, ssa
        self.names = Names(function.body.values())
        self.spelled: dict[Value, str] = dict(constants.items())
        for value in function.body.values():
            self.spelled[value] = ssa.take(self.name(value))

    def name(self, value: Value) -> str:
        """The name of a value in the text form, without quotes."""
        text = self.names[value]
        return unquote(text) if text.startswith('"') else text

    def use(self, value: Value) -> str:
        """The SSA name of a value. (One that is defined nowhere gets a name too.)"""
        if value not in self.spelled:
            self.spelled[value] = self.ssa.take(self.name(value))
        return self.spelled[value]

    def lines(self) -> Iterator[str]:
        function = self.function
        properties = f"sym_name = {string(function.name)}, arg_names = {self.names_of(function.arguments)}"
        properties += f", output_names = {array_text(function.output_names)}"
        yield f'  "plait.net"() <{{{properties}}}> ({{'
        yield from self.body(function.body, "return", "  ")
        comment = function.comment if self.style.comments else ""
        notes = f" {{plait.comment = {string(comment)}}}" if comment else ""
        yield f"  }}){notes} : () -> ()"

    def body(self, region: Region, end: str, indent: str) -> Iterator[str]:
        """The block of a region: its label if it has arguments, the layers, the terminator."""
        if region.arguments:
            shown = ", ".join(f"{self.use(a)}: {type_text(a.type)}" for a in region.arguments)
            yield f"{indent}^bb0({shown}):"
        for layer in region:
            yield from self.layer(layer, f"{indent}  ")
        yield f'{indent}  "plait.{end}"({self.uses(region.outputs)}) : {_types(region.outputs)} -> ()'

    def layer(self, layer: Layer, indent: str) -> Iterator[str]:
        results = ", ".join(self.use(r) for r in layer.results)
        text = f'{indent}{f"{results} = " if results else ""}"plait.{layer.op}"({self.uses(layer.operands)})'
        if properties := self.properties(layer):
            text += f" <{{{', '.join(properties)}}}>"
        for i, (_, region) in enumerate(named_regions(layer)):
            yield f"{text}, {{" if i else f"{text} ({{"
            yield from self.body(region, "yield", indent)
            text = f"{indent}}}"
        if layer.regions():
            text += ")"
        outputs = [type_text(r.type) for r in layer.results]
        shown = outputs[0] if len(outputs) == 1 else f"({', '.join(outputs)})"
        text += f" {{{', '.join(self.notes(layer))}}} : {_types(layer.operands)} -> {shown}"
        yield text + (_location(layer.locations) if self.style.locations else "")

    def properties(self, layer: Layer) -> list[str]:
        """What the layer computes, beside operands and regions."""
        attributes = layer.attributes()
        found = []
        if not isinstance(layer, OpaqueLayer) and any(o.optional for o in layer.spec.operands[:-1]):
            sizes = [_count(getattr(layer, o.name)) for o in layer.spec.operands]
            found.append(f"operandSegmentSizes = array<i32: {', '.join(map(str, sizes))}>")
        if all(is_key(name) for name in attributes):
            found += [f"{key(name)} = {attribute_text(value)}" for name, value in attributes.items()]
        return found

    def notes(self, layer: Layer) -> Iterator[str]:
        """What is known of the layer beside what it computes, and what MLIR has no place for."""
        yield f"plait.names = {self.names_of(layer.results)}"
        regions = named_regions(layer)
        if any(region.arguments for _, region in regions):
            yield f"plait.arg_names = [{', '.join(self.names_of(region.arguments) for _, region in regions)}]"
        if isinstance(layer, OpaqueLayer):
            if regions:
                yield f"plait.region_names = {array_text([name for name, _ in regions])}"
            if any(layer.fields):
                yield f"plait.operand_names = {array_text(layer.fields)}"
            if not all(is_key(name) for name in layer.values):
                yield f"plait.attributes = {attribute_text(layer.values)}"
        if layer.via:
            yield f"plait.via = {string(layer.via)}"
        if layer.cost_us is not None:
            yield f"plait.cost_us = {real(layer.cost_us)} : f64"
        if layer.comment and self.style.comments:
            yield f"plait.comment = {string(layer.comment)}"
        if self.style.locations and not _has_form(layer.locations):
            yield f"plait.locations = [{', '.join(array_text([p.file, p.name]) for p in layer.locations)}]"

    def names_of(self, values: Iterable[Value]) -> str:
        return array_text([self.name(v) for v in values])

    def uses(self, values: Iterable[Value]) -> str:
        return ", ".join(self.use(v) for v in values)


def _types(values: Iterable[Value]) -> str:
    return f"({', '.join(_type_of(v) for v in values)})"


def _count(operand: Value | tuple[Value, ...] | None) -> int:
    return len(operand) if isinstance(operand, tuple) else int(operand is not None)


def _has_form(places: Sequence[Location]) -> bool:
    """Whether MLIR can say these places: it takes equal ones for one."""
    return len(set(places)) == len(places) and all(
        stands_anywhere(place.file) and stands_anywhere(place.name) for place in places
    )


def _location(places: Sequence[Location]) -> str:
    """Nodes of a model file: names at a file. (Their line and column are not known.)

    Where there are none it says so: MLIR makes the place in the text a location else.
    """
    if not places or not _has_form(places):
        return " loc(unknown)"
    shown = [f"{string(place.name)}({string(place.file)}:0:0)" for place in places]
    return f" loc({shown[0]})" if len(shown) == 1 else f" loc(fused[{', '.join(shown)}])"
