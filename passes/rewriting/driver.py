"""The driver: applies patterns to the layers of a function, those of nested regions included, until none applies.

Neighbours of a change are looked at again; patterns may reach deeper, so sweeps go on until one changes nothing.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Sequence

from plait.ir.diagnostics import PlaitError
from plait.ir.dtypes import Quantized
from plait.ir.layer import Layer, Return
from plait.ir.layers.bits import Bitcast
from plait.ir.layers.elementwise import Cast
from plait.ir.module import Function, Module
from plait.ir.values import Constant, Value
from plait.passes.base import PassContext, Refusal
from plait.passes.rewriting.builder import Builder
from plait.passes.rewriting.errors import RewriteError
from plait.passes.rewriting.listener import Listener, TextLog
from plait.passes.rewriting.order import Order
from plait.passes.rewriting.rule import No, Pattern
from plait.passes.rewriting.trail import Trail


def rewrite_module(module: Module, patterns: Sequence[Pattern], context: PassContext) -> bool:
    """Apply patterns to every function; returns whether anything changed. Raises as `apply_rewrites` does."""
    changed = [apply_rewrites(f, module, patterns, context) for f in module.functions.values()]
    return any(changed)


def apply_rewrites(function: Function, module: Module, patterns: Sequence[Pattern], context: PassContext) -> bool:
    """Apply patterns to the layers of a function until none applies; returns whether anything changed.

    Layers and constants that lose their last use through a rewrite are removed at once, so that use counts stay true.
    The new layer takes over the name of the result, its format, and the locations and comments of all layers that it
    stands for. A routine (`via`) chosen earlier is dropped, since it was chosen for another layer.

    Raises:
        RewriteLoop: patterns undo one another, or do not come to an end.
        RewriteError: a pattern raised an exception, changes the type of a result, or uses what is not defined.
    """
    return Driver(function, module, patterns, context).run()


def _meets_quantized(root: Layer) -> bool:
    """Whether a layer has quantized operands or results, or reads what another one computes from such as it converts
    them: that layer cannot be taken apart either."""
    types = [t for value in (*root.operands, *root.results) for t in value.type.tensors()]
    if any(isinstance(t.dtype, Quantized) for t in types):
        return True
    makers = [v.owner for v in root.operands if v.owner is not None and not isinstance(v.owner, (Cast, Bitcast))]
    return any(getattr(maker, "to", None) is not None for maker in makers)


class Driver:
    """The state of one application of patterns to one function."""

    def __init__(self, function: Function, module: Module, patterns: Sequence[Pattern], context: PassContext) -> None:
        self.function, self.module, self.context = function, module, context
        self.patterns = sorted(patterns, key=lambda p: -p.benefit)
        self.listeners: list[Listener] = [*context.listeners, *([TextLog(context.note)] if context.verbose else [])]
        self.order = Order(function)
        self.trail = Trail(limit=100 + 50 * len(self.order))
        self.queue: deque[Layer] = deque()
        self.queued: set[Layer] = set()
        self.refusals: dict[tuple[Layer, str], str] = {}

    def run(self) -> bool:
        """Apply the patterns; returns whether anything changed."""
        while True:
            before = len(self.trail.steps)
            self.push(self.order.layers())
            while self.queue:
                layer = self.queue.popleft()
                self.queued.discard(layer)
                if self.order.holds(layer):
                    self.visit(layer)
            if len(self.trail.steps) == before:
                break
        for (layer, rule), reason in self.refusals.items():
            if self.order.holds(layer):
                self.context.refuse(Refusal(self.context.current, rule, layer.describe(), reason, layer.locations))
        return bool(self.trail.steps)

    def push(self, layers: Iterable[Layer]) -> None:
        """Look at these layers again."""
        for layer in layers:
            if layer not in self.queued and not isinstance(layer, Return):
                self.queued.add(layer)
                self.queue.append(layer)

    def push_only_readers(self, values: Iterable[Value]) -> None:
        """Look again at layers that may absorb what only they read now. Other readers see no change; there may be one
        for each layer of the function."""
        self.push(user for value in values if len(value.users) == 1 for user in value.users)

    def visit(self, root: Layer) -> None:
        """Apply the first pattern that matches `root`."""
        quantized = _meets_quantized(root)
        for pattern in self.patterns:
            if not isinstance(root, pattern.classes) or (quantized and not pattern.quantized):
                continue
            builder = Builder(self.module, root)
            try:
                outcome = self.ask(pattern, root, builder)
            except Exception:
                builder.finish()
                raise
            if isinstance(outcome, No):
                builder.finish()
                if self.refusals.get((root, pattern.name)) != outcome.reason:
                    self.refusals[root, pattern.name] = outcome.reason
                    for listener in self.listeners:
                        listener.on_refuse(pattern, root, outcome.reason)
                continue
            self.apply(pattern, root, outcome, builder)
            return

    def ask(self, pattern: Pattern, root: Layer, builder: Builder) -> Layer | tuple[Value, ...] | No:
        """The outcome of a pattern, checked, but for its types if it is a layer."""
        try:
            outcome = pattern.match_and_rewrite(root, builder)
            if isinstance(outcome, No):
                return outcome
            if isinstance(outcome, Value):
                outcome = (outcome,)
            problem = self.problem(root, outcome, builder)
        except PlaitError:
            raise
        except Exception as error:
            problem = f"{type(error).__name__}: {error}"
            raise RewriteError(pattern.name, root.describe(), problem) from error
        if problem:
            raise RewriteError(pattern.name, root.describe(), problem)
        if isinstance(outcome, tuple):
            for value, old in zip(outcome, root.results, strict=True):
                if value.type != old.type:
                    return No(f"{value.type} and {old.type} differ in format")
        if not all(listener.allows(pattern, root) for listener in self.listeners):
            return No("the limit of rewrites is reached")
        return outcome

    def problem(self, root: Layer, outcome: Layer | tuple[Value, ...], builder: Builder) -> str:
        """Why an outcome cannot stand in the place of `root`, or an empty text."""
        used = [value for helper in builder.layers for value in helper.reads()]
        if isinstance(outcome, Layer):
            if outcome.region is not None:
                return f"it returns {outcome.describe()}, which is in a function; return its result, or a copy of it"
            for region in outcome.regions():
                if isinstance(region.owner, Layer) and region.owner is not root:
                    return f"it takes over a region of {region.owner.describe()}; copy it by `with_operands`"
            types = list(outcome.result_types())
            used += outcome.reads()
        else:
            types = [v.type for v in outcome]
            used += outcome
        old = [r.type for r in root.results]
        if len(types) != len(old) or not all(t.same_logical(o) for t, o in zip(types, old, strict=True)):
            shown = [", ".join(str(t) for t in some) for some in (old, types)]
            return f"it changes the type from {shown[0]} to {shown[1]}"
        for value in used:
            if isinstance(value, Constant):
                if self.module.constants.get(value.name) is not value:
                    return f"it uses @{value.name}, which is not in the module; make constants with the builder"
            elif not self.order.is_available(value, root, builder.layers):
                return f"it uses %{value.name}, which is not defined before the layer"
        return ""

    def apply(self, pattern: Pattern, root: Layer, outcome: Layer | tuple[Value, ...], builder: Builder) -> None:
        """Put a checked outcome in the place of `root`."""
        self.context.count(pattern.name)
        for listener in self.listeners:
            listener.on_match(pattern, root)
        described, operands = root.describe(), root.reads()
        readers = [user for result in root.results for user in result.users]
        for helper in builder.layers:
            self.trail.helper(helper)
            self.attached(helper, root)
        values = outcome if isinstance(outcome, tuple) else self.attach(root, outcome)
        lost = list(inside(root))
        self.replace(root, values, readers)
        for helper in reversed(builder.layers):
            if not any(r.users for r in helper.results):
                self.remove(helper)
        dead = [root, *lost, *self.remove_dead(operands)]
        builder.finish()
        helpers = [h for h in builder.layers if self.order.holds(h)]
        made = [*helpers, *([] if isinstance(outcome, tuple) else [outcome])]
        self.pass_on_locations(dead, made, values, readers)
        if isinstance(outcome, Layer):
            outcome.comment = self.order.comments(dead, outcome.comment)
        self.push(made)
        self.push(o.owner for o in operands if o.owner is not None and self.order.holds(o.owner))
        self.push_only_readers(operands)
        self.push(readers)
        self.trail.step(pattern.name, described)

    def attach(self, root: Layer, new: Layer) -> tuple[Value, ...]:
        """Attach the layer that replaces `root`, with the names and formats of its results."""
        new.via, new.cost_us = None, None
        new.span = new.span or root.span
        types = [t.placed_like(r.type) for t, r in zip(new.result_types(), root.results, strict=True)]
        assert root.region is not None
        root.region.insert(new, root, [r.name for r in root.results], types)
        self.trail.succeed(new.results, root.results)
        self.attached(new, root)
        return new.results

    def attached(self, layer: Layer, root: Layer) -> None:
        """A layer was made for `root`, with what is in its regions."""
        for new in self.order.put(layer, root):
            self.trail.enter(new)
            self.push((new,))
        for listener in self.listeners:
            listener.on_insert(layer)

    def replace(self, root: Layer, values: Sequence[Value], readers: Sequence[Layer]) -> None:
        """Make readers of `root` read `values`, and remove it."""
        for listener in self.listeners:
            listener.on_replace(root, values)
        assert root.region is not None
        for reader in dict.fromkeys(readers):
            self.trail.leave(reader)
        for before, after in zip(root.results, values, strict=True):
            root.region.replace_uses(before, after)
        for reader in dict.fromkeys(readers):
            self.trail.enter(reader)
        self.remove(root)

    def remove(self, layer: Layer) -> None:
        """Detach a layer, and what is in its regions unless another layer has taken them over."""
        for gone in (layer, *inside(layer)):
            self.trail.leave(gone)
        for listener in self.listeners:
            listener.on_remove(layer)
        assert layer.region is not None
        layer.region.remove(layer)

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
            elif owner is not None and self.order.holds(owner) and not any(r.users for r in owner.results):
                read = owner.reads()
                work += read
                removed += [owner, *inside(owner)]
                self.remove(owner)
                self.push_only_readers(read)
        return removed

    def pass_on_locations(
        self, gone: Sequence[Layer], made: Sequence[Layer], values: Sequence[Value], readers: Sequence[Layer]
    ) -> None:
        """Give the locations of removed layers to those that stand for them, in the order of the graph."""
        old = [v.owner for v in values if v.owner is not None and v.owner not in made]
        if not old and not made:
            # Nothing that makes the values could carry them: they go to the first reader.
            following = [r for r in readers if not isinstance(r, Return)]
            old = [min(following, key=self.order.place)] if following else []
        for carrier in dict.fromkeys(made):
            carrier.locations = self.order.locations(gone, carrier.locations)
        for carrier in dict.fromkeys(old):
            carrier.locations = self.order.locations([*gone, carrier])


def inside(layer: Layer) -> Iterator[Layer]:
    """The layers in the regions of a layer; none if another layer has taken the regions over."""
    return (inner for region in layer.regions() if region.owner is layer for inner in region.walk())
