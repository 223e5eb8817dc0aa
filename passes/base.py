"""What a pass is: a named transformation of a module, its options, and the context that it reports to."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Container, Iterable, Mapping
from typing import TYPE_CHECKING, Any, ClassVar, Self

import attrs

from plait.ir.attributes import attribute_text
from plait.ir.diagnostics import Diagnostic, Location, PlaitError, Span, did_you_mean
from plait.ir.module import Module
from plait.passes.analyses.base import Analyses, Analysis

if TYPE_CHECKING:
    from plait.passes.manager.observer import PassRun
    from plait.passes.rewriting.listener import Listener


class PassError(PlaitError):
    """A pass name, option or pipeline is not valid (P201)."""

    exit_code = 2


class PassFailed(Exception):
    """A pass raised or left invalid IR behind: a defect of the pass, not of the user's model.

    `pass_text` is the pass as written in a pipeline, `reproducer` the path of the file that repeats the failure, if one
    was written.
    """

    def __init__(self, pass_text: str, problem: str, reproducer: str | None = None) -> None:
        super().__init__(pass_text, problem)
        self.pass_text, self.problem, self.reproducer = pass_text, problem, reproducer

    def __str__(self) -> str:
        note = f"\n  reproducer: {self.reproducer}" if self.reproducer else ""
        return f"pass {self.pass_text} failed: {self.problem}{note}"


@attrs.frozen
class Refusal:
    """Why a rewrite left a layer as it is."""

    pass_name: str
    rule: str
    layer: str
    reason: str
    locations: tuple[Location, ...] = ()

    def __str__(self) -> str:
        return f"{self.pass_name}/{self.rule}: {self.layer}: {self.reason}"


def _silent(_: str) -> None:
    pass


def _nothing() -> None:
    pass


@attrs.define
class PassContext:
    """What passes report while they run. One context serves a whole pipeline."""

    verbose: bool = False
    """Send each rewrite and each refusal to `log` as it happens."""
    log: Callable[[str], None] = _silent
    statistics: Counter[tuple[str, str]] = attrs.field(factory=Counter)
    """(pass, what) -> how often."""
    refusals: list[Refusal] = attrs.field(factory=list)
    """Why rewrites did not apply, in the state in which each pass left the module."""
    records: list[PassRun] = attrs.field(factory=list)
    """One record for each pass that ran: time, change, number of layers."""
    current: str = ""
    """Name of the pass that is running."""
    listeners: list[Listener] = attrs.field(factory=list)
    """Told of each rewrite."""
    analyses: Analyses = attrs.field(factory=Analyses)
    """Facts about the module, computed when asked for and dropped when a pass changes it."""
    runner: Callable[[Iterable[Pass], Module, Callable[[], None]], bool] | None = None
    """How the manager runs passes within a pass; see `run`."""

    def run(self, passes: Iterable[Pass], module: Module, settle: Callable[[], None] = _nothing) -> bool:
        """Run other passes within a pass, as the manager would: verified and observed; returns whether they changed it.

        Without a manager they just run. If `module` is a part of the whole one, `settle` is called after each pass to
        put the part back into it.
        """
        if self.runner is not None:
            return self.runner(passes, module, settle)
        outer, changed = self.current, False
        for one in passes:
            self.current = one.name
            changed |= (now := one.run(module, self))
            settle()
            if now:
                self.analyses.invalidate(one.preserves)
        self.current = outer
        return changed

    def count(self, what: str, times: int = 1) -> None:
        """Add to a statistic of the running pass."""
        if times:
            self.statistics[self.current, what] += times

    def refuse(self, refusal: Refusal) -> None:
        """Record a refusal."""
        self.refusals.append(refusal)
        if self.verbose:
            self.log(f"no: {refusal}")

    def note(self, message: str) -> None:
        """Something worth telling in verbose mode."""
        if self.verbose:
            self.log(f"{self.current}: {message}")


@attrs.frozen
class Pass:
    """A transformation of a module. Subclasses are frozen attrs classes; their fields are the options.

    Contract: the module is valid before and after `run`, not necessarily during it; `run` returns true exactly when it
    changed the text form of the module; running a pass a second time changes nothing.
    """

    name: ClassVar[str]
    preserves: ClassVar[Container[type[Analysis]]] = ()
    """Analyses that stay true though the pass changed the module; the manager drops all others."""

    def run(self, module: Module, context: PassContext) -> bool:
        """Transform the module in place; returns whether it changed."""
        raise NotImplementedError(type(self).__name__)

    @classmethod
    def from_options(cls, options: Mapping[str, Any]) -> Self:
        """A pass from option values as written in a pipeline.

        Raises:
            OptionError: an option is unknown, missing or has a wrong value.
        """
        known = [f.name for f in attrs.fields(cls)]
        for name in options:
            if name not in known:
                what = f"pass {cls.name} has no option {name!r}"
                known_ones = f"known: {', '.join(known)}" if known else ""
                raise OptionError(name, what, did_you_mean(name, known) or known_ones)
        for field in attrs.fields(cls):
            if field.default is attrs.NOTHING and field.name not in options:
                raise OptionError("", f"pass {cls.name} needs option {field.name}")
        for field in attrs.fields(cls):
            if field.name in options and field.converter is not None:
                _try_option(cls.name, field, options[field.name])
        return cls(**options)

    def options(self) -> dict[str, Any]:
        """Options that differ from their default."""
        values = ((f, getattr(self, f.name)) for f in attrs.fields(type(self)))
        return {f.name: value for f, value in values if value != _default(f)}

    def __str__(self) -> str:
        """The pass as a pipeline writes it: `fuse-activation{kinds=[relu]}`."""
        options = ",".join(f"{k}={_compact(v)}" for k, v in self.options().items())
        return f"{self.name}{{{options}}}" if options else self.name


class OptionError(ValueError):
    """A wrong option; `option` is its name ("" for a missing one), `inside` the place within its text if it is one that
    holds a pipeline. The pipeline parser adds the place."""

    def __init__(self, option: str, message: str, hint: str = "", inside: Span | None = None) -> None:
        super().__init__(message)
        self.option, self.hint, self.inside = option, hint, inside


def pass_error(message: str, hint: str = "") -> PassError:
    """P201 without a place in a text."""
    return PassError(Diagnostic("P201", message, hint=hint))


def _default(field: attrs.Attribute[Any]) -> Any:
    if field.default is attrs.NOTHING:
        return attrs.NOTHING
    return _convert(field, field.default)


def _convert(field: attrs.Attribute[Any], value: Any) -> Any:
    assert not isinstance(field.converter, attrs.Converter), "options take plain converters"
    return field.converter(value) if field.converter is not None else value


def _try_option(name: str, field: attrs.Attribute[Any], value: Any) -> None:
    where = f"option {field.name} of pass {name}"
    try:
        _convert(field, value)
    except (TypeError, ValueError) as error:
        raise OptionError(field.name, f"{where}: {error}") from None
    except PassError as error:
        first = error.diagnostics[0]
        raise OptionError(field.name, f"{where}: {first.message}", first.hint, first.span) from None


def _compact(value: Any) -> str:
    if isinstance(value, Mapping):
        return f"{{{','.join(f'{k}={_compact(v)}' for k, v in value.items())}}}"
    if isinstance(value, (tuple, list)):
        return f"[{','.join(_compact(v) for v in value)}]"
    return attribute_text(value)
