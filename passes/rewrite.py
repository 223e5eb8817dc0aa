"""Rewrites: functions from a layer to what stands in its place, and the driver that applies them to a fixed point.

    @rewrite(Relu)
    def relu_into_conv(relu: Relu) -> Layer | No:
        '''relu(conv2d(x)) -> conv2d(x) {act = relu}'''
        conv = relu.x.owner
        if not isinstance(conv, Conv2d):
            return No("the operand is not a conv2d")
        if not has_one_use(relu.x):
            return No(f"%{relu.x.name} has other uses")
        return attrs.evolve(conv, act="relu")

A rewrite returns a detached layer that replaces the one it looked at (the *root*), a value that replaces its only
result, or `No(why)`. It changes nothing itself; constants and helper layers are made through a `Builder`, taken as an
optional second parameter.
"""

from __future__ import annotations

import inspect
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from typing import Any, TypeVar

import attrs

from plait.ir.diagnostics import Location
from plait.ir.layer import Layer, Return
from plait.ir.module import Function, Module
from plait.ir.region import Region
from plait.ir.types import TensorType
from plait.ir.values import Array, Constant, Value
from plait.passes.base import PassContext, Refusal


@attrs.frozen
class No:
    """A refusal, with its reason in words."""

    reason: str

    def __bool__(self) -> bool:
        return False


Outcome = Layer | Value | No
L = TypeVar("L", bound=Layer)


@attrs.frozen
class Rule:
    """A rewrite function with the layer classes that it looks at, made by `@rewrite`."""

    name: str
    classes: tuple[type[Layer], ...]
    function: Callable[..., Outcome] = attrs.field(repr=False)
    takes_builder: bool = False

    def __call__(self, layer: Layer, builder: Builder) -> Outcome:
        return self.function(layer, builder) if self.takes_builder else self.function(layer)

    @property
    def equation(self) -> str:
        """First line of the docstring: what becomes what."""
        return (inspect.getdoc(self.function) or "").partition("\n")[0]


def rewrite(*classes: type[L]) -> Callable[[Callable[[L], Outcome] | Callable[[L, Builder], Outcome]], Rule]:
    """Decorator: a function of a layer (and a `Builder`) as a rule for layers of these classes and their subclasses."""

    def make(function: Callable[..., Outcome]) -> Rule:
        parameters = len(inspect.signature(function).parameters)
        return Rule(function.__name__, classes, function, parameters > 1)

    return make


class Builder:
    """What a rewrite may make besides its result: constants, and layers before the root. Undone if it refuses."""

    def __init__(self, module: Module, root: Layer) -> None:
        self.module = module
        self._root = root
        self._layers: list[Layer] = []
        self._constants: dict[Constant, str] = {}

    def constant(self, name: str, data: Array) -> Constant:
        """A new constant of the module; `name` gets a number if it is taken by a constant that stays."""
        made = self.module.add_constant(name, data)
        self._constants[made] = name
        return made

    def layer(self, layer: Layer, name: str = "") -> Value:
        """Attach a helper layer before the root; returns its only result.

        Raises:
            ShapeError: its operands and attributes do not fit together.
        """
        assert self._root.region is not None
        self._root.region.insert(layer, self._root, (name or self._root.results[0].name,))
        self._layers.append(layer)
        return layer.result

    @property
    def layers(self) -> Sequence[Layer]:
        """Helper layers made so far."""
        return tuple(self._layers)

    def finish(self) -> None:
        """Remove helpers and constants that nothing uses; give the others the names that became free."""
        for layer in reversed(self._layers):
            if not any(r.users for r in layer.results):
                _region(layer).remove(layer)
        constants = self.module.constants
        for constant, wanted in self._constants.items():
            if not constant.users:
                constants.pop(constant.name, None)
            elif constant.name != wanted and wanted not in constants:
                del constants[constant.name]
                constant.name = wanted
                constants[wanted] = constant


def has_one_use(value: Value) -> bool:
    """Whether exactly one operand of one layer reads this value. Outputs of the function count as uses."""
    return value.use_count == 1


def rewrite_module(module: Module, rules: Sequence[Rule], context: PassContext) -> bool:
    """Apply rules to every function; returns whether anything changed."""
    changed = [apply_rewrites(f, module, rules, context) for f in module.functions.values()]
    return any(changed)


def apply_rewrites(function: Function, module: Module, rules: Sequence[Rule], context: PassContext) -> bool:
    """Apply rules to the layers of a function until none applies; returns whether anything changed.

    Layers and constants that lose their last use through a rewrite are removed at once, so that use counts stay true.
    The new layer takes over the name of the result, its format, and the locations of all layers that it stands for. A
    routine (`via`) chosen earlier is dropped, since it was chosen for another layer.

    Raises:
        RuntimeError: the rules do not come to an end, or one of them changes the type of a result.
    """
    return _Driver(function, module, rules, context).run()


class _Driver:
    def __init__(self, function: Function, module: Module, rules: Sequence[Rule], context: PassContext) -> None:
        self.region, self.module, self.rules, self.context = function.body, module, rules, context
        self.positions = {layer: float(i) for i, layer in enumerate(function.body)}
        self.queue: deque[Layer] = deque()
        self.queued: set[Layer] = set()
        self.refusals: dict[tuple[Layer, str], No] = {}
        self.applied = 0
        self.limit = 100 + 50 * len(function.body)

    def run(self) -> bool:
        # Neighbours of a change are looked at again; patterns may be deeper, so sweeps go on until one changes nothing.
        while True:
            before = self.applied
            self.push(self.region)
            while self.queue:
                layer = self.queue.popleft()
                self.queued.discard(layer)
                if layer.region is self.region:
                    self.visit(layer)
            if self.applied == before:
                break
        for (layer, rule), no in self.refusals.items():
            if layer.region is self.region:
                self.context.refuse(Refusal(self.context.current, rule, layer.describe(), no.reason, layer.locations))
        return self.applied > 0

    def push(self, layers: Iterable[Layer]) -> None:
        for layer in layers:
            if layer not in self.queued and not isinstance(layer, Return):
                self.queued.add(layer)
                self.queue.append(layer)

    def visit(self, root: Layer) -> None:
        for rule in self.rules:
            if not isinstance(root, rule.classes):
                continue
            builder = Builder(self.module, root)
            outcome = rule(root, builder)
            if isinstance(outcome, Value) and _only_format_differs(outcome, root.result):
                outcome = No(f"{outcome.type} and {root.result.type} differ in format")
            if isinstance(outcome, No):
                builder.finish()
                self.refusals[root, rule.name] = outcome
                continue
            self.count(rule, root)
            self.apply(rule, root, outcome, builder)
            return

    def count(self, rule: Rule, root: Layer) -> None:
        self.applied += 1
        self.context.count(rule.name)
        self.context.note(f"{rule.name}: {root.describe()}")
        if self.applied > self.limit:
            raise RuntimeError(f"the rewrites do not come to an end; last: {rule.name} on {root.describe()}")

    def apply(self, rule: Rule, root: Layer, outcome: Layer | Value, builder: Builder) -> None:
        old = [(r.name, r.type) for r in root.results]
        touched: dict[Layer, None] = {user: None for operand in root.operands for user in operand.users}
        touched |= {user: None for r in root.results for user in r.users}
        place, operands = self.positions[root], root.operands
        for helper in builder.layers:
            self.positions[helper] = place
        if isinstance(outcome, Layer):
            self.replace(rule, root, outcome, old)
            stands: Layer | None = outcome
        else:
            if not outcome.type.same_logical(old[0][1]):
                raise RuntimeError(f"rewrite {rule.name} replaces {root.describe()} of type {old[0][1]} by {outcome!r}")
            users = [u for u in root.result.users if not isinstance(u, Return)]
            self.region.replace_uses(root.result, outcome)
            self.region.remove(root)
            # Nothing new to carry the locations: they go to the layer that makes the value, else to its first reader.
            stands = outcome.owner or min(users, key=self.positions.__getitem__, default=None)
        dead = self.remove_dead(operands)
        builder.finish()
        carriers = [h for h in builder.layers if h.region is self.region] + ([stands] if stands is not None else [])
        gone = sorted([*dead, root], key=self.positions.__getitem__)
        for carrier in carriers:
            own = [(self.positions[carrier], carrier)] if isinstance(outcome, Value) and carrier is stands else []
            sources = sorted([*own, *((self.positions[g], g) for g in gone)], key=lambda pair: pair[0])
            carrier.locations = _union([s.locations for _, s in sources], carrier.locations)
        self.push(carriers)
        self.push(o.owner for o in operands if o.owner is not None and o.owner.region is self.region)
        self.push(touched)

    def replace(self, rule: Rule, root: Layer, new: Layer, old: Sequence[tuple[str, TensorType]]) -> None:
        new.via, new.cost_us = None, None
        new.span = new.span or root.span
        types = new.result_types()
        if len(types) != len(old) or not all(t.same_logical(o) for t, (_, o) in zip(types, old, strict=True)):
            raise RuntimeError(f"rewrite {rule.name} changes {root.describe()} from {old[0][1]} to {types[0]}")
        kept = [attrs.evolve(t, layout=o.layout, device=o.device) for t, (_, o) in zip(types, old, strict=True)]
        self.positions[new] = self.positions[root]
        self.region.insert(new, root, [name for name, _ in old], kept)
        for before, after in zip(root.results, new.results, strict=True):
            self.region.replace_uses(before, after)
        self.region.remove(root)

    def remove_dead(self, values: Iterable[Value]) -> list[Layer]:
        """Remove the makers of values that nothing uses any more, and what only they used; constants too."""
        removed: list[Layer] = []
        work = list(values)
        while work:
            value = work.pop()
            owner = value.owner
            if isinstance(value, Constant):
                if not value.users:
                    self.module.constants.pop(value.name, None)
            elif owner is not None and owner.region is self.region and not any(r.users for r in owner.results):
                work += owner.operands
                self.region.remove(owner)
                removed.append(owner)
                self.push(u for o in owner.operands for u in o.users)
        return removed


def _only_format_differs(a: Value, b: Value) -> bool:
    return a.type != b.type and a.type.same_logical(b.type)


def _region(layer: Layer) -> Region:
    assert layer.region is not None
    return layer.region


def _union(groups: Iterable[tuple[Location, ...]], rest: tuple[Location, ...]) -> tuple[Location, ...]:
    """All locations once, in the order of their first appearance."""
    seen: dict[Any, None] = {}
    for group in (*groups, rest):
        seen.update(dict.fromkeys(group))
    return tuple(seen)
