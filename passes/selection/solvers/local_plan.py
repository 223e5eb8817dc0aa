"""A whole plan that one layer at a time can be changed in, with the change of its cost."""

from __future__ import annotations

from collections.abc import Sequence

from plait.passes.selection.problem import Problem
from plait.passes.selection.reductions import Kept
from plait.passes.selection.solvers.value_prices import value_prices


class LocalPlan:
    """A plan of finite cost and the cost of each value's conversions."""

    def __init__(self, problem: Problem, kept: Kept, choice: Sequence[int]) -> None:
        self.choice = list(choice)
        self._problem = problem
        self._prices = value_prices(problem, kept)
        self._touched = [tuple(dict.fromkeys((*layer.inputs, *layer.outputs))) for layer in problem.layers]
        self._paid = [self._conversions(v, -1, 0) for v in range(len(problem.values))]

    def change(self, layer: int, routine: int) -> float:
        """What the plan would cost more (less, if negative) with another routine for a layer."""
        routines = self._problem.routines(layer)
        after = sum([self._conversions(v, layer, routine) for v in self._touched[layer]])
        before = sum([self._paid[v] for v in self._touched[layer]])
        return routines[routine].cost - routines[self.choice[layer]].cost + after - before

    def scale(self, layer: int) -> float:
        """What a layer and the conversions about it cost: the size of the numbers that a change is computed from."""
        own = self._problem.routines(layer)[self.choice[layer]].cost
        return own + sum([self._paid[v] for v in self._touched[layer]])

    def move(self, layer: int, routine: int) -> None:
        """Give a layer another routine."""
        self.choice[layer] = routine
        for v in self._touched[layer]:
            self._paid[v] = self._conversions(v, -1, 0)

    def _conversions(self, value: int, layer: int, routine: int) -> float:
        """Cost of a value's conversions if ``layer`` ran ``routine``."""
        problem, choice = self._problem, self.choice
        maker, q = problem.producers[value]
        source = problem.routines(maker)[routine if maker == layer else choice[maker]].outputs[q]
        wanted = [problem.routines(i)[routine if i == layer else choice[i]].inputs[p] for i, p in problem.uses[value]]
        return self._prices[value].of(source, wanted)
