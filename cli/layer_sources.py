"""The source text that a page of the reference shows: what a layer computes, and the helpers that this calls."""

from __future__ import annotations

import ast
import functools
import inspect
import sys
import textwrap
from collections.abc import Iterator

from plait.ir.layer import Layer

_HOMES = ("plait.ir.layers.", "plait.ir.activation", "plait.ir.casting")
"""Modules whose helpers are shown."""
_OWNERS = ("self", "type(self)")
_MOST_LINES = 80
_Definition = ast.FunctionDef | ast.ClassDef | ast.Assign | ast.AnnAssign


def reference_source(cls: type[Layer]) -> str:
    """The method that gives a layer its meaning, then the methods, tables and functions it uses, as far as they are
    short."""
    name = "reference" if cls.execute is Layer.execute else "execute"
    shown: list[str] = []
    seen: set[tuple[str, str]] = set()
    waiting: list[tuple[type | str, str]] = [(cls, name)]
    room = _MOST_LINES
    while waiting:
        owner, name = waiting.pop(0)
        home, node, text = _find(owner, name)
        if node is None or (home, name) in seen:
            continue
        seen.add((home, name))
        if (length := text.count("\n") + 1) > room:
            continue
        room -= length
        shown.append(text)
        waiting += [(cls, n) for n in _own_names(node)]
        waiting += [found for n in _names(node) if (found := _global(home, n)) is not None]
    return "\n\n".join(shown)


def flops_formula(cls: type[Layer]) -> str:
    """What `flops` returns, as an expression of operands and attributes; empty if it has the default."""
    if cls.flops is Layer.flops:
        return ""
    _, node, _ = _find(cls, "flops")
    last = node.body[-1] if isinstance(node, ast.FunctionDef) else None
    return ast.unparse(last.value).replace("self.", "") if isinstance(last, ast.Return) and last.value else ""


def _find(owner: type | str, name: str) -> tuple[str, _Definition | None, str]:
    """(module, definition, its text) of a name in a class, in its bases, or in a module."""
    if isinstance(owner, str):
        return owner, *_pick(owner, _tree(owner).body, name)
    for base in owner.__mro__:
        if base is Layer or base is object:
            break
        home = base.__module__
        for node in _tree(home).body:
            if isinstance(node, ast.ClassDef) and node.name == base.__name__:
                found, text = _pick(home, node.body, name)
                if found is not None:
                    return home, found, text
    return "", None, ""


def _pick(home: str, body: list[ast.stmt], name: str) -> tuple[_Definition | None, str]:
    for node in body:
        if isinstance(node, _Definition) and name in _defined(node):
            first = min([node.lineno, *(d.lineno for d in getattr(node, "decorator_list", ()))])
            lines = _text(home).splitlines()[first - 1 : node.end_lineno]
            return node, textwrap.dedent("\n".join(lines))
    return None, ""


def _defined(node: _Definition) -> list[str]:
    if isinstance(node, ast.FunctionDef | ast.ClassDef):
        return [node.name]
    if isinstance(node, ast.AnnAssign):
        # A field of a class has no text worth showing, a table of a module has.
        return [node.target.id] if isinstance(node.target, ast.Name) and isinstance(node.value, ast.Dict) else []
    return [t.id for t in node.targets if isinstance(t, ast.Name)]


def _own_names(node: ast.AST) -> Iterator[str]:
    """Methods and class variables that `self.name` and `type(self).name` read; `infer` has a paragraph of its own."""
    for part in ast.walk(node):
        if isinstance(part, ast.Attribute) and part.attr != "infer" and ast.unparse(part.value) in _OWNERS:
            yield part.attr


def _names(node: ast.AST) -> Iterator[str]:
    for part in ast.walk(node):
        if isinstance(part, ast.Name) and isinstance(part.ctx, ast.Load):
            yield part.id


def _global(home: str, name: str) -> tuple[type | str, str] | None:
    """Where to look for a name of a module: itself, the module it is imported from, or the class that it is, whose
    `__call__` is meant."""
    found = getattr(sys.modules[home], name, None)
    origin = getattr(found, "__module__", None) if callable(found) else home
    if not isinstance(origin, str) or not (origin == home or origin.startswith(_HOMES)):
        return None
    return (found, "__call__") if inspect.isclass(found) else (origin, name)


@functools.cache
def _text(module: str) -> str:
    """The source of a module; empty where there is none, as for what is typed at a prompt."""
    try:
        return inspect.getsource(sys.modules[module])
    except (KeyError, OSError, TypeError):
        return ""


@functools.cache
def _tree(module: str) -> ast.Module:
    return ast.parse(_text(module))
