"""Replacement graphs: layers to make from what a match has bound."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import attrs

from plait.ir.diagnostics import ShapeError
from plait.ir.layer import Layer
from plait.ir.types import Type
from plait.ir.values import Value
from plait.passes.patterns.graph import Bindings, Variable
from plait.passes.rewriting.builder import Builder
from plait.passes.rewriting.rule import No


@attrs.frozen
class Copy:
    """`...` of a replacement: the matched layer that it takes attributes or operands from."""

    layer: str
    """What bindings call the layer."""
    attributes: bool
    operands: bool
    repeated_after: int = 0
    """How many repeated operands the match names; those after them are taken over."""


@attrs.frozen
class Template:
    """A layer of a replacement graph."""

    results: tuple[str, ...]
    cls: type[Layer]
    fields: Mapping[str, str]
    repeated: tuple[str, ...] = ()
    attributes: Mapping[str, Any] = attrs.field(factory=dict)
    copy: Copy | None = None

    def make(self, bindings: Bindings) -> Layer:
        """A detached layer.

        Raises:
            ValueError, TypeError: a bound attribute does not suit this kind of layer.
        """
        arguments: dict[str, Any] = {}
        source = None if self.copy is None else bindings[self.copy.layer]
        if self.copy is not None and self.copy.attributes:
            arguments |= {a.name: getattr(source, a.name) for a in self.cls.spec.attributes}
        for spec in self.cls.spec.operands:
            copied = getattr(source, spec.name) if self.copy is not None and self.copy.operands else None
            if spec.variadic:
                rest = copied[self.copy.repeated_after :] if self.copy is not None and copied is not None else ()
                arguments[spec.name] = (*(bindings[name] for name in self.repeated), *rest)
            elif spec.name in self.fields:
                arguments[spec.name] = bindings[self.fields[spec.name]]
            else:
                arguments[spec.name] = copied
        for name, value in self.attributes.items():
            arguments[name] = bindings[value.name] if isinstance(value, Variable) else value
        return self.cls(**arguments)


@attrs.frozen
class Replacement:
    """Layers in order, and the names of the values that stand for the results of the root."""

    templates: tuple[Template, ...]
    outputs: tuple[str, ...]

    def build(self, root: Layer, bindings: Bindings, builder: Builder) -> Layer | tuple[Value, ...] | No:
        """What stands in the place of `root`; a refusal if its types would change or cannot be inferred."""
        bound = dict(bindings)
        names = dict(zip(self.outputs, (r.name for r in root.results), strict=True))
        try:
            for template in self.templates:
                layer = template.make(bound)
                if template.results == self.outputs:
                    # Static checks let it only be the last layer.
                    refusal = _refusal(layer.result_types(), root)
                    return layer if refusal is None else refusal
                wanted = [names.get(name, f"{root.results[0].name}.{name[1:]}") for name in template.results]
                made = builder.results(layer, wanted)
                if len(made) != len(wanted):
                    return No(f"{layer.op} makes {len(made)} results, not {len(wanted)}")
                bound |= zip(template.results, made, strict=True)
        except (ShapeError, ValueError, TypeError) as error:
            return No(f"the replacement cannot be made: {error}")
        values = tuple(bound[name] for name in self.outputs)
        refusal = _refusal([v.type for v in values], root)
        return values if refusal is None else refusal


def _refusal(types: Sequence[Type], root: Layer) -> No | None:
    """A refusal unless these are the types of the results, formats aside."""
    old = [r.type for r in root.results]
    if len(types) == len(old) and all(a.same_logical(b) for a, b in zip(types, old, strict=True)):
        return None
    shown = [", ".join(str(t) for t in some) for some in (types, old)]
    return No(f"the replacement has type {shown[0]}, not {shown[1]}")
