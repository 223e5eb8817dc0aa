"""Prices of the conversions of one value at a time, for searches that change plans step by step."""

from __future__ import annotations

from collections.abc import Iterable

from plait.passes.selection.conversion import MAX_TERMINALS
from plait.passes.selection.problem import Problem, TooManyFormatsError
from plait.passes.selection.reductions import Kept


class ValuePrice:
    """The conversions of a value: their cost for a format that it is left in and formats that it is wanted in.

    ``shared`` tells whether equal wishes count once (``star`` or ``tree`` with several uses); then sets of wanted
    formats are bit masks, in which ``bit`` has one bit for each format that some use can want.
    """

    def __init__(self, rows: list[list[float]], bit: dict[int, int] | None) -> None:
        self.shared = bit is not None
        self.bit = bit or {}
        self._rows = rows

    def of(self, source: int, wanted: Iterable[int]) -> float:
        """Cost of making all of ``wanted``, one entry for each use; infinite when one is out of reach."""
        row = self._rows[source]
        if not self.shared:
            return sum([row[f] for f in wanted])
        mask = 0
        for f in wanted:
            mask |= self.bit[f]
        return row[mask]

    def set_cost(self, source: int, mask: int) -> float:
        """Cost of the set of formats that a bit mask holds; for shared values."""
        return self._rows[source][mask]


def value_prices(problem: Problem, kept: Kept) -> list[ValuePrice]:
    """The prices of all values, where layers run only routines that are kept.

    Raises:
        TooManyFormatsError: a value with several uses may be wanted in too many formats.
    """
    known: dict[tuple[int, tuple[int, ...] | None], ValuePrice] = {}
    prices = []
    for value, uses in enumerate(problem.uses):
        wanted = None
        if problem.sharing != "none" and len(uses) > 1:
            wanted = tuple(sorted({problem.routines(i)[k].inputs[p] for i, p in uses for k in kept[i]}))
            _check_count(problem, value, len(wanted))
        key = problem.values[value].adapt, wanted
        if key not in known:
            known[key] = _price(problem, value, wanted)
        prices.append(known[key])
    return prices


def _price(problem: Problem, value: int, wanted: tuple[int, ...] | None) -> ValuePrice:
    planner = problem.planner(value)
    if wanted is None:
        return ValuePrice(planner.distance.tolist(), None)
    rows = planner.cost_table(wanted, problem.sharing).T.tolist()
    return ValuePrice(rows, {f: 1 << b for b, f in enumerate(wanted)})


def _check_count(problem: Problem, value: int, count: int) -> None:
    if count > MAX_TERMINALS:
        raise TooManyFormatsError(
            f"value {value}, made by {problem.layer_label(problem.producers[value][0])}, may be wanted in "
            f"{count} formats; shared conversions are exact up to {MAX_TERMINALS}"
        )
