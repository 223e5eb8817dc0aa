"""Where transposes cost least.

For one permutation p each layer that can be turned either is (label 1) or is not (label 0). A value is needed straight
if a layer with label 0 reads it, and turned if one with label 1 does or if something transposes it by p. If its maker
gives the other one, it is transposed once for all its readers. The total of bytes moved is the cost of a cut between
label 0 and label 1, so that the least is found exactly, as a minimum cut. Between equal costs transposes stand as late
as possible, where they keep no activation from the convolution before it.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator

import attrs

from plait.ir.layer import Layer
from plait.ir.layers.shape import Transpose
from plait.ir.region import Region
from plait.ir.types import TensorType
from plait.ir.values import Constant, Value
from plait.passes.layout.mincut import INFINITE, CutGraph
from plait.passes.layout.turned import (
    Perm,
    Unturnable,
    bytes_moved,
    inverse,
    plain,
    result_turns,
    transposes,
    turned,
    turned_type,
)
from plait.passes.support.constants import constant_data

_STRAIGHT, _TURNED = CutGraph.SOURCE, CutGraph.SINK


@attrs.frozen
class _Point:
    """A value: the node that makes it (None: another transpose does, of which either form costs the same), the nodes
    that read it, and what it costs to transpose it."""

    maker: int | None
    readers: frozenset[int]
    cost: int


def layers_to_turn(region: Region, perm: Perm) -> list[Layer]:
    """The layers of a region that should compute on data permuted by `perm`, in order; none if nothing is gained."""
    operands = {layer: found for layer in region if (found := _turning_operands(layer, perm)) is not None}
    if not operands:
        return []
    graph = CutGraph()
    nodes = {layer: graph.node() for layer in operands}
    points = list(_points(region, perm, operands, nodes))
    for point in points:
        _add(graph, point)
    side = graph.sink_side()
    if _cost(points, side) >= _cost(points, {_TURNED}):
        return []
    return [layer for layer, node in nodes.items() if node in side]


def total_cost(body: Region) -> tuple[int, int]:
    """What the transposes of a function cost: bytes moved, and how early they stand."""
    moved = early = 0
    for region in body.nest():
        number, last = _numbers(region)
        for layer in region:
            if isinstance(layer, Transpose):
                moved += bytes_moved(layer.x.type, layer.perm)
                early += last + 1 - number.get(layer.x, 0)
    return moved, early


def _turning_operands(layer: Layer, perm: Perm) -> frozenset[Value] | None:
    """The operands that are turned with a layer, constants left out; None if the layer cannot be turned."""
    seen: set[Value] = set()

    def turn(value: Value) -> Value:
        if not isinstance(value, Constant):
            seen.add(value)
        elif constant_data(value) is None:
            raise Unturnable
        full = (*(1,) * (len(perm) - value.type.rank), *value.type.shape)
        return Value(value.name, turned_type(TensorType(value.type.dtype, full), perm))

    if transposes(layer, perm) or transposes(layer, inverse(perm)):
        return None
    return frozenset(seen) if turned(layer, perm, turn) is not None else None


def _points(
    region: Region, perm: Perm, operands: dict[Layer, frozenset[Value]], nodes: dict[Layer, int]
) -> Iterator[_Point]:
    number, last = _numbers(region)
    # More than all differences in place together: bytes decide first.
    unit = (last + 2) * (2 * len(region) + len(region.arguments) + 2)
    values: dict[Value, None] = {}
    for layer, read in operands.items():
        values |= dict.fromkeys(v for v in layer.operands if v in read)
        if result_turns(layer):
            values |= dict.fromkeys(layer.results)
    maker = _maker(perm, nodes)
    for value in values:
        readers = frozenset(r for user in value.users for r in _reader(user, value, perm, operands, nodes))
        late = last + 1 - number.get(value, 0)
        yield _Point(maker(value), readers, unit * bytes_moved(value.type, perm) + late)


def _numbers(region: Region) -> tuple[dict[Value, int], int]:
    """A number for the place of each value, which transposes on the way do not change; and the last number."""
    number: dict[Value, int] = {}
    last = 0
    for layer in region:
        if isinstance(layer, Transpose):
            number[layer.result] = number.get(layer.x, 0)
            continue
        last += 1
        number.update((r, last) for r in layer.results)
    return number, last


def _maker(perm: Perm, nodes: dict[Layer, int]) -> Callable[[Value], int | None]:
    back = inverse(perm)

    def maker(value: Value) -> int | None:
        owner = value.owner
        if owner is not None and owner in nodes and result_turns(owner):
            return nodes[owner]
        if transposes(owner, back):
            return _TURNED
        return None if isinstance(owner, Transpose) and plain(owner.x) else _STRAIGHT

    return maker


def _reader(
    user: Layer, value: Value, perm: Perm, operands: dict[Layer, frozenset[Value]], nodes: dict[Layer, int]
) -> Iterator[int]:
    """The node that reads a value, if it matters in which form."""
    if value in operands.get(user, ()):
        yield nodes[user]
    elif isinstance(user, Transpose) and not user.result.users:
        pass  # dead
    elif transposes(user, perm):
        yield _TURNED
    elif not isinstance(user, Transpose) or user.via or not plain(user.result):
        yield _STRAIGHT
    elif transposes(user, inverse(perm)) and any(u in operands for u in user.result.users):
        # These readers get what this transpose reads as it is when they are turned.
        yield _STRAIGHT
    # Any other transpose moves as many bytes from either form.


def _add(graph: CutGraph, point: _Point) -> None:
    straight, other = graph.node(), graph.node()
    if point.maker != _STRAIGHT:
        graph.arc(straight, _TURNED if point.maker is None else point.maker, point.cost)
        for reader in point.readers - {_TURNED}:
            graph.arc(reader, straight, INFINITE)
    if point.maker != _TURNED:
        graph.arc(_STRAIGHT if point.maker is None else point.maker, other, point.cost)
        for reader in point.readers - {_STRAIGHT}:
            graph.arc(other, reader, INFINITE)


def _cost(points: Collection[_Point], side: Collection[int]) -> int:
    """What a choice costs; `side` holds the nodes with label 1."""
    total = 0
    for point in points:
        labels = {reader in side for reader in point.readers}
        made = {point.maker in side} if point.maker is not None else set()
        total += point.cost * len(labels - made)
    return total
