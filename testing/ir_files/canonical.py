"""Comparison of modules as texts in which names of values and constants do not matter."""

from __future__ import annotations

import difflib

from plait.ir.module import Module
from plait.ir.text import parse_module, print_module
from plait.ir.values import Constant
from plait.testing.ir_files.errors import CaseFailed


def canonical_text(module: Module) -> str:
    """The text with values and constants numbered in order of appearance, and without locations."""
    module = module.clone()
    constants: dict[Constant, None] = {}
    for function in module.functions.values():
        names = list(function.output_names)
        for i, value in enumerate([*function.arguments, *(r for layer in function for r in layer.results)]):
            value.name = f"v{i}"
        for layer in function:
            constants.update((v, None) for v in layer.operands if isinstance(v, Constant))
        constants.update((v, None) for v in function.outputs if isinstance(v, Constant))
        function.output_names = names
    constants.update((c, None) for c in module.constants.values())
    module.constants = {}
    for i, constant in enumerate(constants):
        constant.name = f"c{i}"
        module.constants[constant.name] = constant
    module.weights_file = ""
    return print_module(module, locations=False)


def check_equal(expected: Module, actual: Module, file: str = "") -> None:
    """Fail with a unified diff unless both modules are equal but for names and locations.

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
