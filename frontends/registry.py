"""The registry of frontends: who reads files of a suffix. ONNX and the text form are not in it; they are known anyway.

Others add frontends by `@register_frontend(".xyz")`, or by an entry point of the group `plait.frontends`, whose name is
the suffix without its dot (xyz = module:function).
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import attrs

from plait.frontends.errors import ModelError
from plait.ir.diagnostics import PlaitError
from plait.ir.module import Module
from plait.ir.named_registry import Registry
from plait.ir.plugins import describe, origin_of
from plait.ir.verify import verify

F = TypeVar("F", bound=Callable[[Path], Module])

_BUILTIN = {"onnx": "plait.frontends.onnx:import_onnx", "ir": "plait.ir.text:load_ir"}


def _problem(name: str, thing: Any) -> str:
    return "" if callable(thing) else f"{thing!r} cannot be called"


_registry: Registry[Callable[[Path], Module]] = Registry("frontend", "plait.frontends", _BUILTIN, problem=_problem)


@attrs.frozen
class Frontend:
    """A function that reads model files of one suffix, and where it comes from."""

    suffix: str
    load: Callable[[Path], Module]
    origin: str

    def read(self, path: Path) -> Module:
        """The module in a file.

        Raises:
            PlaitError: what the frontend found.
            IRError: the module is not valid.
            ModelError: P301, it failed otherwise, or gave no module.
        """
        try:
            module = self.load(path)
        except (PlaitError, OSError):
            raise
        except Exception as error:
            problem = f"cannot be read as a {self.suffix} file: {type(error).__name__}: {error}"
            raise ModelError(problem, str(path), self._hint) from error
        if not isinstance(module, Module):
            problem = f"the frontend for {self.suffix} gave {type(module).__name__}, not a module"
            raise ModelError(problem, str(path), self._hint)
        verify(module)
        return module

    @property
    def _hint(self) -> str:
        return f"the frontend is {describe(self.origin)}"


def register_frontend(*suffixes: str) -> Callable[[F], F]:
    """Decorator: a function of a path reads files with these suffixes (".xyz").

    Raises:
        ValueError: a suffix does not start with a dot.
        PluginError: P602, a suffix is taken; the message names both owners.
    """
    for suffix in suffixes:
        if not suffix.startswith(".") or len(suffix) < 2:
            raise ValueError(f"a suffix starts with a dot, such as .xyz; got {suffix!r}")

    def register(load: F) -> F:
        for suffix in suffixes:
            _registry.add(suffix[1:].lower(), load, origin_of(load))
        return load

    return register


def known_suffixes() -> tuple[str, ...]:
    """Suffixes that frontends are registered for, `.onnx` and `.ir` first. Imports none of them."""
    return tuple(f".{name}" for name in _registry.names())


def frontend_of(path: Path) -> Frontend | None:
    """The registered frontend for the suffix of a path; None where ONNX or the text form is meant.

    Raises:
        PluginError: the plug-in that has the suffix cannot be loaded, or two parties have it.
    """
    name = path.suffix[1:].lower()
    load = _registry.find(name) if name else None
    return None if load is None or name in _BUILTIN else Frontend(path.suffix.lower(), load, _registry.origin(name))


def frontend_owner(suffix: str) -> str:
    """Who reads files of a suffix: `plait`, a distribution and its version, or a file."""
    return _registry.owner(suffix[1:])
