"""From syntax records to modules: names are resolved, layers made, everything checked. All errors of a text are
reported at once."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import lark

from plait.ir.diagnostics import Diagnostic, IRError, Location, ShapeError, did_you_mean
from plait.ir.layer import Layer, OpaqueLayer
from plait.ir.literals import read_literal
from plait.ir.module import Function, Module
from plait.ir.registry import LayerSpec, known_layers, layer_class
from plait.ir.text.syntax import (
    DeclaredSyntax,
    LayerSyntax,
    ModuleSyntax,
    NetSyntax,
    OperandSyntax,
    Source,
    WeightsSyntax,
    name_of,
    plain,
    read,
    unquote,
)
from plait.ir.types import DType, TensorType
from plait.ir.values import Array, Constant, Value
from plait.ir.verify import diagnose

WeightsLoader = Callable[[str, str, dict[str, TensorType]], dict[str, Callable[[], Array]]]
"""(file name, hash or "", declared types) -> loader of each constant. Raises IRError P007."""


def parse_module(
    text: str,
    file: str = "<text>",
    *,
    weights: WeightsLoader | None = None,
    allow_unknown: bool = False,
    check: bool = True,
) -> Module:
    """Read the text form.

    Args:
        text: the whole text.
        file: its name, for diagnostics.
        weights: how to get the constants that stand in a weights file; None leaves them unloaded (shapes only).
        allow_unknown: accept layers of unregistered kinds.
        check: run the verifier.

    Raises:
        IRError: every error found, each at its place.
    """
    source = Source(file, text.splitlines())
    return _Builder(source, weights, allow_unknown).build(read(text, source), check)


def parse_attributes(text: str, file: str = "<options>") -> dict[str, Any]:
    """Read `{name = value, ...}` as used for layer attributes and pass options.

    Raises:
        IRError: P001 at the place.
    """
    source = Source(file, text.splitlines())
    return {str(a.name): plain(a.value) for a in read(text, source, "attributes")}


class _Builder:
    def __init__(self, source: Source, weights: WeightsLoader | None, allow_unknown: bool) -> None:
        self.source = source
        self.weights = weights
        self.allow_unknown = allow_unknown
        self.module = Module()
        self.errors: list[Diagnostic] = []

    def error(self, code: str, token: lark.Token, message: str, hint: str = "") -> None:
        self.errors.append(Diagnostic(code, message, self.source.span(token), hint=hint))

    def build(self, syntax: ModuleSyntax, check: bool) -> Module:
        if str(syntax.version) != "1":
            self.error(
                "P005", syntax.version, f"text form version {syntax.version} is not supported", "this is version 1"
            )
        for item in syntax.items:
            if isinstance(item, WeightsSyntax):
                self.add_weights(item)
            elif isinstance(item, DeclaredSyntax):
                self.add_inline(item)
        for item in syntax.items:
            if isinstance(item, NetSyntax):
                self.add_net(item)
        if check and not self.errors:
            self.errors = diagnose(self.module, allow_unknown=self.allow_unknown)
        if self.errors:
            raise IRError(self.errors)
        return self.module

    # --- constants ---

    def add_weights(self, item: WeightsSyntax) -> None:
        file = unquote(item.file)
        self.module.weights_file = file
        declared = {name_of(c.name): c.type for c in item.constants}
        loaders: dict[str, Callable[[], Array]] = {}
        if self.weights is not None:
            try:
                loaders = self.weights(file, item.hash, declared)
            except IRError as error:
                self.errors += [
                    Diagnostic(d.code, d.message, self.source.span(item.file), hint=d.hint) for d in error.diagnostics
                ]
        for constant in item.constants:
            name = name_of(constant.name)
            self.adopt(constant.name, Constant(name, type=constant.type, load=loaders.get(name) or _absent(name, file)))

    def add_inline(self, item: DeclaredSyntax) -> None:
        literal = plain(item.literal)
        values = literal if isinstance(literal, tuple) else (literal,)
        name = name_of(item.name)
        if not item.type.is_static or item.type.elements != len(values):
            self.error("P006", item.name, f"@{name} has type {item.type} but {len(values)} numbers")
            return
        try:
            data = read_literal(literal, item.type)
        except (ValueError, TypeError, OverflowError) as error:
            self.error("P006", item.name, f"@{name}: {error}")
            return
        self.adopt(item.name, Constant(name, data, type=item.type))

    def adopt(self, token: lark.Token, constant: Constant) -> None:
        if constant.name in self.module.constants:
            self.error("P002", token, f"@{constant.name} is defined twice")
        else:
            self.module.adopt(constant)

    # --- nets ---

    def add_net(self, net: NetSyntax) -> None:
        name = name_of(net.name)
        if name in self.module.functions:
            self.error("P002", net.name, f"net @{name} is defined twice")
            return
        scope: dict[str, Value] = {}
        arguments = []
        for token, type in net.arguments:
            arguments.append(Value(name_of(token), type))
            self.define(scope, token, arguments[-1])
        function = Function(name, arguments)
        later = {name_of(t) for layer in net.layers for t in layer.results}
        for layer in net.layers:
            self.add_layer(function, scope, later, layer)
        outputs = [self.resolve(scope, later, o.value) for o in net.outputs]
        if all(v is not None for v in outputs):
            values = [v for v in outputs if v is not None]
            for value, output in zip(values, net.outputs, strict=True):
                if value.type != output.type and not self.errors:
                    self.error(
                        "P103", output.value, f"output is declared {output.type} but {output.value} is {value.type}"
                    )
            function.set_outputs(values, [o.name if o.name is not None else name_of(o.value) for o in net.outputs])
        self.module.functions[name] = function

    def define(self, scope: dict[str, Value], token: lark.Token, value: Value) -> None:
        if value.name in scope:
            self.error("P002", token, f"%{value.name} is defined twice")
        scope[value.name] = value

    def resolve(self, scope: dict[str, Value], later: set[str], token: lark.Token) -> Value | None:
        name = name_of(token)
        known: dict[str, Any] = self.module.constants if token.startswith("@") else scope
        if name in known:
            found: Value = known[name]
            return found
        if token.startswith("%") and name in later:
            self.error("P004", token, f"{token} is used before its definition")
        else:
            self.error("P003", token, f"{token} is not defined", did_you_mean(name, known))
        return None

    def add_layer(self, function: Function, scope: dict[str, Value], later: set[str], syntax: LayerSyntax) -> None:
        layer = self.make_layer(scope, later, syntax)
        types = None if syntax.types is None else [t for _, t in syntax.types]
        if layer is None or (types is None and isinstance(layer, OpaqueLayer)):
            if layer is not None and self.allow_unknown:
                self.error("P101", syntax.op, f"the results of unknown layer {syntax.op!s} need types")
            # Keep going with the declared types so that later lines are checked too.
            layer = OpaqueLayer(str(syntax.op), types=tuple(types or ()))
            if types is None:
                for token in syntax.results:
                    later.discard(name_of(token))
                    scope[name_of(token)] = Value(name_of(token), TensorType(DType.F32, ()))
                return
        names = [name_of(t) for t in syntax.results]
        if types is not None and len(types) != len(names):
            self.error("P103", syntax.op, f"{len(names)} results but {len(types)} types")
            types = (types * len(names))[: len(names)]
        try:
            function.body.append(layer, names, types)
        except (ShapeError, ValueError, IndexError, TypeError) as error:
            self.error("P104", syntax.op, f"{syntax.op!s}: {error}")
            for name in names:
                scope[name] = Value(name, TensorType(DType.F32, ()))
            return
        if len(layer.results) != len(names):
            self.error("P103", syntax.op, f"{syntax.op!s} makes {len(layer.results)} results, not {len(names)}")
        for token, value in zip(syntax.results, layer.results, strict=False):
            self.define(scope, token, value)

    def make_layer(self, scope: dict[str, Value], later: set[str], syntax: LayerSyntax) -> Layer | None:
        op = str(syntax.op)
        operands = [(o, self.resolve(scope, later, o.token)) for o in syntax.operands]
        common: dict[str, Any] = {
            "via": None if syntax.via is None else str(syntax.via),
            "cost_us": None if syntax.cost is None else float(syntax.cost[1:-2]),
            "locations": tuple(Location(f, n) for f, n in syntax.locations),
            "span": self.source.span(syntax.op),
        }
        attributes = {str(a.name): plain(a.value) for a in syntax.attributes}
        cls = layer_class(op)
        if cls is None:
            if not self.allow_unknown:
                self.error("P101", syntax.op, f"unknown layer {op!r}", did_you_mean(op, known_layers()))
            if any(v is None for _, v in operands):
                return None
            types = tuple(t for _, t in syntax.types or ())
            return OpaqueLayer(op, tuple(v for _, v in operands), attributes, types, **common)
        fields = self.operand_fields(cls.spec, syntax, operands)
        if fields is None or not self.check_attribute_names(cls.spec, syntax):
            return None
        try:
            return cls(**fields, **attributes, **common)
        except (ValueError, TypeError) as error:
            self.error("P102", syntax.op, f"{op}: {error}")
            return None

    def operand_fields(
        self, spec: LayerSpec, syntax: LayerSyntax, operands: list[tuple[OperandSyntax, Value | None]]
    ) -> dict[str, Any] | None:
        if any(v is None for _, v in operands):
            return None
        if spec.operands and spec.operands[0].variadic:
            return {spec.operands[0].name: tuple(v for _, v in operands)}
        known = [o.name for o in spec.operands]
        fields: dict[str, Any] = {}
        for position, (operand, value) in enumerate(operands):
            if operand.field is None and position >= len(known):
                self.error("P102", operand.token, f"{spec.name} takes at most {len(known)} operands")
                return None
            field = known[position] if operand.field is None else str(operand.field)
            if field not in known:
                assert operand.field is not None
                self.error("P102", operand.field, f"{spec.name} has no operand {field!r}", did_you_mean(field, known))
                return None
            fields[field] = value
        missing = [o.name for o in spec.operands if not o.optional and o.name not in fields]
        if missing:
            self.error("P102", syntax.op, f"{spec.name} needs operand {missing[0]}")
            return None
        return fields

    def check_attribute_names(self, spec: LayerSpec, syntax: LayerSyntax) -> bool:
        known = {a.name for a in spec.attributes}
        ok = True
        for attribute in syntax.attributes:
            if str(attribute.name) not in known:
                self.error(
                    "P102",
                    attribute.name,
                    f"{spec.name} has no attribute {str(attribute.name)!r}",
                    did_you_mean(str(attribute.name), known),
                )
                ok = False
        given = {str(a.name) for a in syntax.attributes}
        for spec_attribute in spec.attributes:
            if spec_attribute.required and spec_attribute.name not in given:
                self.error("P102", syntax.op, f"{spec.name} needs attribute {spec_attribute.name}")
                ok = False
        return ok


def _absent(name: str, file: str) -> Callable[[], Array]:
    def load() -> Array:
        raise IRError(Diagnostic("P007", f"the data of @{name} are in {file!r}, which was not loaded"))

    return load
