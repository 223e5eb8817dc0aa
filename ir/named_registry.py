"""Things of one kind by name, from three sources: built in, registered by running code, and plug-ins."""

from __future__ import annotations

import copy
import importlib
from collections.abc import Callable, Mapping
from typing import Any, Generic, TypeVar

import attrs

from plait.ir import plugins
from plait.ir.diagnostics import Diagnostic
from plait.ir.plugins import Plugin, PluginError

T = TypeVar("T")


def _nothing() -> None:
    pass


def _no_problem(name: str, thing: Any) -> str:
    return ""


@attrs.define(eq=False)
class Registry(Generic[T]):
    """A registry, filled as far as it must be.

    Where names suffice (passes, solvers, frontends), the name of an entry point is the name of the thing, which is
    imported when it is asked for. Where they do not (layers, routines), `by_import` is set: entry points name modules,
    which are imported when the registry is first asked for anything, and register what they have.
    """

    kind: str
    """What the things are called in messages: "pass"."""
    group: str
    """The group of entry points: "plait.passes"."""
    builtin: Mapping[str, str] = attrs.field(factory=dict)
    """Name -> "module:attribute" of what is imported when asked for."""
    prepare: Callable[[], None] = _nothing
    """Imports built-in modules that register what they have."""
    by_import: bool = False
    problem: Callable[[str, Any], str] = _no_problem
    """(name, thing from an entry point) -> why it cannot be registered, or nothing."""

    _things: dict[str, T] = attrs.field(factory=dict, init=False)
    _origins: dict[str, str] = attrs.field(factory=dict, init=False)
    _lazy: dict[str, str | Plugin] = attrs.field(factory=dict, init=False)
    _errors: dict[str, PluginError] = attrs.field(factory=dict, init=False)
    _prepared: bool = attrs.field(default=False, init=False)
    _filled: bool = attrs.field(default=False, init=False)

    def __attrs_post_init__(self) -> None:
        self._origins.update(self.builtin)
        self._lazy.update(self.builtin)

    def add(self, name: str, thing: T, origin: str) -> None:
        """Register a thing; once more from the same origin replaces it.

        Raises:
            PluginError: P602, the name is taken; the message names both owners.
        """
        if not origin.startswith("plait."):
            self._prepare()
        taken = self._origins.get(name, origin)
        # An entry point may name a thing by another module than the one that defines it.
        lazy = self._lazy.get(name)
        same = taken == origin or (isinstance(lazy, Plugin) and lazy.distribution == plugins.owner(origin))
        if not same:
            raise self._clash(name, taken, origin)
        self._things[name], self._origins[name] = thing, origin

    def names(self) -> tuple[str, ...]:
        """All names: built-in ones first, in order, then others. Imports nothing that a name suffices for."""
        self._fill()
        return tuple(self._origins)

    def find(self, name: str) -> T | None:
        """The thing of this name, or None.

        Raises:
            PluginError: the plug-in that has this name cannot be loaded (P601, P603), or two have it (P602).
        """
        if not self._filled:
            self._fill()
        if name in self._errors:
            raise self._errors[name]
        if name not in self._things and name in self._lazy:
            self._load(name, self._lazy[name])
        return self._things.get(name)

    def all(self) -> dict[str, T]:
        """Everything that can be loaded, by name; what cannot is reported as a warning."""
        found = {}
        for name in self.names():
            try:
                thing = self.find(name)
            except PluginError as error:
                _leave_out(error)
                continue
            if thing is not None:
                found[name] = thing
        return found

    def loaded(self) -> Mapping[str, T]:
        """What a registry that is filled by import has, in order of registration; not a copy."""
        if not self._filled:
            self._fill()
        return self._things

    def origin(self, name: str) -> str:
        """`module:attribute` that gives a registered name."""
        return self._origins[name]

    def owner(self, name: str) -> str:
        """Who gives a registered name: `plait`, a distribution and its version, or a file."""
        return plugins.owner(self._origins[name])

    def copy(self) -> Registry[T]:
        """What is added to the copy is not in this one. Filled first, since built-in modules register only once."""
        self._fill()
        twin = copy.copy(self)
        twin._things, twin._origins = dict(self._things), dict(self._origins)
        twin._lazy, twin._errors = dict(self._lazy), dict(self._errors)
        return twin

    def _prepare(self) -> None:
        if not self._prepared:
            self._prepared = True
            self.prepare()

    def _fill(self) -> None:
        if self._filled:
            return
        # Set first: what is imported here may ask this registry.
        self._filled = True
        self._prepare()
        try:
            plugins.load_environment()
        except PluginError:
            self._filled = False
            raise
        for plugin in plugins.plugins(self.group):
            if self.by_import:
                self._import(plugin)
            else:
                self._announce(plugin)

    def _announce(self, plugin: Plugin) -> None:
        taken = self._origins.get(plugin.name)
        if taken is None:
            self._origins[plugin.name], self._lazy[plugin.name] = plugin.value, plugin
        elif plugins.owner(taken) != plugin.distribution:
            self._errors[plugin.name] = self._clash(plugin.name, taken, plugin.value)

    def _import(self, plugin: Plugin) -> None:
        try:
            plugin.load()
        except PluginError as error:
            _leave_out(error)
            if error.taken is not None and error.taken[0] == self.kind:
                self._errors[error.taken[1]] = error
            elif plugin.name not in self._things:
                self._errors[plugin.name] = error

    def _load(self, name: str, target: str | Plugin) -> None:
        if isinstance(target, Plugin):
            thing = target.load()
            if problem := self.problem(name, thing):
                raise target.unfit(problem)
        else:
            module, _, attribute = target.partition(":")
            thing = getattr(importlib.import_module(module), attribute)
        self._things.setdefault(name, thing)

    def _clash(self, name: str, taken: str, origin: str) -> PluginError:
        message = f"{self.kind} {name!r} is registered by both {plugins.describe(taken)} and {plugins.describe(origin)}"
        error = PluginError(Diagnostic("P602", message, hint="remove one of them, or rename it"))
        error.taken = (self.kind, name)
        return error


_told: set[str] = set()


def _leave_out(error: PluginError) -> None:
    """Warn of a plug-in, once."""
    for diagnostic in error.diagnostics:
        place = f" ({diagnostic.span.file}:{diagnostic.span.line})" if diagnostic.span is not None else ""
        text = f"{diagnostic.message}{place}"
        if text not in _told:
            _told.add(text)
            plugins.report(text)
