"""Finds and loads what other distributions and files add: entry points, and files given by `--load` or `PLAIT_LOAD`.

A distribution names what it adds by entry points of the groups `plait.layers`, `plait.passes`, `plait.patterns`,
`plait.routines`, `plait.frontends` and `plait.solvers`. The version of this interface that it was written for is the
name of an entry point of the group `plait.api`, whose value is any module of it. Registries (`plait.ir.named_registry`)
ask for their group when they are first used.
"""

from __future__ import annotations

import functools
import importlib.metadata
import importlib.util
import os
import sys
import types
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import attrs

from plait.ir.diagnostics import Diagnostic, PlaitError, Span, join_names

API = 1
"""Version of the interface that plug-ins see: the decorators, and the classes that they register."""
VARIABLE = "PLAIT_LOAD"
"""Environment variable with files to load, separated as in `PATH`."""

_files: dict[Path, str] = {}
"""Files that were loaded, and the names of their modules."""
_shown: dict[str, str] = {}
"""Names of their modules, and the paths as they were given."""
_failures: dict[str, PluginError] = {}
"""What was wrong with modules that could not be imported; they are not run a second time."""


class PluginError(PlaitError):
    """A plug-in cannot be loaded (P601), takes a name that is taken (P602), or is for another version (P603)."""

    exit_code = 2

    taken: tuple[str, str] | None = None
    """For P602: the kind and name of what is registered twice."""


class PluginWarning(UserWarning):
    """A plug-in is left out; what does not need it goes on."""


def _warn(text: str) -> None:
    warnings.warn(PluginWarning(text), stacklevel=2)


report: Callable[[str], None] = _warn
"""Where to tell of plug-ins that are left out; the command line replaces it."""


@attrs.frozen
class Plugin:
    """An entry point: `name = "value"` in a group of a distribution."""

    group: str
    name: str
    value: str
    distribution: str = ""
    """Name and version, such as `plait-stats 0.1`."""
    apis: tuple[str, ...] = ()
    """The versions of the interface that the distribution is for; none: it does not say."""

    @property
    def module(self) -> str:
        return self.value.partition(":")[0].strip()

    @property
    def title(self) -> str:
        return f"plug-in {self.name!r} ({self.group}) of {self.distribution}"

    def load(self) -> Any:
        """Import the module, and give the object named after the colon (the module itself if none is named).

        Raises:
            PluginError: P601, the import fails or there is no such object; P603, it is for another version.
        """
        if self.apis and str(API) not in self.apis:
            message = f"{self.title} is for version {join_names(self.apis)} of the plug-in interface, plait has {API}"
            hint = f"install another release of {self.distribution.rpartition(' ')[0]}"
            raise PluginError(Diagnostic("P603", message, hint=hint))
        if self.module in _failures:
            raise _failures[self.module]
        try:
            found: Any = importlib.import_module(self.module)
        except (Exception, SystemExit) as error:
            failure = _failures[self.module] = _failure(f"{self.title} cannot be loaded", error, _home(self.module))
            raise failure from error
        for attribute in filter(None, self.value.partition(":")[2].strip().split(".")):
            if not hasattr(found, attribute):
                raise self.unfit(f"{self.module} has no {attribute!r}")
            found = getattr(found, attribute)
        return found

    def unfit(self, reason: str) -> PluginError:
        """P601 for a reason that shows after the import."""
        return PluginError(Diagnostic("P601", f"{self.title} cannot be loaded: {reason}"))


def plugins(group: str) -> tuple[Plugin, ...]:
    """The entry points of a group, by name. Imports none of them."""
    return tuple(p for p in installed() if p.group == group)


def refresh() -> None:
    """Look anew at what is installed. For tests, and for notebooks that install something; registries that have
    loaded their group keep what they have."""
    installed.cache_clear()
    _failures.clear()


def load_file(path: str | Path) -> None:
    """Run a Python file that registers things by decorators. A file that was loaded before is not run again.

    Raises:
        PluginError: P601 with the place in the file: it cannot be read, is not Python, or raises. P602: it registers a
            name that is taken.
    """
    absolute = Path(path).resolve()
    if absolute in _files:
        return
    try:
        source = absolute.read_bytes()
    except OSError as error:
        raise PluginError(Diagnostic("P601", f"the file cannot be read: {error.strerror}", where=str(path))) from None
    name = f"plait_loaded_{len(_files)}_{absolute.stem}"
    module = types.ModuleType(name)
    module.__file__ = str(absolute)
    _files[absolute], _shown[name], sys.modules[name] = name, str(path), module
    try:
        exec(compile(source, str(absolute), "exec", dont_inherit=True), module.__dict__)
    except (Exception, SystemExit) as error:
        del _files[absolute], _shown[name], sys.modules[name]
        raise _failure("the file cannot be loaded", error, str(absolute), shown=str(path)) from error


def load_environment() -> None:
    """Load the files that `PLAIT_LOAD` names."""
    for path in filter(None, os.environ.get(VARIABLE, "").split(os.pathsep)):
        load_file(path)


def environment() -> dict[str, str]:
    """Variables with which another process loads the same files."""
    return {VARIABLE: os.pathsep.join(map(str, _files))} if _files else {}


def owner(origin: str) -> str:
    """Whose code an origin (`module:name`) is: `plait`, a distribution and its version, a file, or the module."""
    module = origin.partition(":")[0]
    top = module.partition(".")[0]
    if top == "plait":
        return "plait"
    if module in _shown:
        return _shown[module]
    return next((p.distribution for p in installed() if p.module.partition(".")[0] == top), module)


def is_plugin(module: str) -> bool:
    """Whether a module is a loaded file, or in a package that has entry points."""
    top = module.partition(".")[0]
    return module in _shown or any(p.module.partition(".")[0] == top for p in installed())


def describe(origin: str) -> str:
    """An origin for messages, with its owner."""
    module, _, name = origin.partition(":")
    if module in _shown:
        return f"{name} in {owner(origin)}"
    found = owner(origin)
    return origin if found == module else f"{origin} ({'built in' if found == 'plait' else found})"


def origin_of(thing: Any) -> str:
    """`module:name` of a class or function."""
    return f"{thing.__module__}:{thing.__qualname__}"


@functools.cache
def installed() -> tuple[Plugin, ...]:
    """All entry points of plug-ins, by group and name. Imports none of them."""
    points = importlib.metadata.entry_points()
    apis: dict[str, list[str]] = {}
    for point in points.select(group="plait.api"):
        apis.setdefault(_distribution(point), []).append(point.name)
    found = [
        Plugin(group, p.name, p.value, _distribution(p), tuple(apis.get(_distribution(p), ())))
        for group in sorted(points.groups)
        if group.startswith("plait.") and group != "plait.api"
        for p in points.select(group=group)
    ]
    return tuple(sorted(found, key=lambda p: (p.group, p.name, p.distribution)))


def _distribution(point: importlib.metadata.EntryPoint) -> str:
    return f"{point.dist.name} {point.dist.version}" if point.dist is not None else "an unknown distribution"


# --- what went wrong, and where ---


def _failure(what: str, error: BaseException, home: str, shown: str = "") -> PluginError:
    """The error for an exception; the place is the innermost line of the plug-in's own code."""
    span = _place(error, home, shown)
    if isinstance(error, PluginError):
        failure = PluginError([attrs.evolve(d, span=d.span or span) for d in error.diagnostics])
        failure.taken = error.taken
        return failure
    findings = error.diagnostics if isinstance(error, PlaitError) else ()
    text = error.msg if isinstance(error, SyntaxError) else "" if findings else str(error)
    kind = type(error).__name__
    message = f"{what}: {kind}: {text}" if text else f"{what}: {kind}"
    return PluginError([Diagnostic("P601", message, span, "" if span else shown), *findings])


def _place(error: BaseException, home: str, shown: str) -> Span | None:
    if isinstance(error, SyntaxError) and error.filename and error.filename.startswith(home) and error.lineno:
        column = error.offset or 1
        end = max(error.end_offset or 0, column + 1) if error.end_lineno == error.lineno else column + 1
        return Span(shown or error.filename, error.lineno, column, end, (error.text or "").rstrip("\n"))
    import traceback

    for frame in reversed(traceback.extract_tb(error.__traceback__)):
        if home and frame.filename.startswith(home) and frame.lineno:
            text = frame.line or ""
            return Span(shown or frame.filename, frame.lineno, 1, len(text) + 1, text)
    return None


def _home(module: str) -> str:
    """The file of a module that is alone, else the folder of its package; "" if it is not found."""
    try:
        spec = importlib.util.find_spec(module.partition(".")[0])
    except (ImportError, ValueError):
        return ""
    if spec is None:
        return ""
    folder = next(iter(spec.submodule_search_locations or ()), None)
    return f"{folder}{os.sep}" if folder is not None else spec.origin or ""
