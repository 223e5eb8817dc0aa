"""What match and replacement graphs share: layers looked up, their operands and attributes checked."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import attrs
import lark

from plait.ir.diagnostics import did_you_mean
from plait.ir.layer import Layer
from plait.ir.registry import LayerSpec, known_layers, layer_class
from plait.ir.text.patterns import PatternLayerSyntax
from plait.ir.text.records import AttributeSyntax
from plait.ir.text.syntax import BadLiteral, key_of, plain
from plait.passes.patterns.graph import Variable
from plait.passes.patterns.report import Report, key


@attrs.frozen
class LayerReader:
    """Reads the layers of graphs."""

    report: Report

    def layer_class(self, syntax: PatternLayerSyntax) -> type[Layer] | None:
        """The class of a layer, or None after reporting P101, or P102 if it holds regions."""
        cls = layer_class(str(syntax.op))
        if cls is None:
            message = f"unknown layer {str(syntax.op)!r}"
            self.report.error("P101", syntax.op, message, did_you_mean(str(syntax.op), known_layers()))
        elif cls.spec.regions:
            self.report.error("P102", syntax.op, f"{cls.spec.name} holds regions, which patterns cannot match or make")
            return None
        return cls

    def operands(self, spec: LayerSpec, syntax: PatternLayerSyntax) -> tuple[dict[str, lark.Token], list[lark.Token]]:
        """Operand tokens by field, and those of a field that repeats; reports P102."""
        fixed = [o.name for o in spec.operands if not o.variadic]
        fields: dict[str, lark.Token] = {}
        repeated: list[lark.Token] = []
        for position, operand in enumerate(syntax.operands):
            if operand.field is None and position >= len(fixed):
                if len(fixed) == len(spec.operands):
                    self.report.error("P102", operand.token, f"{spec.name} takes at most {len(fixed)} operands")
                repeated.append(operand.token)
                continue
            field = fixed[position] if operand.field is None else str(operand.field)
            place = operand.token if operand.field is None else operand.field
            if field not in fixed:
                self.report.error("P102", place, f"{spec.name} has no operand {field!r}", did_you_mean(field, fixed))
            elif field in fields:
                self.report.error("P102", place, f"operand {field} is given twice")
            fields[field] = operand.token
        missing = [o.name for o in spec.operands if not (o.optional or o.variadic or o.name in fields)]
        if missing and syntax.rest_operands is None:
            hint = "'...' stands for operands that are not written"
            self.report.error("P102", syntax.op, f"{spec.name} needs operand {missing[0]}", hint)
        return fields, repeated

    def attributes(self, cls: type[Layer], syntax: PatternLayerSyntax) -> dict[str, Any]:
        """Attributes as written, converted; a `Variable` for `$s`. Reports P102."""
        spec = cls.spec
        known = [a.name for a in spec.attributes]
        values: dict[str, Any] = {}
        for attribute in syntax.attributes:
            name = key_of(attribute.name)
            if name not in known:
                message = f"{spec.name} has no attribute {name!r}"
                self.report.error("P102", attribute.name, message, did_you_mean(name, known))
                continue
            if name in values:
                self.report.error("P102", attribute.name, f"attribute {name} is given twice")
            values[name] = self.attribute(cls, name, attribute)
        missing = [a.name for a in spec.attributes if a.required and a.name not in values]
        if missing and syntax.rest_attributes is None:
            hint = "'...' stands for attributes that are not written"
            self.report.error("P102", syntax.op, f"{spec.name} needs attribute {missing[0]}", hint)
        return values

    def attribute(self, cls: type[Layer], name: str, syntax: AttributeSyntax) -> Any:
        """One attribute value, converted as the layer does."""
        value = syntax.value
        if isinstance(value, lark.Token) and value.type == "VARIABLE":
            return Variable(key(value))
        convert = converter_of(cls, name)
        try:
            return plain(value) if convert is None else convert(plain(value))
        except BadLiteral as error:
            self.report.error("P006", error.fault.at(syntax.name), error.fault.message)
        except (ValueError, TypeError) as error:
            self.report.error("P102", syntax.name, f"{cls.spec.name}: {name}: {error}")
        return None


def converter_of(cls: type[Layer], attribute: str) -> Callable[[Any], Any] | None:
    """How a layer converts the literal of an attribute."""
    converter = attrs.fields_dict(cls)[attribute].converter
    return None if converter is None or isinstance(converter, attrs.Converter) else converter
