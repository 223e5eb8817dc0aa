"""Comparison of modules as texts in which names of values and constants do not matter."""

from __future__ import annotations

import difflib

from plait.ir.module import Module
from plait.ir.text import parse_module, print_module
from plait.ir.values import Constant
from plait.testing.ir_files.errors import CaseFailed


def canonical_text(module: Module) -> str:
    """The text with values and constants numbered in order of appearance, and without locations and comments."""
    module = module.clone()
    constants: dict[Constant, None] = {}
    named: set[str] = set()
    for function in module.functions.values():
        for i, value in enumerate(function.body.values()):
            named.update(value.type.constant_names())
            value.name = f"v{i}"
        for layer in function.walk():
            constants.update((v, None) for v in layer.operands if isinstance(v, Constant))
        for region in function.body.nest():
            constants.update((v, None) for v in region.outputs if isinstance(v, Constant))
    constants.update((c, None) for c in module.constants.values())
    module.constants = {}
    for i, constant in enumerate(constants):
        if constant.name not in named:  # types refer to the others by name
            constant.name = f"c{i}"
        module.constants[constant.name] = constant
    module.weights_file = ""
    return print_module(module, locations=False, comments=False)


def check_equal(expected: Module, actual: Module, file: str = "") -> None:
    """Fail with a unified diff unless both modules are equal but for names, locations and comments.

    Raises:
        CaseFailed: they differ.
    """
    a, b = canonical_text(expected), canonical_text(actual)
    if a != b:
        diff = difflib.unified_diff(a.splitlines(), b.splitlines(), "expected", "actual", lineterm="", n=30)
        raise CaseFailed(f"{file}\n" + "\n".join(diff) + f"\n\nas printed:\n{print_module(actual, locations=False)}")


def check_round_trip(module: Module, *, allow_unknown: bool = False) -> None:
    """Fail unless the printed text reads back as the same text.

    Raises:
        CaseFailed: it does not; the message has both.
    """
    text = print_module(module)
    again = print_module(parse_module(text, allow_unknown=allow_unknown))
    if again != text:
        difference = difflib.ndiff(text.splitlines(), again.splitlines())
        raise CaseFailed("print, parse, print differs:\n" + "\n".join(difference))
