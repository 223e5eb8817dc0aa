"""Random modules, directly in the IR.

    module = random_module(7)                        # anything that the language has
    network = random_module(7, style=COMPUTABLE)     # float32, small numbers: for tests of passes

A seed gives always the same module. `plait.testing.strategies` has the same modules for Hypothesis, which makes failing
ones smaller.
"""

from __future__ import annotations

import plait.testing.generation.control
import plait.testing.generation.sequences  # noqa: F401  (both register recipes)
from plait.ir.module import Module
from plait.testing.generation import pieces
from plait.testing.generation.growth import grow
from plait.testing.generation.network import Net
from plait.testing.generation.source import Seeded, Source
from plait.testing.generation.style import COMPUTABLE, EVERYTHING, Style

__all__ = ["COMPUTABLE", "EVERYTHING", "Style", "build_module", "random_module"]


def random_module(seed: int, layers: int = 8, style: Style = EVERYTHING) -> Module:
    """A valid module whose `main` has about so many layers. Some are opaque: read its text with `allow_unknown`."""
    return build_module(Seeded(seed), layers, style)


def build_module(source: Source, layers: int, style: Style = EVERYTHING) -> Module:
    """A valid module made by the choices of `source`."""
    module = Module()
    if not style.computable and source.chance(15):
        _function(source, style, module, pieces.name(source, style.odd_names), 2)
    _function(source, style, module, "main", layers)
    if module.constants and source.chance(30):
        module.weights_file = source.choice(("m.safetensors", "a b.safetensors"))
    return module


def _function(source: Source, style: Style, module: Module, name: str, layers: int) -> None:
    net = Net(source, style, module, name)
    grow(net, layers)
    if not net.values:
        net.tensor(style.floats)
    net.finish()
