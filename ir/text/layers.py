"""From records to the layers of a net and of the regions in it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Protocol

import attrs
import lark

from plait.ir.diagnostics import Location, ShapeError, did_you_mean
from plait.ir.layer import Layer, OpaqueLayer
from plait.ir.module import Module
from plait.ir.region import Region
from plait.ir.registry import LayerSpec, known_layers, layer_class
from plait.ir.spelling import name_text
from plait.ir.text.records import BodySyntax, LayerSyntax, OperandSyntax, Source, TypeSyntax
from plait.ir.text.recovery import UNKNOWN
from plait.ir.text.syntax import NESTING_LIMIT, BadLiteral, key_of, plain
from plait.ir.types import Type
from plait.ir.values import Value

Operands = list[tuple[OperandSyntax, "Value | None"]]


class Reader(Protocol):
    """What reading layers needs of the reader of the module."""

    source: Source
    module: Module
    allow_unknown: bool

    def error(self, code: str, token: lark.Token, message: str, hint: str = "") -> None: ...
    def type_of(self, syntax: TypeSyntax) -> Type | None: ...
    def name(self, token: lark.Token) -> str: ...
    def string(self, token: lark.Token) -> str: ...


@attrs.define
class Names:
    """The values of a net by name, as seen from one place of its text.

    A name whose value could not be made stands for None; it causes no further errors.
    """

    body: BodySyntax
    lost: set[str]
    """Names, with their sign, that are defined in parts of the text that were left out."""
    visible: dict[str, Value | None] = attrs.field(factory=dict)
    used: set[str] = attrs.field(factory=set)
    """All names defined so far; unlike the visible ones, also those of regions that have ended."""
    depth: int = 0
    """How many regions of layers are around the place."""

    @contextmanager
    def region(self) -> Iterator[None]:
        """Names defined meanwhile are visible only meanwhile."""
        outer = dict(self.visible)
        self.depth += 1
        yield
        self.depth -= 1
        self.visible = outer

    def define(self, name: str, value: Value | None) -> bool:
        """Make a name known; false if it was defined before."""
        new = name not in self.used
        self.used.add(name)
        self.visible[name] = value
        return new

    def comes_later(self, token: lark.Token) -> bool:
        """Whether some layer of the net defines the name, here or in a region."""
        return any(t == token for layer in self.body.walk() for t in layer.results)


class LayerReader:
    """Makes the layers of one net."""

    def __init__(self, reader: Reader, names: Names) -> None:
        self.reader, self.names = reader, names
        self.error = reader.error

    # --- regions ---

    def fill(self, region: Region, syntax: BodySyntax) -> None:
        """Give a region its arguments, layers and outputs."""
        for token, written in syntax.arguments:
            type = self.reader.type_of(written)
            value = None if type is None else Value(self.reader.name(token), type)
            if value is not None:
                region.arguments.append(value)
            self.define(token, value)
        for layer in syntax.layers:
            self.add(region, layer)
        outputs = []
        for output in syntax.outputs:
            value, type = self.resolve(output.value), self.reader.type_of(output.type)
            if value is None or type is None:
                continue
            outputs.append(value)
            if value.type != type:
                message = f"output is declared {type} but {output.value} is {value.type}"
                self.error("P103", output.value, message)
        region.outputs = outputs

    def read_regions(self, spec: LayerSpec | None, syntax: LayerSyntax) -> dict[str, Region] | None:
        """Regions by field name; None after reporting errors in their names."""
        fields = None if spec is None else {r.name: r.field for r in spec.regions}
        regions: dict[str, Region] = {}
        ok = True
        for token, body in syntax.regions:
            region = Region()
            if self.names.depth == NESTING_LIMIT:
                self.error("P006", token, f"regions are nested more than {NESTING_LIMIT} deep")
                return None
            with self.names.region():
                self.fill(region, body)
            name = self.reader.string(token)
            if fields is not None and name not in fields:
                self.error("P102", token, f"{syntax.op!s} has no region {name!r}", did_you_mean(name, fields))
                ok = False
                continue
            field = name if fields is None else fields[name]
            if field in regions:
                self.error("P102", token, f"region {name} is given twice")
                ok = False
            regions[field] = region
        for name, field in (fields or {}).items():
            if ok and field not in regions:
                self.error("P102", syntax.op, f"{syntax.op!s} needs region {name}")
                ok = False
        return regions if ok else None

    # --- names ---

    def define(self, token: lark.Token, value: Value | None) -> None:
        if not self.names.define(self.reader.name(token), value):
            self.error("P002", token, f"{token} is defined twice")

    def resolve(self, token: lark.Token) -> Value | None:
        name = self.reader.name(token)
        known: dict[str, Any] = self.reader.module.constants if token.startswith("@") else self.names.visible
        if name in known:
            found: Value | None = known[name]
            return found
        if token in self.names.lost or UNKNOWN in self.names.lost:
            return None
        if token.startswith("%") and name in self.names.used:
            self.error("P004", token, f"{token} is defined in a region that has ended")
        elif token.startswith("%") and self.names.comes_later(token):
            self.error("P004", token, f"{token} is used before its definition")
        else:
            self.error("P003", token, f"{token} is not defined", self.similar(str(token)))
        return None

    def similar(self, token: str) -> str:
        """Names of values and constants like one that is not defined, first of all the same with the other sign."""
        values, constants = self.names.visible, self.reader.module.constants
        known = [*(f"%{name_text(v)}" for v in values), *(f"@{name_text(c)}" for c in constants)]
        other = ("@" if token.startswith("%") else "%") + token[1:]
        return f"did you mean {other}?" if other in known else did_you_mean(token, known)

    # --- layers ---

    def add(self, region: Region, syntax: LayerSyntax) -> None:
        """Append a layer. Where it cannot be made its results get the types written, or none, so that reading goes
        on."""
        types = None if syntax.types is None else [self.reader.type_of(t) for t in syntax.types]
        stated = None if types is None else [t for t in types if t is not None]
        whole = types is None or len(stated or ()) == len(types)
        layer = self.make(syntax, tuple(stated or ()))
        if types is not None and whole and len(types) != len(syntax.results):
            self.error("P103", syntax.op, f"{_results(len(syntax.results))} but {len(types)} types")
            whole = False
        if layer is not None and layer.declares_types and types is None:
            self.error("P102", syntax.op, f"the types of the results of {syntax.op!s} must be written")
            layer = None
        if layer is None or not whole:
            for i, token in enumerate(syntax.results):
                type = types[i] if types is not None and whole else None
                self.define(token, None if type is None else Value(self.reader.name(token), type))
            return
        names = [self.reader.name(t) for t in syntax.results]
        try:
            region.append(layer, names, stated)
        except (ShapeError, ValueError, IndexError, TypeError) as error:
            self.error("P104", syntax.op, f"{syntax.op!s}: {error}")
            for token in syntax.results:
                self.define(token, None)
            return
        if len(layer.results) != len(names):
            self.error("P103", syntax.op, f"{syntax.op!s} makes {_results(len(layer.results))}, not {len(names)}")
        for i, token in enumerate(syntax.results):
            self.define(token, layer.results[i] if i < len(layer.results) else None)

    def make(self, syntax: LayerSyntax, types: tuple[Type, ...]) -> Layer | None:
        """The layer, not yet attached; None after reporting why there is none."""
        op = str(syntax.op)
        operands: Operands = [(o, self.resolve(o.token)) for o in syntax.operands]
        common: dict[str, Any] = {
            "via": None if syntax.via is None else self.reader.string(syntax.via),
            "cost_us": None if syntax.cost is None else float(syntax.cost[1:-2]),
            "locations": tuple(Location(self.reader.string(f), self.reader.string(n)) for f, n in syntax.locations),
            "comment": self.reader.source.comment_above(syntax.results[0]),
            "span": self.reader.source.span(syntax.op),
        }
        cls = layer_class(op)
        attributes = self.attributes(syntax)
        regions = self.read_regions(None if cls is None else cls.spec, syntax)
        if cls is None and not self.reader.allow_unknown:
            self.error("P101", syntax.op, f"unknown layer {op!r}", did_you_mean(op, known_layers()))
            return None
        if any(v is None for _, v in operands) or attributes is None or regions is None:
            return None
        if cls is None:
            args = tuple(v for _, v in operands if v is not None)
            fields = tuple(str(o.field or "") for o, _ in operands)
            return OpaqueLayer(op, args, attributes, regions, fields if any(fields) else (), declared=types, **common)
        named = self.operand_fields(cls.spec, syntax, operands)
        if named is None or not self.check_attribute_names(cls.spec, syntax):
            return None
        if cls.declares_types:
            common["declared"] = types
        try:
            return cls(**{**named, **attributes, **regions, **common})
        except (ValueError, TypeError) as error:
            self.error("P102", syntax.op, f"{op}: {error}")
            return None

    def attributes(self, syntax: LayerSyntax) -> dict[str, Any] | None:
        found: dict[str, Any] = {}
        ok = True
        for attribute in syntax.attributes:
            try:
                name, value = key_of(attribute.name), plain(attribute.value)
            except BadLiteral as bad:
                self.error("P006", bad.fault.at(attribute.name), bad.fault.message)
                ok = False
                continue
            if name in found:
                self.error("P102", attribute.name, f"attribute {name!r} is given twice")
                ok = False
            found[name] = value
        return found if ok else None

    def operand_fields(self, spec: LayerSpec, syntax: LayerSyntax, operands: Operands) -> dict[str, Any] | None:
        variadic = spec.operands[-1].name if spec.operands and spec.operands[-1].variadic else None
        known = [o.name for o in spec.operands if not o.variadic]
        fields: dict[str, Any] = {}
        rest: list[Value | None] = []
        for position, (operand, value) in enumerate(operands):
            if operand.field is None and position >= len(known):
                if variadic is None:
                    self.error("P102", operand.token, f"{spec.name} takes at most {len(known)} operands")
                    return None
                rest.append(value)
                continue
            field = known[position] if operand.field is None else str(operand.field)
            if field not in known:
                assert operand.field is not None
                hint = did_you_mean(field, known)
                self.error("P102", operand.field, f"{spec.name} has no operand {field!r}", hint)
                return None
            if field in fields:
                self.error("P102", operand.field or operand.token, f"operand {field} is given twice")
                return None
            fields[field] = value
        missing = [o.name for o in spec.operands if not o.optional and not o.variadic and o.name not in fields]
        if missing:
            self.error("P102", syntax.op, f"{spec.name} needs operand {missing[0]}")
            return None
        if variadic is not None:
            fields[variadic] = tuple(rest)
        return fields

    def check_attribute_names(self, spec: LayerSpec, syntax: LayerSyntax) -> bool:
        known = {a.name for a in spec.attributes}
        given = {key_of(a.name): a.name for a in syntax.attributes}
        strange = {name: token for name, token in given.items() if name not in known}
        for name, token in strange.items():
            self.error("P102", token, f"{spec.name} has no attribute {name!r}", did_you_mean(name, known))
        missing = [a.name for a in spec.attributes if a.required and a.name not in given]
        for name in missing:
            self.error("P102", syntax.op, f"{spec.name} needs attribute {name}")
        return not strange and not missing


def _results(count: int) -> str:
    return f"{count} result{'' if count == 1 else 's'}"
