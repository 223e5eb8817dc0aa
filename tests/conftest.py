"""Runs `*.ir` files as tests (see `plait.testing.ir_files`), and offers an evaluator."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import pytest

from plait.backends.reference import evaluate as reference
from plait.ir import Module
from plait.ir.values import Array
from plait.testing.ir_files import canonical_text
from plait.testing.ir_files.runner import check_same_numbers

pytest_plugins = ["plait.testing.pytest_plugin"]


@pytest.fixture(scope="session")
def evaluate() -> Callable[[Module, Iterable[Array]], list[Array]]:
    """Runs `main` of a module by the layers' references."""
    return lambda module, inputs: list(reference(module, list(inputs)).values())


@pytest.fixture(scope="session")
def same_numbers() -> Callable[[Module, Module], None]:
    """Asserts that the second of two modules computes what the first does."""
    return check_same_numbers


@pytest.fixture(scope="session")
def canonical() -> Callable[[Module], str]:
    """The text of a module with values and constants numbered."""
    return canonical_text
