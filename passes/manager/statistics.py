"""What each pass changed, in numbers: rewrites by rule, layers by kind, bytes of constants, arithmetic, memory."""

from __future__ import annotations

from collections import Counter

import attrs

from plait.ir.module import Module
from plait.passes.analyses.base import Analyses
from plait.passes.analyses.costs import Costs
from plait.passes.analyses.liveness import Liveness
from plait.passes.manager.observer import Observer, PassRun


@attrs.frozen
class Facts:
    """Numbers of a module."""

    layers: Counter[str] = attrs.field(factory=Counter)
    """Kind -> how many, over all functions."""
    constants: int = 0
    constant_bytes: int = 0
    flops: int | None = None
    """Of all layers, each run once; None if a dimension is symbolic."""
    peak_bytes: int | None = None
    """The most memory that the values of a function need at once; None if a dimension is symbolic."""

    @classmethod
    def of(cls, module: Module, analyses: Analyses) -> Facts:
        """The numbers of a module as it is now."""
        functions = module.functions.values()
        costs = [analyses.get(Costs, f).total for f in functions]
        peaks = [analyses.get(Liveness, f).peak_bytes for f in functions]
        known = [c for c in costs if c is not None]
        return cls(
            Counter(layer.op for layer in module.walk()),
            len(module.constants),
            sum(c.type.nbytes for c in module.constants.values()),
            sum(c.flops for c in known) if len(known) == len(costs) else None,
            max((p for p in peaks if p is not None), default=0) if None not in peaks else None,
        )


@attrs.define
class PassChange:
    """What one run of a pass changed. Of a pass that runs others, `counts` are its own."""

    run: PassRun
    before: Facts
    after: Facts = attrs.field(factory=Facts)
    counts: Counter[str] = attrs.field(factory=Counter)
    """What the pass counted: applications of each rewrite, and whatever else it chose to count."""

    def kinds(self) -> list[tuple[str, int, int]]:
        """(kind of layer, before, after) of those whose number changed, sorted."""
        both = sorted({*self.before.layers, *self.after.layers})
        found = [(kind, self.before.layers[kind], self.after.layers[kind]) for kind in both]
        return [row for row in found if row[1] != row[2]]


@attrs.define
class Statistics(Observer):
    """Collects what each pass changed, in the order in which they started."""

    changes: list[PassChange] = attrs.field(factory=list, init=False)
    _running: list[tuple[PassChange, Counter[tuple[str, str]]]] = attrs.field(factory=list, init=False)

    def before_pass(self, run: PassRun, module: Module) -> None:
        change = PassChange(run, Facts.of(module, run.context.analyses))
        self.changes.append(change)
        self._running.append((change, Counter(run.context.statistics)))

    def after_pass(self, run: PassRun, module: Module) -> None:
        change, earlier = self._running.pop()
        change.after = Facts.of(module, run.context.analyses) if run.changed else change.before
        now = run.context.statistics
        change.counts = Counter({k[1]: n - earlier[k] for k, n in now.items() if k[0] == run.name and n != earlier[k]})
