"""Which pass breaks a module: binary search over the prefixes of a pipeline, then over the rewrites of that pass.

found = bisect(module, Pipeline.parse("default"), lambda m: Verdict.GOOD if works(m) else Verdict.BAD)
print(found.passes, found.rewrite)
"""

from __future__ import annotations

import enum
from collections.abc import Callable

import attrs

from plait.ir.layer import Layer
from plait.ir.module import Module
from plait.ir.text.printer import print_module
from plait.passes.base import Pass, PassContext
from plait.passes.manager.runner import PassManager
from plait.passes.pipeline import Pipeline
from plait.passes.rewriting.listener import Limit
from plait.passes.rewriting.rule import Pattern


class Verdict(enum.Enum):
    """What a test says of a module."""

    GOOD = "good"
    BAD = "bad"
    SKIP = "cannot tell"


Test = Callable[[Module], Verdict]
Progress = Callable[[str, Verdict], None]


def _silent(_: str, __: Verdict) -> None:
    pass


class NothingToFind(Exception):
    """The input is not good, or the result of the pipeline is not bad; `verdict` is what was found there instead."""

    def __init__(self, at_input: bool, verdict: Verdict) -> None:
        super().__init__(f"the {'input' if at_input else 'result of the pipeline'} is {verdict.value}")
        self.at_input, self.verdict = at_input, verdict


@attrs.frozen
class Applied:
    """A rewrite that was applied."""

    number: int
    """Counts from 1 within the pass."""
    pass_name: str
    rule: str
    layer: str


@attrs.frozen
class FirstBadRewrite:
    """The rewrite after which the test fails."""

    applied: Applied
    total: int
    """Rewrites that the pass applies in all."""
    before: str
    """The text of the module before it."""
    after: str


@attrs.frozen
class Bisection:
    """What was found."""

    pipeline: Pipeline
    first: int
    last: int
    """The pass is one of those from place `first` to `last` (from 0); they differ if the test could not tell."""
    before: Module
    """The last module that is good: the input of pass `first`."""
    rewrite: FirstBadRewrite | None = None
    """Within the pass, if it is known and applies rewrites."""

    @property
    def passes(self) -> tuple[Pass, ...]:
        """The passes that may be the one; it is known if there is one."""
        return self.pipeline.passes[self.first : self.last + 1]

    @property
    def good(self) -> Pipeline:
        """The longest pipeline known to be good."""
        return Pipeline(self.pipeline.passes[: self.first])

    @property
    def bad(self) -> Pipeline:
        """The shortest pipeline known to be bad."""
        return Pipeline(self.pipeline.passes[: self.last + 1])


def bisect(module: Module, pipeline: Pipeline, test: Test, progress: Progress = _silent) -> Bisection:
    """Find the first pass after which `test` finds a module bad. The module itself stays as it is.

    Raises:
        NothingToFind: the module is not good, or it is not bad after the whole pipeline.
        PassFailed: a pass fails by itself.
    """
    states = _States(module, pipeline, test, progress)
    for place, wanted in ((0, Verdict.GOOD), (len(pipeline), Verdict.BAD)):
        if (verdict := states.verdict(place)) is not wanted:
            raise NothingToFind(place == 0, verdict)
    good, bad = _search(len(pipeline), states.verdict)
    found = Bisection(pipeline, good, bad - 1, states.module(good))
    return attrs.evolve(found, rewrite=_narrow(found, test, progress)) if bad == good + 1 else found


def _search(end: int, verdict: Callable[[int], Verdict]) -> tuple[int, int]:
    """(last good, first bad) of the places from 0, which is good, to `end`, which is bad; between are only skipped
    ones."""
    good, bad = 0, end
    skipped: set[int] = set()
    while left := [place for place in range(good + 1, bad) if place not in skipped]:
        middle = (good + bad) / 2
        place = min(left, key=lambda p: abs(p - middle))
        match verdict(place):
            case Verdict.GOOD:
                good = place
            case Verdict.BAD:
                bad = place
            case Verdict.SKIP:
                skipped.add(place)
    return good, bad


class _States:
    """The module after each prefix of the pipeline. Prefixes that changed nothing more are one state."""

    def __init__(self, module: Module, pipeline: Pipeline, test: Test, progress: Progress) -> None:
        self.pipeline, self.test, self.progress = pipeline, test, progress
        self.modules: list[tuple[int, Module]] = [(0, module)]
        """After each number of passes: the number of passes that changed something, and the module."""
        self.verdicts: dict[int, Verdict] = {}

    def verdict(self, place: int) -> Verdict:
        state, module = self.at(place)
        if state not in self.verdicts:
            self.verdicts[state] = self.test(module)
            what = f"after {self.pipeline.passes[place - 1]}" if place else "input"
            self.progress(what, self.verdicts[state])
        return self.verdicts[state]

    def module(self, place: int) -> Module:
        return self.at(place)[1]

    def at(self, place: int) -> tuple[int, Module]:
        while len(self.modules) <= place:
            state, module = self.modules[-1]
            copy = module.clone()
            changed = _run(self.pipeline.passes[len(self.modules) - 1], copy, PassContext())
            self.modules.append((state + 1, copy) if changed else (state, module))
        return self.modules[place]


@attrs.define
class _Recorder(Limit):
    """Notes the last rewrite that it lets happen."""

    context: PassContext = attrs.field(factory=PassContext)
    last: Applied | None = None

    def on_match(self, pattern: Pattern, root: Layer) -> None:
        self.applied += 1
        self.last = Applied(self.applied, self.context.current, pattern.name, root.describe())


def _narrow(found: Bisection, test: Test, progress: Progress) -> FirstBadRewrite | None:
    """The first bad rewrite within the pass; None if it changes things without rewrites."""
    (one,) = found.passes
    total = _limited(found.before, one, None)[0].applied
    if total == 0:
        return None

    def verdict(number: int) -> Verdict:
        result = test(_limited(found.before, one, number)[1])
        progress(f"after rewrite {number} of {total}", result)
        return result

    # What the pass does besides rewriting may be what is bad.
    untouched = print_module(_limited(found.before, one, 0)[1]) == print_module(found.before)
    if not untouched and verdict(0) is not Verdict.GOOD:
        return None
    good, bad = _search(total, verdict)
    if bad != good + 1:
        return None
    recorder, after = _limited(found.before, one, bad)
    before = _limited(found.before, one, good)[1]
    assert recorder.last is not None
    return FirstBadRewrite(recorder.last, total, print_module(before), print_module(after))


def _limited(module: Module, one: Pass, most: int | None) -> tuple[_Recorder, Module]:
    """What a pass makes of a module when it may apply so many rewrites."""
    copy, context = module.clone(), PassContext()
    recorder = _Recorder(1 << 62 if most is None else most, context=context)
    context.listeners.append(recorder)
    _run(one, copy, context)
    return recorder, copy


def _run(one: Pass, module: Module, context: PassContext) -> bool:
    return PassManager(Pipeline((one,)), allow_unknown=True).run(module, context)
