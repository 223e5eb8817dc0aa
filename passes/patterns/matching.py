"""From the head, the match graph and the constraints of a `rewrite` to a `Graph`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import attrs
import lark

from plait.ir.diagnostics import did_you_mean
from plait.ir.text.patterns import PatternLayerSyntax, RewriteSyntax, TypePatternSyntax
from plait.passes.patterns.constraints import ConstraintCompiler
from plait.passes.patterns.graph import COMMUTATIVE, Graph, Node, Variable
from plait.passes.patterns.layers import LayerReader, converter_of
from plait.passes.patterns.report import Report, key
from plait.passes.patterns.types import TypePattern, compile_type


@attrs.define
class MatchCompiler:
    """Reads one match graph. What it binds is used to check the replacement too."""

    report: Report
    syntax: RewriteSyntax
    free: dict[str, lark.Token] = attrs.field(factory=dict)
    """Names of the head."""
    makers: dict[str, Node] = attrs.field(factory=dict)
    nodes: list[Node] = attrs.field(factory=list)
    lost: set[str] = attrs.field(factory=set)
    """Names whose layers have errors."""
    types: dict[str, TypePattern] = attrs.field(factory=dict)
    variables: dict[str, Callable[[Any], Any] | None] = attrs.field(factory=dict)

    def compile(self) -> Graph | None:
        """The graph, or None after reporting errors."""
        for value in self.syntax.head:
            self.declare(value.name)
            self.note_type(key(value.name), value.type)
        for layer in self.syntax.match:
            self.add(layer)
        if not self.syntax.match:
            self.report.error("P210", self.syntax.name, f"{self.syntax.name} matches no layer")
        elif not self.lost:
            self.check_connected()
        names = frozenset({*self.free, *self.makers, *self.lost})
        constraints = ConstraintCompiler(self.report, names, self.variables)
        conditions = [constraints.compile(c) for c in self.syntax.constraints]
        if self.report.errors or not self.nodes:
            return None
        return Graph(self.nodes[-1], self.makers, self.types, tuple(c for c in conditions if c is not None))

    def declare(self, token: lark.Token) -> None:
        if key(token) in self.free:
            self.report.error("P002", token, f"{token} is defined twice")
        self.free[key(token)] = token

    def note_type(self, name: str, syntax: TypePatternSyntax | None) -> None:
        if syntax is not None and (pattern := compile_type(syntax, self.report)) is not None:
            self.types[name] = pattern

    def add(self, syntax: PatternLayerSyntax) -> None:
        """Read a layer of the graph."""
        reader = LayerReader(self.report)
        before = len(self.report.errors)
        cls = reader.layer_class(syntax)
        results = tuple(key(token) for token in syntax.results)
        for token in (*(o.token for o in syntax.operands),):
            self.check_defined(token)
        if cls is not None:
            fields, repeated = reader.operands(cls.spec, syntax)
            attributes = reader.attributes(cls, syntax)
            for name, value in attributes.items():
                if isinstance(value, Variable):
                    self.variables.setdefault(value.name, converter_of(cls, name))
            if syntax.rest_attributes is None:
                attributes = {a.name: a.default for a in cls.spec.attributes if not a.required} | attributes
            node = Node(
                results,
                cls,
                {field: key(token) for field, token in fields.items()},
                tuple(key(token) for token in repeated),
                syntax.rest_operands is not None,
                attributes,
                cls.spec.name not in COMMUTATIVE or any(o.field is not None for o in syntax.operands),
            )
            self.nodes.append(node)
        for token in syntax.results:
            if key(token) in self.free or key(token) in self.makers or key(token) in self.lost:
                self.report.error("P002", token, f"{token} is defined twice")
        if cls is None or len(self.report.errors) > before:
            self.lost |= set(results)
        else:
            self.makers |= dict.fromkeys(results, node)
        for token, type in zip(syntax.results, syntax.types or (), strict=False):
            self.note_type(key(token), type)
        if syntax.types is not None and len(syntax.types) != len(syntax.results):
            message = f"{len(syntax.results)} results but {len(syntax.types)} types"
            self.report.error("P103", syntax.op, message)

    def check_defined(self, token: lark.Token) -> None:
        name = key(token)
        known = {*self.free, *self.makers, *self.lost}
        if name in known:
            return
        if any(name == key(t) for layer in self.syntax.match for t in layer.results):
            self.report.error("P004", token, f"{token} is used before its definition")
        else:
            hint = did_you_mean(name, known) or f"values that a pattern does not make stand in its head: ({token})"
            self.report.error("P211", token, f"{token} is neither in the head nor made by a layer", hint)

    def check_connected(self) -> None:
        """Every layer and every name of the head must be reached from the root, the last layer."""
        reached: set[str] = set()
        work = [self.nodes[-1]]
        while work:
            node = work.pop()
            reached |= {node.key, *node.results}
            for name in (*node.fields.values(), *node.repeated):
                reached.add(name)
                if name in self.makers and self.makers[name].key not in reached:
                    work.append(self.makers[name])
        root = self.nodes[-1].results[0]
        for layer in self.syntax.match:
            token = layer.results[0]
            if key(token) not in reached:
                hint = "the last layer is the root; all others lead to it"
                self.report.error("P210", token, f"{token} has no part in {root}", hint)
        for name, token in self.free.items():
            if name not in reached:
                self.report.error("P210", token, f"{token} is not an operand of any layer to match")
