"""Random modules with everything that the language has: none breaks reduction, which finds the layer wanted."""

from __future__ import annotations

import random

import pytest

from plait.ir.text import parse_module, print_module
from plait.ir.verify import verify
from plait.passes.reduce import reduce_module
from plait.testing.random_modules import random_module


@pytest.mark.parametrize("seed", range(60))
def test_random_module(seed: int) -> None:
    module = random_module(seed)
    before = print_module(module)
    wanted = random.Random(seed).choice([layer.op for layer in module.walk()])
    found = reduce_module(module, lambda m: wanted in [layer.op for layer in m.walk()]).module
    left = [layer.op for layer in found.walk()]
    # A call or a region may have to yield something.
    assert wanted in left and len(left) <= 2
    assert print_module(module) == before
    verify(found, allow_unknown=True)
    text = print_module(found)
    assert print_module(parse_module(text, allow_unknown=True)) == text
