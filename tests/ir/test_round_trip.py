"""`parse(print(m)) == m` and byte-stable reprint, on modules with everything that the language has."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import HealthCheck, given, settings

from plait.ir.diagnostics import IRError
from plait.ir.module import Module
from plait.ir.text import parse_module, print_module
from plait.ir.types import Type
from plait.ir.values import Array
from plait.ir.verify import verify
from plait.testing import strategies as ir

thorough = settings(
    max_examples=2000,
    derandomize=True,
    database=None,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)


def weights_of(module: Module) -> Callable[[str, str, dict[str, Type]], dict[str, Callable[[], Array]]]:
    """A loader that finds the constants of a weights file in a module."""

    def load(file: str, hash: str, declared: dict[str, Type]) -> dict[str, Callable[[], Array]]:
        return {name: lambda name=name: module.constants[name].data for name in declared}  # type: ignore[misc]

    return load


@thorough
@given(ir.modules())
def test_text_reads_back_as_the_same_module(module: Module) -> None:
    verify(module, allow_unknown=True)
    text = print_module(module)
    again = parse_module(text, weights=weights_of(module), allow_unknown=True)
    assert print_module(again) == text
    assert again == module


def test_signs_that_end_lines_elsewhere_do_not_shift_what_follows() -> None:
    text = 'ir 1\nnet @main(%"a\u2028b": f32[4]) -> (%y: f32[4]) {\n  // kept\n  %y = relu(%"a\u2028b") : f32[4]\n}\n'
    assert print_module(parse_module(text)) == text
    with pytest.raises(IRError) as caught:
        parse_module(text.replace("= relu", "= rel"))
    (span,) = (d.span for d in caught.value.diagnostics)
    assert span is not None and (span.line, span.column) == (4, 8) and "rel(" in span.text
