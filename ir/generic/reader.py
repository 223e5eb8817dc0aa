"""From generic MLIR text to the records that the reader of the text form makes modules of."""

from __future__ import annotations

import functools
from typing import Any

import lark

from plait.ir.diagnostics import Diagnostic, IRError
from plait.ir.generic.dense import DenseSyntax, dense_elements
from plait.ir.generic.layers import OpReader
from plait.ir.generic.notes import OF_MODULE, Notes, read_notes, without_prefix
from plait.ir.generic.scope import Known, Scope
from plait.ir.generic.source import GenericSource
from plait.ir.generic.syntax import PEOPLE, OpSyntax, at, parser, string_at
from plait.ir.spelling import name_text
from plait.ir.text.records import DeclaredSyntax, Fault, ModuleSyntax, NetSyntax, OutputSyntax, Source, WeightsSyntax
from plait.ir.text.syntax_errors import spellings_of, syntax_error
from plait.ir.types import TensorType

_CONSTANT = {"name": "string", "value": "any"}
_NET = {"sym_name": "string", "arg_names": "strings", "output_names": "strings"}


def read_generic(text: str, file: str) -> tuple[Source, ModuleSyntax, list[Diagnostic]]:
    """Parse generic text into records.

    Returns:
        The source, the records, and the errors that the records do not hold.

    Raises:
        IRError: P001 at the first place that is not in the grammar.
    """
    source = GenericSource.of(file, text)
    try:
        op: Any = parser().parse(text)
    except lark.UnexpectedInput as error:
        raise IRError(syntax_error(error, source, _spellings())) from None
    reader = _ModuleReader(source)
    return source, reader.module(op), reader.errors


@functools.cache
def _spellings() -> dict[str, str]:
    return spellings_of(parser().terminals, PEOPLE)


class _ModuleReader:
    def __init__(self, source: GenericSource) -> None:
        self.source = source
        self.errors: list[Diagnostic] = []
        self.constants = Scope()

    def error(self, code: str, token: lark.Token, message: str, hint: str = "") -> None:
        self.errors.append(Diagnostic(code, message, self.source.span(token), hint=hint))

    def module(self, op: OpSyntax) -> ModuleSyntax:
        if op.name != '"builtin.module"' or len(op.regions) != 1:
            self.error("P001", op.name, 'the outermost operation must be "builtin.module" with one region')
            return ModuleSyntax(at(op.name, "INT", "1"), [])
        entries = [e for e in (*op.properties, *op.attributes) if e.name.startswith("plait.")]
        notes = read_notes(without_prefix(entries), OF_MODULE, "a module", self.error)
        version = at(notes.places.get("version", op.name), "INT", str(notes.get("version", 1)))
        external: list[DeclaredSyntax] = []
        items: list[Any] = []
        nets = []
        for inner in op.regions[0].ops:
            match inner.name:
                case '"plait.weight"':
                    external += self.constant(inner)
                case '"plait.const"':
                    items += self.constant(inner)
                case '"plait.net"':
                    nets.append(inner)
                case _:
                    self.error("P001", inner.name, "a module holds only plait.const, plait.weight and plait.net")
        if external:
            place = notes.places.get("weights_file", external[0].name)
            file = string_at(place, notes.get("weights_file", ""))
            items.insert(0, WeightsSyntax(file, notes.get("weights_hash", ""), external))
        return ModuleSyntax(version, [*items, *(net for op in nets for net in self.net(op))])

    # --- constants ---

    def constant(self, op: OpSyntax) -> list[DeclaredSyntax]:
        notes = read_notes([*op.properties, *op.attributes], _CONSTANT, str(op.name[1:-1]), self.error)
        if len(op.results) != 1 or len(op.result_types) != 1 or op.uses or op.regions:
            self.error("P102", op.name, f"{op.name[1:-1]} has one result, and neither operands nor regions")
            return []
        ssa, type = op.results[0][0], op.result_types[0]
        name = at(notes.places.get("name", ssa), "CONST", f"@{name_text(notes.get('name', ssa[1:]))}")
        if not self.constants.define(ssa, Known(name, type)):
            self.error("P002", ssa, f"{ssa} is defined twice")
        if op.name == '"plait.weight"':
            return [DeclaredSyntax(name, type)]
        if "value" not in notes.values:
            if not any(e.name == "value" for e in op.properties):
                self.error("P102", op.name, "plait.const needs attribute value")
            return []
        return [DeclaredSyntax(name, type, self.literal(notes, type.type))]

    def literal(self, notes: Notes, type: Any) -> Any:
        """The elements of a constant, as the text form has them."""
        value = notes.get("value")
        place = notes.places["value"]
        if not isinstance(type, TensorType) or not type.is_static:
            return ()  # the type is at fault
        if not isinstance(value, DenseSyntax):
            scalar = type.shape == () and isinstance(value, tuple) and len(value) == 1
            return value[0] if scalar else value
        stated = value.type.type
        if isinstance(stated, Fault):
            return stated
        if not isinstance(stated, TensorType) or (stated.dtype, stated.shape) != (type.dtype.storage, type.shape):
            return Fault(value.type.token, f"the elements are {stated}, but the constant is {type}")
        try:
            return dense_elements(value, type)
        except ValueError as error:
            return Fault(place, str(error))

    # --- functions ---

    def net(self, op: OpSyntax) -> list[NetSyntax]:
        own = [e for e in (*op.properties, *op.attributes) if e.name != "plait.comment"]
        notes = read_notes(own, _NET, "plait.net", self.error)
        comment = [e for e in op.attributes if e.name == "plait.comment"]
        about = read_notes(without_prefix(comment), {"comment": "string"}, "plait.net", self.error)
        if len(op.regions) != 1 or op.uses or op.result_types or op.results:
            self.error("P102", op.name, "plait.net has one region, and neither operands nor results")
            return []
        if "sym_name" not in notes.values:
            self.error("P102", op.name, "plait.net needs attribute sym_name")
            return []
        symbol = at(notes.places["sym_name"], "CONST", f"@{name_text(notes.get('sym_name'))}")
        if "comment" in about.values:
            self.source.comments[symbol.line, symbol.column] = about.get("comment")
        scope = Scope(self.constants)
        body = OpReader(self.source, scope, self.error).body(op.regions[0], notes.get("arg_names"), "plait.return", op)
        names = notes.get("output_names")
        if names is not None and len(names) == len(body.outputs):
            place = notes.places["output_names"]
            outputs = zip(names, body.outputs, strict=True)
            body.outputs = [OutputSyntax(string_at(place, name), o.value, o.type) for name, o in outputs]
        elif names is not None and body.outputs:
            self.error("P102", notes.places["output_names"], f"{len(names)} names, but {len(body.outputs)} outputs")
        return [NetSyntax(symbol, body)]
