"""Modules that go through generic text: those of the tests, and random ones."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from plait.ir.module import Module
from plait.ir.text import parse_module
from plait.ir.types import Type
from plait.ir.values import Array
from plait.testing.ir_files import read_cases
from plait.testing.random_modules import random_module

TESTS = Path(__file__).resolve().parents[2]


def modules_of_tests() -> Iterator[tuple[str, Module]]:
    """(name, module) of every case of the `.ir` tests that is valid, before and after its pipeline."""
    for path in sorted(TESTS.rglob("*.ir")):
        for case in read_cases(path.read_text(encoding="utf-8"), path.name):
            if not case.errors:
                for text in filter(None, (case.text, case.expected)):
                    yield f"{path.name}: {case.title}", parse_module(text, path.name, allow_unknown=True)


def random_modules(count: int) -> Iterator[tuple[str, Module]]:
    """The first random modules, from empty ones to long ones."""
    for seed, layers in zip(range(count), itertools.cycle((8, 1, 4, 16, 0))):
        yield f"random_module({seed}, {layers})", random_module(seed, layers)


@pytest.fixture(scope="session")
def some_modules() -> list[tuple[str, Module]]:
    """Every module of the tests, and 400 random ones."""
    return [*modules_of_tests(), *random_modules(400)]


@pytest.fixture(scope="session")
def more_modules() -> list[tuple[str, Module]]:
    """2,000 random modules."""
    return list(random_modules(2000))


@pytest.fixture(scope="session")
def weights_of() -> Callable[[Module], Callable[[str, str, dict[str, Type]], dict[str, Callable[[], Array]]]]:
    """A loader that finds the constants of a weights file in a module."""

    def loader(module: Module) -> Callable[[str, str, dict[str, Type]], dict[str, Callable[[], Array]]]:
        return lambda file, hash, declared: {name: lambda name=name: module.constants[name].data for name in declared}  # type: ignore[misc]

    return loader
