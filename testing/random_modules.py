"""Random modules, directly in the IR.

    module = random_module(7)                        # anything that the language has
    network = random_module(7, style=COMPUTABLE)     # float32, small numbers: for tests of passes

A seed gives always the same module. `plait.testing.strategies` has the same modules for Hypothesis, which makes failing
ones smaller.
"""

from __future__ import annotations

from plait.ir.layer import OpaqueLayer
from plait.ir.layers.activations import Clip
from plait.ir.module import Module
from plait.ir.registry import known_layers
from plait.testing.generation import pieces
from plait.testing.generation.network import Net
from plait.testing.generation.recipes import RECIPES, Recipe
from plait.testing.generation.source import Seeded, Source
from plait.testing.generation.style import COMPUTABLE, EVERYTHING, Style

__all__ = ["COMPUTABLE", "EVERYTHING", "Style", "build_module", "random_module"]

_BOUND = 4.0
"""Numbers are clipped to this now and then where they have to stay small."""


def random_module(seed: int, layers: int = 8, style: Style = EVERYTHING) -> Module:
    """A valid module whose `main` has about so many layers. Some are opaque: read its text with
    `allow_unknown`."""
    return build_module(Seeded(seed), layers, style)


def build_module(source: Source, layers: int, style: Style = EVERYTHING) -> Module:
    """A valid module made by the choices of `source`."""
    module = Module()
    if not style.computable and source.chance(15):
        _function(source, style, module, pieces.name(source, style.odd_names), 2)
    _function(source, style, module, "main", layers)
    if any(c.type.elements > 0 for c in module.constants.values()) and source.chance(30):
        module.weights_file = source.choice(("m.safetensors", "a b.safetensors"))
    return module


def _function(source: Source, style: Style, module: Module, name: str, layers: int) -> None:
    net = Net(source, style, module, name)
    kinds = [r for r in _recipes() if r.computable or not style.computable]
    for _ in range(layers):
        add_layer(net, kinds)
    if not net.values:
        net.tensor(style.floats)
    net.finish()


def add_layer(net: Net, kinds: list[Recipe]) -> None:
    """Add one layer of one of these kinds, or one that is not registered."""
    if net.source.chance(net.style.opaque):
        _opaque(net)
        return
    layer = net.append(net.source.choice(kinds).make(net))
    if net.style.computable and layer.results[0].type.dtype.is_float and net.source.chance(60):
        net.append(Clip(layer.results[0], low=-_BOUND, high=_BOUND))


def _recipes() -> list[Recipe]:
    """Recipes for the kinds that are registered."""
    known = known_layers()
    return [r for r in RECIPES.values() if r.kind in known]


def _opaque(net: Net) -> None:
    """A layer of a kind that is not registered, with attributes and types of any kind."""
    source = net.source
    operands = tuple(net.anything() for _ in range(source.integer(0, 2)))
    attributes = {f"a{i}": pieces.attribute(source) for i in range(source.integer(0, 3))}
    types = tuple(pieces.tensor_type(source, net.style) for _ in range(source.integer(1, 2)))
    net.append(OpaqueLayer(source.choice(("acme_fft", "x-y", "_q")), operands, attributes, declared=types), types)
