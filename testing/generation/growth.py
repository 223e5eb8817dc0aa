"""Adding of random layers to a network: registered ones by their recipes, and ones that are not registered."""

from __future__ import annotations

from plait.ir.layer import OpaqueLayer
from plait.ir.layers.activations import Clip
from plait.ir.region import Region
from plait.ir.registry import known_layers
from plait.ir.types import TensorType
from plait.ir.values import Value
from plait.testing.generation import pieces
from plait.testing.generation.network import Net
from plait.testing.generation.quantized import quantized_form
from plait.testing.generation.recipes import NESTING, RECIPES

_BOUND = 4.0
"""Numbers are clipped to this now and then where they have to stay small."""
_DEEPEST = 2
"""Regions lie in so many others at most."""


def grow(net: Net, layers: int) -> None:
    """Add about so many layers where `net` stands."""
    known = known_layers()
    fitting = [r for r in RECIPES.values() if r.kind in known and (r.computable or not net.style.computable)]
    flat = [r for r in fitting if r.kind not in NESTING]
    nesting = [r for r in fitting if r.kind in NESTING]
    for _ in range(layers):
        if net.source.chance(net.style.opaque):
            _opaque(net)
            continue
        nest = net.depth < _DEEPEST and net.source.chance(net.style.nesting)
        layer = net.append(quantized_form(net, net.source.choice(nesting if nest else flat).make(net)))
        last = layer.results[-1]
        floats = isinstance(last.type, TensorType) and last.type.dtype.is_float
        if net.style.computable and floats and net.source.chance(60):
            net.append(Clip(last, low=-_BOUND, high=_BOUND))


def _opaque(net: Net) -> None:
    """A layer of a kind that is not registered, with attributes, types and regions of any kind."""
    source = net.source
    operands = tuple(_operand(net) for _ in range(source.integer(0, 2)))
    attributes = {source.choice(("axis", "a-b", "f32")): pieces.attribute(source) for _ in range(source.integer(0, 2))}
    bodies: dict[str, Region] = {}
    if net.depth < _DEEPEST and source.chance(net.style.nesting):
        for name in ("body", "then")[: source.integer(1, 2)]:
            with net.nested([net.type() for _ in range(source.integer(0, 2))]) as bodies[name]:
                grow(net, source.integer(0, 2))
                bodies[name].outputs = source.several(net.values, 0, 2) if net.values else ()
    types = tuple(net.type() for _ in range(source.integer(1, 2)))
    fields = tuple(source.choice(("", "x")) for _ in operands) if source.chance(20) else ()
    kind = source.choice(("acme_fft", "x-y", "_q"))
    net.append(OpaqueLayer(kind, operands, attributes, bodies, fields, declared=types), types)


def _operand(net: Net) -> Value:
    """A value of any type."""
    if net.source.chance(30):
        return net.argument(net.type())
    return net.source.choice(net.values[::-1]) if net.values else net.anything()
