"""Match graphs, and the search for a graph in a function, from its root upwards."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Protocol

import attrs

from plait.ir.attributes import attribute_text
from plait.ir.layer import Layer
from plait.ir.values import Constant, Value
from plait.passes.patterns.types import TypePattern

COMMUTATIVE = frozenset({"add", "mul", "minimum", "maximum"})
"""Layers whose operands match in either order, unless the pattern names their fields."""

Bindings = dict[str, Any]
"""`%x` and `@k` -> value, `$s` -> attribute, `N` -> dimension, `=%y` -> the layer whose first result is `%y`."""
Goal = tuple[str, Value]


@attrs.frozen
class Variable:
    """`$s` as the value of an attribute."""

    name: str


class Condition(Protocol):
    """A constraint behind `where`."""

    def why_not(self, bindings: Bindings) -> str:
        """Why it does not hold, or an empty text."""


@attrs.frozen
class Node:
    """A layer of a match graph."""

    results: tuple[str, ...]
    cls: type[Layer]
    fields: Mapping[str, str]
    """Operand field -> name."""
    repeated: tuple[str, ...] = ()
    """Names of the first operands of a field that repeats."""
    more_operands: bool = False
    attributes: Mapping[str, Any] = attrs.field(factory=dict)
    """Attribute -> value or `Variable`; those that may be anything are left out."""
    ordered: bool = True

    @property
    def key(self) -> str:
        """What the matched layer is bound to."""
        return layer_key(self.results[0])

    def operands(self, layer: Layer) -> list[Goal] | str:
        """Which name must match which operand of a layer, or why they cannot."""
        goals: list[Goal] = []
        for spec in layer.spec.operands:
            given = getattr(layer, spec.name)
            if spec.variadic:
                if len(given) < len(self.repeated) or (len(given) > len(self.repeated) and not self.more_operands):
                    return f"{layer.describe()} has {len(given)} operands"
                goals += zip(self.repeated, given, strict=False)
            elif spec.name in self.fields:
                if given is None:
                    return f"{layer.describe()} has no {spec.name}"
                goals.append((self.fields[spec.name], given))
            elif given is not None and not self.more_operands:
                return f"{layer.describe()} has a {spec.name}"
        return goals

    def bind_attributes(self, layer: Layer, bindings: Bindings) -> str:
        """Bind attribute variables; returns why an attribute does not fit, or an empty text."""
        for name, wanted in self.attributes.items():
            value = getattr(layer, name)
            if isinstance(wanted, Variable):
                wanted = bindings.setdefault(wanted.name, value)
            if value != wanted:
                return f"{layer.describe()} has {name} = {attribute_text(value)}"
        return ""


def layer_key(result: str) -> str:
    """What bindings call the layer with this first result."""
    return f"={result}"


@attrs.frozen
class Graph:
    """A match graph: nodes by each of their results, type patterns by name, and constraints."""

    root: Node
    makers: Mapping[str, Node]
    types: Mapping[str, TypePattern] = attrs.field(factory=dict)
    conditions: tuple[Condition, ...] = ()

    def match(self, root: Layer) -> Bindings | str:
        """The first way in which the graph fits at `root`, or why none does."""
        if type(root) is not self.root.cls:
            return f"{root.op} is not {self.root.cls.spec.name}"
        search = _Search(self)
        found = next(search.enter(self.root, root, None, {}, ()), None)
        return search.reason if found is None else found


@attrs.define
class _Search:
    """Depth-first search; of all failures it keeps the reason of the one that came furthest."""

    graph: Graph
    reason: str = ""
    furthest: int = -1

    def fail(self, bindings: Bindings, reason: str) -> None:
        if len(bindings) > self.furthest:
            self.reason, self.furthest = reason, len(bindings)

    def enter(
        self, node: Node, layer: Layer, goal: Goal | None, bindings: Bindings, goals: tuple[Goal, ...]
    ) -> Iterator[Bindings]:
        """Match a node with a layer, then the goals that follow. `goal` is the result that led here."""
        bound = {**bindings, node.key: layer}
        if len(layer.results) != len(node.results):
            return self.fail(bindings, f"{layer.describe()} has {len(layer.results)} results")
        for name, value in zip(node.results, layer.results, strict=True):
            if not self.bind(name, value, bound):
                return
        if goal is not None and bound[goal[0]] is not goal[1]:
            return self.fail(bindings, f"{_show(goal[1])} is another result of {layer.op} than {goal[0]}")
        if why := node.bind_attributes(layer, bound):
            return self.fail(bound, why)
        operands = node.operands(layer)
        if isinstance(operands, str):
            return self.fail(bound, operands)
        yield from self.solve((*operands, *goals), bound)
        if not node.ordered and len(operands) == 2:
            (a, x), (b, y) = operands
            yield from self.solve(((a, y), (b, x), *goals), bound)

    def solve(self, goals: tuple[Goal, ...], bindings: Bindings) -> Iterator[Bindings]:
        """All ways to match names with values."""
        if not goals:
            why = next((w for condition in self.graph.conditions if (w := condition.why_not(bindings))), "")
            if why:
                self.fail(bindings, why)
            else:
                yield bindings
            return
        (name, value), *rest = goals
        if name in bindings:
            if bindings[name] is not value:
                return self.fail(bindings, f"{_show(value)} is not {_show(bindings[name])}")
            yield from self.solve(tuple(rest), bindings)
        elif (node := self.graph.makers.get(name)) is not None:
            if type(value.owner) is not node.cls:
                return self.fail(bindings, f"{_show(value)} is not made by {node.cls.spec.name}")
            yield from self.enter(node, value.owner, goals[0], bindings, tuple(rest))
        else:
            bound = dict(bindings)
            if self.bind(name, value, bound):
                yield from self.solve(tuple(rest), bound)

    def bind(self, name: str, value: Value, bindings: Bindings) -> bool:
        """Bind a name to a value that has its kind and type."""
        wanted = self.graph.types.get(name)
        if name.startswith("@") and not isinstance(value, Constant):
            self.fail(bindings, f"{_show(value)} is not a constant")
            return False
        if wanted is not None and not wanted.bind(value.type, bindings):
            self.fail(bindings, f"{_show(value)} has type {value.type}, not {wanted.text}")
            return False
        bindings[name] = value
        return True


def _show(value: Value) -> str:
    return f"{'@' if isinstance(value, Constant) else '%'}{value.name}"
