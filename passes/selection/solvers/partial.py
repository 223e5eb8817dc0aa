"""A plan under construction in schedule order, for the heuristics that see conversions."""

from __future__ import annotations

import math

from plait.passes.selection.problem import Problem, Routine


class PartialPlan:
    """Formats that the layers chosen so far leave and want, and what one more routine would add."""

    def __init__(self, problem: Problem) -> None:
        self.problem = problem
        self.choice: list[int] = []
        self._source: dict[int, int] = {}
        self._wanted: dict[int, list[int]] = {}

    def extra(self, routine: Routine) -> float:
        """Cost of the routine for the next layer with the conversions that its inputs add.

        Conversions wanted by earlier layers count as made; infinite if an input is out of reach.
        """
        layer = self.problem.layers[len(self.choice)]
        asked: dict[int, list[int]] = {}
        for value, f in zip(layer.inputs, routine.inputs, strict=True):
            asked.setdefault(value, []).append(f)
        return routine.cost + sum(self._added(value, formats) for value, formats in asked.items())

    def _added(self, value: int, formats: list[int]) -> float:
        wanted = self._wanted.get(value, [])
        after = self._price(value, wanted + formats)
        return after - self._price(value, wanted) if math.isfinite(after) else math.inf

    def _price(self, value: int, wanted: list[int]) -> float:
        planner = self.problem.planner(value)
        steps = planner.plan(self._source[value], wanted, self.problem.sharing)
        return math.inf if steps is None else math.fsum(float(planner.direct[a, b]) for a, b in steps)

    def choose(self, number: int) -> None:
        """Fix the routine of the next layer."""
        layer = self.problem.layers[len(self.choice)]
        routine = self.problem.routines(len(self.choice))[number]
        self.choice.append(number)
        for value, f in zip(layer.inputs, routine.inputs, strict=True):
            self._wanted.setdefault(value, []).append(f)
        self._source.update(zip(layer.outputs, routine.outputs, strict=True))
