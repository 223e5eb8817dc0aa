"""How much routines that can leave elements where they are will have to move after all.

Measured alone, such a routine copies everything: its operands come from outside, its results go there. In a network
a part that lies in the whole costs nothing. Whether it can depends on the other layers, since a value has one home, but
costs are wanted layer by layer, before anything is chosen. So the question is settled beforehand, by the rule that
programs follow (`plait.backends.aliasing`), once for each layout, as if all layers had the routine of this layout that
moves least.

A network that mixes layouts has more homes, not fewer: a value in two formats is two values. What is granted here is
granted there, so the rule may only overstate a cost.
"""

from __future__ import annotations

from collections.abc import Iterable

from plait.backends.aliasing import Alias, Homes
from plait.backends.routine import Routine, applicable, format_in
from plait.ir.layer import Layer
from plait.ir.module import Function
from plait.ir.values import Value


def moved_shares(function: Function) -> dict[tuple[Layer, str], float]:
    """For each layer and each routine of it that announces aliases (base of its path): the share of the elements of the
    results that it moves, between 0 and 1."""
    able = {
        layer: [r for r, reason in applicable(layer) if reason is None and list(r.aliases(layer))] for layer in function
    }
    found = {}
    for layout in dict.fromkeys(r.path.layout for routines in able.values() for r in routines):
        homes = _Homes(function, layout)
        for layer, routines in able.items():
            if routine := _for_layout(routines, layout):
                share = _moved(layer, [a for a in routine.aliases(layer) if homes.settle(a)])
                if routine.path.layout == layout:
                    found[layer, routine.path.base] = share
    return found


class _Homes(Homes):
    """Homes in a function whose images are all in one layout."""

    def __init__(self, function: Function, layout: str) -> None:
        super().__init__(
            lambda value: value.type.with_format(format_in(value, layout)).nbytes,
            fixed=(*function.arguments, *function.outputs),
        )


def _for_layout(routines: list[Routine], layout: str) -> Routine | None:
    """The routine of a layer in a network of this layout: row-major where it has none."""
    by_layout = {r.path.layout: r for r in routines}
    return by_layout.get(layout) or by_layout.get("nchw")


def _moved(layer: Layer, settled: Iterable[Alias]) -> float:
    total = sum(_elements(r) for r in layer.results)
    return 1 - sum(_elements(a.value) for a in settled) / total if total else 0.0


def _elements(value: Value) -> int:
    return value.type.elements
