"""From the replacement graph of a `rewrite` to a `Replacement`."""

from __future__ import annotations

import attrs
import lark

from plait.ir.diagnostics import did_you_mean
from plait.ir.layer import Layer
from plait.ir.text.patterns import PatternLayerSyntax
from plait.ir.text.syntax import key_of
from plait.passes.patterns.graph import Node, Variable
from plait.passes.patterns.layers import LayerReader
from plait.passes.patterns.matching import MatchCompiler
from plait.passes.patterns.replacement import Copy, Replacement, Template
from plait.passes.patterns.report import Report, key


@attrs.define
class ReplacementCompiler:
    """Reads one replacement graph."""

    report: Report
    match: MatchCompiler
    made: dict[str, lark.Token] = attrs.field(factory=dict)
    used: set[str] = attrs.field(factory=set)

    def compile(self, replacement: list[PatternLayerSyntax] | lark.Token) -> Replacement | None:
        """The replacement, or None after reporting errors."""
        root = self.match.syntax.match[-1]
        outputs = tuple(key(token) for token in root.results)
        if isinstance(replacement, lark.Token):
            return self.value(replacement, root)
        templates = [self.add(layer, outputs) for layer in replacement]
        for token in root.results:
            if key(token) not in self.made:
                hint = "its layers, or `=> %value`, say what stands for each result of the last layer to match"
                self.report.error("P212", token, f"the replacement does not define {token}", hint)
        complete = all(name in self.made for name in outputs)
        for name, token in self.made.items():
            if complete and name not in self.used and name not in outputs:
                self.report.error("P210", token, f"{token} is not used in the replacement")
        return Replacement(tuple(t for t in templates if t is not None), outputs)

    def value(self, token: lark.Token, root: PatternLayerSyntax) -> Replacement | None:
        """`=> %x`."""
        if len(root.results) != 1:
            self.report.error("P212", token, f"one value cannot stand for {len(root.results)} results")
        elif key(token) in {key(t) for t in root.results}:
            self.report.error("P212", token, f"{token} is what is replaced")
        else:
            self.check_bound(token)
        return Replacement((), (key(token),))

    def add(self, syntax: PatternLayerSyntax, outputs: tuple[str, ...]) -> Template | None:
        """Read a layer."""
        reader = LayerReader(self.report)
        cls = reader.layer_class(syntax)
        if cls is not None and cls.declares_types:
            self.report.error("P212", syntax.op, f"the types of {cls.spec.name} follow from nothing: it cannot be made")
            cls = None
        for operand in syntax.operands:
            self.check_bound(operand.token)
            self.used.add(key(operand.token))
        template = None
        if cls is not None:
            fields, repeated = reader.operands(cls.spec, syntax)
            attributes = reader.attributes(cls, syntax)
            for attribute in syntax.attributes:
                if isinstance(attributes.get(key_of(attribute.name)), Variable):
                    self.check_variable(attribute.value)
            template = Template(
                tuple(key(token) for token in syntax.results),
                cls,
                {field: key(token) for field, token in fields.items()},
                tuple(key(token) for token in repeated),
                attributes,
                self.copy(cls, syntax),
            )
        if syntax.types is not None:
            hint = "the types of a replacement follow from its operands"
            self.report.error("P212", syntax.types[0].element, "a replacement states no types", hint)
        for token in syntax.results:
            name = key(token)
            if name in self.made or (self.is_bound(name) and name not in outputs):
                self.report.error("P002", token, f"{token} is defined twice")
            self.made[name] = token
        return template

    def copy(self, cls: type[Layer], syntax: PatternLayerSyntax) -> Copy | None:
        """The matched layer that `...` copies from: the one of this kind, or of several the one of this name."""
        token = syntax.rest_attributes or syntax.rest_operands
        if token is None:
            return None
        nodes = [node for node in self.match.nodes if node.cls is cls]
        same = [node for node in nodes if node.results[0] == key(syntax.results[0])]
        chosen: list[Node] = same or nodes
        if len(chosen) != 1 and not self.match.lost:
            what = f"{len(chosen)} layers" if chosen else "no layer"
            hint = "give the result the name of the one that is meant" if chosen else "write what is meant instead"
            self.report.error(
                "P211",
                token,
                f"'...' copies from the {cls.spec.name} to match, of which there is {what}"
                if not chosen
                else f"'...' could copy from {what} of kind {cls.spec.name}",
                hint,
            )
        if len(chosen) != 1:
            return None
        return Copy(
            chosen[0].key,
            syntax.rest_attributes is not None,
            syntax.rest_operands is not None,
            len(chosen[0].repeated),
        )

    def is_bound(self, name: str) -> bool:
        return name in self.match.free or name in self.match.makers or name in self.match.lost

    def check_bound(self, token: lark.Token) -> None:
        """Report an operand that is neither matched nor made before."""
        name = key(token)
        if name in self.made:
            return
        known = [*self.match.free, *self.match.makers, *self.made]
        if name in {key(t) for t in self.match.syntax.match[-1].results}:
            self.report.error("P211", token, f"{token} is what is replaced: the replacement cannot read it")
        elif not self.is_bound(name):
            self.report.error("P211", token, f"{token} is not in the match graph", did_you_mean(name, known))

    def check_variable(self, token: lark.Token) -> None:
        """Report an attribute variable that the match does not bind."""
        if key(token) not in self.match.variables and not self.match.lost:
            known = list(self.match.variables)
            self.report.error("P211", token, f"{token} is not in the match graph", did_you_mean(key(token), known))
