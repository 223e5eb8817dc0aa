"""Plainer constants: zeros, ones, one number everywhere, small integers; and fewer of them, and of arguments."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import Any

import numpy as np

from plait.ir.module import Module
from plait.ir.types import TensorType
from plait.ir.values import Array, Constant, Value
from plait.passes.reduce.ddmin import chunks_of
from plait.passes.reduce.edit import replace_constant
from plait.passes.reduce.search import Search
from plait.passes.reduce.size import NUMBERS, complexity, data_complexity

Simplify = Callable[[Array], Array]
_FEW = 16
"""Elements of a constant that are tried one after the other."""


def reduce_constants(search: Search) -> None:
    """Make constants plainer, many at once and then one by one; share those of one type; drop unused arguments."""
    for simplify in _SIMPLER:
        _simplify_runs(search, simplify)
    for number in range(len(search.best.constants)):
        for place in range(_FEW if list(search.best.constants.values())[number].type.elements <= _FEW else 0):
            splat = partial(_splat, partial(_element, place))
            search.attempt(partial(_simplify, numbers=[number], simplify=splat))
    _share(search)
    _drop_arguments(search)


def _splat(pick: Callable[[Array], Any], data: Array) -> Array:
    return np.full_like(data, pick(data))


def _element(place: int, data: Array) -> Any:
    return data.reshape(-1)[place % data.size]


def _small_integers(data: Array) -> Array:
    return _limited(np.round(_wide(data)), data)


def _outwards(data: Array) -> Array:
    wide = _wide(data)
    return _limited(np.sign(wide) * np.ceil(np.abs(wide)), data)


def _sign(data: Array) -> Array:
    return _limited(np.sign(_wide(data)), data)


def _limited(numbers: Array, like: Array) -> Array:
    """Numbers of one digit, in the dtype of `like`."""
    limited: Array = np.clip(numbers, -9, 9)
    return limited.astype(like.dtype)


def _wide(data: Array) -> Array:
    return np.nan_to_num(data.astype(np.float64))


_SIMPLER: Sequence[Simplify] = (
    np.zeros_like,
    np.ones_like,
    lambda data: np.full_like(data, -1) if data.dtype.kind in "fi" else data,
    *(partial(_splat, pick) for pick in (np.min, np.max)),
    _sign,
    _small_integers,
    _outwards,
)


def _simplify_runs(search: Search, simplify: Simplify) -> None:
    count = len(search.best.constants)
    for size in chunks_of(count) if count else ():
        for at in range(0, count, size):
            search.attempt(partial(_simplify, numbers=range(at, min(at + size, count)), simplify=simplify))


def _simplify(module: Module, numbers: Iterable[int], simplify: Simplify) -> bool:
    constants = list(module.constants.values())
    changed = False
    for constant in (constants[i] for i in numbers):
        if not _is_plain(constant) or not constant.type.elements:
            continue
        data = simplify(constant.data)
        if data_complexity(data) < complexity(constant):
            replace_constant(module, constant, Constant(constant.name, data, type=constant.type))
            changed = True
    return changed


def _is_plain(constant: Constant) -> bool:
    """Whether its elements are numbers that NumPy can compute with."""
    return isinstance(constant.type, TensorType) and constant.data.dtype.kind in NUMBERS


def _share(search: Search) -> None:
    """One value in the place of two of the same type."""
    for of in (_constants, _arguments):
        for first in range(len(of(search.best))):
            second = first + 1
            while second < len(of(search.best)):
                if not search.attempt(partial(_merge, of=of, first=first, second=second)):
                    second += 1


def _constants(module: Module) -> list[Value]:
    return list(module.constants.values())


def _arguments(module: Module) -> list[Value]:
    return [a for function in module.functions.values() for a in function.arguments]


def _merge(module: Module, of: Callable[[Module], list[Value]], first: int, second: int) -> bool:
    values = of(module)
    kept, dropped = values[first], values[second]
    if kept.type != dropped.type:
        return False
    for function in module.functions.values():
        function.body.replace_uses(dropped, kept)
        if dropped in function.arguments:
            function.arguments.remove(dropped)
    module.constants.pop(dropped.name, None) if isinstance(dropped, Constant) else None
    return True


def _drop_arguments(search: Search) -> None:
    """Arguments that nothing reads: all of them, or else one by one."""
    if not search.attempt(_drop_unused):
        at = 0
        while at < len(_arguments(search.best)):
            if not search.attempt(partial(_drop_argument, number=at)):
                at += 1


def _drop_unused(module: Module) -> bool:
    unused = [a for a in _arguments(module) if not a.users]
    for function in module.functions.values():
        function.body.arguments[:] = [a for a in function.arguments if a.users]
    return bool(unused)


def _drop_argument(module: Module, number: int) -> bool:
    argument = _arguments(module)[number]
    if argument.users:
        return False
    for function in module.functions.values():
        if argument in function.arguments:
            function.arguments.remove(argument)
    return True
