"""The registry of converters: which function turns which operator, of which opset versions, into layers.

@converter("Softmax", since=13)
def softmax(ctx: Context) -> Value:
    return ctx.emit(Softmax(ctx.value(0), axis=ctx.int_attr("axis")))
"""

from __future__ import annotations

import functools
import importlib
import pkgutil
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, TypeVar

import attrs

if TYPE_CHECKING:
    from plait.frontends.onnx.context import Context
    from plait.ir.values import Value

NEWEST_OPSET = 28
"""The newest version of the default domain whose semantics the converters follow."""

Function = Callable[["Context"], "Value | Sequence[Value | None]"]
F = TypeVar("F", bound=Function)


@attrs.frozen
class Converter:
    """One converter with the opset versions `since` to `until` (both inclusive) that it covers."""

    op: str
    domain: str
    since: int
    until: int
    convert: Function = attrs.field(eq=False)

    @property
    def origin(self) -> str:
        return f"{self.convert.__module__}.{self.convert.__qualname__}"


_registry: dict[tuple[str, str], list[Converter]] = {}


def converter(*ops: str, since: int = 1, until: int | None = None, domain: str = "") -> Callable[[F], F]:
    """Decorator: register a function as the converter of operators.

    Args:
        ops: operator names.
        since: first opset version of the domain that it covers.
        until: last one; None for all later ones.
        domain: `""` is the default domain, ai.onnx.

    Raises:
        ValueError: another converter covers one of these versions; the message names both.
    """

    def register(function: F) -> F:
        for op in ops:
            entry = Converter(
                op, domain, since, NEWEST_OPSET if until is None and not domain else until or 10**9, function
            )
            known = _registry.setdefault((domain, op), [])
            for other in known:
                if other.since <= entry.until and entry.since <= other.until:
                    raise ValueError(
                        f"{domain or 'ai.onnx'} {op} is converted by both {other.origin} and {entry.origin}"
                    )
            known.append(entry)
        return function

    return register


def find_converter(op: str, version: int, domain: str = "") -> Converter | None:
    """The converter of an operator as defined by this opset version of its domain, or None."""
    _load_builtin()
    return next((c for c in _registry.get((domain, op), ()) if c.since <= version <= c.until), None)


def versions_of(op: str, domain: str = "") -> list[tuple[int, int]]:
    """The ranges of opset versions in which an operator is supported."""
    _load_builtin()
    return sorted((c.since, c.until) for c in _registry.get((domain, op), ()))


def supported_operators(domain: str = "") -> list[str]:
    """Names of the operators that have a converter, sorted."""
    _load_builtin()
    return sorted(op for d, op in _registry if d == domain)


@functools.cache
def _load_builtin() -> None:
    package = importlib.import_module("plait.frontends.onnx.operators")
    for module in pkgutil.iter_modules(package.__path__):
        importlib.import_module(f"plait.frontends.onnx.operators.{module.name}")
