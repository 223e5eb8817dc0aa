"""Putting turned layers in the place of straight ones."""

from __future__ import annotations

from collections.abc import Sequence

from plait.ir.layer import Layer
from plait.ir.layers.shape import Transpose
from plait.ir.module import Module
from plait.ir.region import Region
from plait.ir.values import Constant, Value
from plait.passes.layout.turned import Perm, inverse, result_turns, transposes, turned, turned_data
from plait.passes.support.locations import merge_locations
from plait.passes.support.splice import replace_by_equal


def turn_layers(region: Region, module: Module, perm: Perm, layers: Sequence[Layer]) -> None:
    """Let layers (in order, all of which can be turned) compute on data permuted by `perm`.

    Readers of their results that stay straight get them through a transpose, which takes over the name of the result.
    """
    _Turning(region, module, perm).run(layers)


class _Turning:
    def __init__(self, region: Region, module: Module, perm: Perm) -> None:
        self.region, self.module = region, module
        self.perm, self.back = perm, inverse(perm)
        self.known: dict[Value, Value] = {}
        self.made: list[Transpose] = []
        self.entries: dict[Layer, Layer] = {}

    def run(self, layers: Sequence[Layer]) -> None:
        for layer in layers:
            self.turn_layer(layer)
        for entry, reader in self.entries.items():
            if entry.region is not None and not entry.results[0].users:
                entry.region.remove(entry)
                merge_locations(reader, entry)
        for transpose in self.made:
            if not transpose.result.users:
                transpose.x.name = transpose.result.name
                self.region.remove(transpose)
        self.drop_constants()

    def turn_layer(self, layer: Layer) -> None:
        """Replace one layer; transposes after it give its straight results."""
        entries = [
            o.owner for o in layer.operands if o.owner and o not in self.known and transposes(o.owner, self.back)
        ]
        new = turned(layer, self.perm, lambda value: self.turn(value, layer))
        assert new is not None
        self.region.insert(new, layer, [r.name for r in layer.results])
        for old, result in zip(layer.results, new.results, strict=True):
            if not result_turns(layer):
                self.region.replace_uses(old, result)
                continue
            back = Transpose(result, perm=self.back)
            self.region.insert(back, layer, (old.name,))
            leaving = next((u for u in old.users if transposes(u, self.perm)), None)
            result.name = leaving.results[0].name if leaving else _name(old)
            self.known[back.result] = result
            self.region.replace_uses(old, back.result)
            self.made.append(back)
        self.region.remove(layer)
        for entry in entries:
            self.entries.setdefault(entry, new)

    def turn(self, value: Value, before: Layer) -> Value:
        """The turned value of an operand."""
        if value in self.known:
            return self.known[value]
        made: Value
        if isinstance(value, Constant):
            made = self.turn_constant(value)
        elif transposes(value.owner, self.back):
            assert value.owner is not None
            made = value.owner.operands[0]
        else:
            transpose = Transpose(value, perm=self.perm)
            made = self.region.insert(transpose, before, (_name(value),)).result
        self.known[value] = made
        return made

    def turn_constant(self, constant: Constant) -> Constant:
        if constant.type.rank == len(self.perm) and constant.type.elements == 1:
            return constant
        data = turned_data(constant, self.perm)
        assert data is not None
        return self.module.add_constant(constant.name, data)

    def drop_constants(self) -> None:
        """Remove constants that only turned layers read; their successors take over the names."""
        constants = self.module.constants
        for old, new in self.known.items():
            if not isinstance(old, Constant) or not isinstance(new, Constant) or old is new:
                continue
            if not old.users and constants.get(old.name) is old:
                del constants[old.name], constants[new.name]
                new.name = old.name
                self.module.adopt(new)


def _name(value: Value) -> str:
    return value.name if value.name.endswith(".turned") else f"{value.name}.turned"


def share_transposes(region: Region) -> int:
    """Make one transpose serve all readers of a value by one permutation; returns how many were removed."""
    first: dict[tuple[Value, Perm], Transpose] = {}
    removed = 0
    for layer in region:
        if not isinstance(layer, Transpose) or layer.via:
            continue
        kept = first.setdefault((layer.x, layer.perm), layer)
        if kept is layer or kept.result.type != layer.result.type:
            continue
        replace_by_equal(layer, kept)
        removed += 1
    return removed
