"""From operations in generic text to records of layers."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

import lark

from plait.ir.generic.notes import OF_LAYER, PREFIX, Notes, Report, layer_entries, read_notes
from plait.ir.generic.scope import Known, Scope
from plait.ir.generic.source import GenericSource
from plait.ir.generic.syntax import OpSyntax, RegionSyntax, at, string_at, string_or_fault
from plait.ir.registry import LayerSpec, layer_class
from plait.ir.spelling import WORD, cost_text, name_text
from plait.ir.text.records import (
    AttributeSyntax,
    BodySyntax,
    Fault,
    LayerSyntax,
    OperandSyntax,
    OutputSyntax,
    TypeSyntax,
)
from plait.ir.text.syntax import NESTING_LIMIT

_SEGMENTS = "operandSegmentSizes"


class OpReader:
    """Reads the operations of one function. Errors that the records cannot hold are reported."""

    def __init__(self, source: GenericSource, scope: Scope, error: Report) -> None:
        self.source, self.scope, self.error = source, scope, error

    # --- regions ---

    def body(self, region: RegionSyntax, names: Sequence[str] | None, end: str, op: OpSyntax) -> BodySyntax:
        """The arguments, layers and outputs of a region that ends with an operation `end`."""
        arguments = []
        if names is not None and len(names) != len(region.arguments):
            self.error("P102", op.name, f"{len(names)} names, but the region has {len(region.arguments)} arguments", "")
            names = None
        for i, (ssa, type) in enumerate(region.arguments):
            arguments.append((self.define(ssa, str(ssa), ssa[1:] if names is None else names[i], type), type))
        last = region.ops[-1] if region.ops else None
        if last is None or last.name != f'"{end}"' or last.results or last.result_types:
            place = op.name if last is None else last.name
            self.error("P001", place, f"the region must end with {end}", "")
            return BodySyntax(arguments, [], [])
        layers = [layer for inner in region.ops[:-1] for layer in self.layer(inner)]
        outputs = [
            OutputSyntax(None, operand.token, type)
            for operand, type in zip(self.operands(last, compare=False), last.operand_types, strict=False)
        ]
        return BodySyntax(arguments, outputs, layers)

    def regions(self, op: OpSyntax, spec: LayerSpec | None, notes: Notes) -> list[tuple[lark.Token, BodySyntax]]:
        names = [r.name for r in spec.regions] if spec is not None else notes.get("region_names", ())
        if len(names) != len(op.regions):
            self.error("P102", op.name, f"{len(op.regions)} regions, but {len(names)} are known by name", "")
        if op.regions and self.scope.depth == NESTING_LIMIT:
            self.error("P006", op.name, f"regions are nested more than {NESTING_LIMIT} deep", "")
            return []
        arguments = notes.get("arg_names", ())
        found = []
        for i, region in enumerate(op.regions[: len(names)]):
            with self.scope.region():
                given = arguments[i] if i < len(arguments) else None
                found.append((string_at(op.name, names[i]), self.body(region, given, "plait.yield", op)))
        return found

    # --- values ---

    def define(self, place: lark.Token, ssa: str, name: str, type: TypeSyntax) -> lark.Token:
        """Make a value known under its SSA name; its token in the text form."""
        token = at(place, "VALUE", f"%{name_text(self.scope.free_name(name))}")
        if not self.scope.define(ssa, Known(token, type)):
            self.error("P002", place, f"{place} is defined twice", "")
        return token

    def operands(self, op: OpSyntax, *, compare: bool = True) -> list[OperandSyntax]:
        """What the operation reads. The types that it states are compared here, but for those of a terminator."""
        if len(op.uses) != len(op.operand_types):
            self.error("P103", op.name, f"{len(op.uses)} operands but {len(op.operand_types)} types", "")
        found = []
        for i, use in enumerate(op.uses):
            known = self.scope.find(use)
            if compare and known is not None and i < len(op.operand_types):
                self.compare(use, known, op.operand_types[i])
            name = use if known is None else known.token
            found.append(OperandSyntax(at(use, name.type, name)))
        return found

    def compare(self, use: lark.Token, known: Known, stated: TypeSyntax) -> None:
        if isinstance(known.type.type, Fault):
            return  # reported where the value is defined
        if isinstance(stated.type, Fault):
            self.error("P006", stated.type.token, stated.type.message, "")
        elif stated.type != known.type.type:
            self.error("P103", stated.token, f"{use} is stated to be {stated.type} but is {known.type.type}", "")

    # --- layers ---

    def layer(self, op: OpSyntax) -> Iterator[LayerSyntax]:
        kind = self.kind(op)
        if kind is None:
            return
        cls = layer_class(kind)
        spec = None if cls is None else cls.spec
        own, about = layer_entries(op.attributes)
        notes = read_notes(about, OF_LAYER, kind, self.error)
        attributes = [*op.properties, *own, *_more(notes)]
        operands = self.operands(op)
        if spec is None:
            operands = self.named(operands, notes)
        else:
            operands, attributes = self.segments(op, spec, operands, attributes)
        regions = self.regions(op, spec, notes)
        results = self.results(op, notes)
        if not results:
            self.error("P102", op.name, f"{kind} must have results, with names: %y = {op.name}", "")
            return
        if "comment" in notes.values:
            self.source.comments[results[0].line, results[0].column] = notes.get("comment")
        name = at(op.name, "NAME", kind)
        places = self.places(op, notes)
        yield LayerSyntax(results, name, operands, attributes, regions, op.result_types, *self.routine(notes), places)

    def kind(self, op: OpSyntax) -> str | None:
        """The kind of layer; None after reporting that it is no layer."""
        name = string_or_fault(op.name)
        if isinstance(name, str) and name.startswith(PREFIX) and WORD.match(name.removeprefix(PREFIX)):
            return name.removeprefix(PREFIX)
        self.error("P101", op.name, f'{op.name} is not a layer; layers are operations such as "plait.relu"', "")
        return None

    def results(self, op: OpSyntax, notes: Notes) -> list[lark.Token]:
        """Tokens of the results. (That they are as many as the types is for the reader of the text form to say.)"""
        limit = len(op.result_types) + 1
        bound = [
            (token, str(token) if count == 1 else f"{token}#{i}")
            for token, count in op.results
            for i in range(min(count, limit))
        ]
        names = notes.get("names")
        if names is not None and len(names) != len(bound):
            self.error("P102", notes.places["names"], f"{len(names)} names, but {len(bound)} results", "")
            names = None
        missing = TypeSyntax(op.name, Fault(op.name, "no type"))
        types = [*op.result_types, *[missing] * len(bound)]
        return [
            self.define(token, ssa, ssa[1:].replace("#", ".") if names is None else names[i], types[i])
            for i, (token, ssa) in enumerate(bound)
        ]

    def segments(
        self, op: OpSyntax, spec: LayerSpec, operands: list[OperandSyntax], attributes: list[AttributeSyntax]
    ) -> tuple[list[OperandSyntax], list[AttributeSyntax]]:
        """The operands with the fields that `operandSegmentSizes` gives them, and the other attributes."""
        stated = [a for a in attributes if a.name == _SEGMENTS]
        if not stated:
            return operands, attributes
        attributes = [a for a in attributes if a.name != _SEGMENTS]
        sizes = read_notes(stated, {_SEGMENTS: "sizes"}, spec.name, self.error).get(_SEGMENTS)
        if sizes is None:
            return operands, attributes
        fits = len(sizes) == len(spec.operands) and sum(sizes) == len(operands)
        if not fits or any(n < 0 or (n > 1 and not o.variadic) for n, o in zip(sizes, spec.operands, strict=False)):
            message = f"{_SEGMENTS} must tell how many of the {len(operands)} operands each of "
            message += f"{', '.join(o.name for o in spec.operands)} has"
            self.error("P102", stated[0].name, message, "")
            return operands, attributes
        fields = [o for n, o in zip(sizes, spec.operands, strict=True) for _ in range(n)]
        named = [
            operand if field.variadic else OperandSyntax(operand.token, at(operand.token, "NAME", field.name))
            for operand, field in zip(operands, fields, strict=True)
        ]
        return named, attributes

    def named(self, operands: list[OperandSyntax], notes: Notes) -> list[OperandSyntax]:
        """The operands of a layer of unknown kind with the names that they had in the text form."""
        fields = notes.get("operand_names")
        if fields is None:
            return operands
        if len(fields) != len(operands):
            message = f"{len(fields)} names, but {len(operands)} operands"
            self.error("P102", notes.places["operand_names"], message, "")
            return operands
        return [
            OperandSyntax(o.token, at(o.token, "NAME", f) if f else None) for o, f in zip(operands, fields, strict=True)
        ]

    def routine(self, notes: Notes) -> tuple[lark.Token | None, lark.Token | None]:
        """Tokens of the routine and its cost."""
        via, cost = notes.get("via"), notes.get("cost_us")
        if cost is not None and not 0 <= cost < math.inf:
            self.error("P006", notes.places["cost_us"], "a cost must be a number of at least 0", "")
            cost = None
        return (
            None if via is None else string_at(notes.places["via"], via),
            None if cost is None else at(notes.places["cost_us"], "COST", f"!{cost_text(cost)}us"),
        )

    def places(self, op: OpSyntax, notes: Notes) -> list[tuple[lark.Token, lark.Token]]:
        """Locations, as MLIR writes them and as an attribute."""
        found = list(op.locations)
        for pair in notes.get("locations", ()):
            place = notes.places["locations"]
            if len(pair) == 2:
                found.append((string_at(place, pair[0]), string_at(place, pair[1])))
            else:
                self.error("P102", place, "a location is a file and a name", "")
        return found


def _more(notes: Notes) -> list[AttributeSyntax]:
    """Attributes whose names MLIR cannot hold."""
    place = notes.places.get("attributes")
    return (
        [] if place is None else [AttributeSyntax(at(place, "NAME", k), v) for k, v in notes.get("attributes").items()]
    )
