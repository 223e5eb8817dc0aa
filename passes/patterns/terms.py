"""What constraints are made of: numbers, shapes, attributes and functions of what a pattern binds."""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

import attrs
import lark
import numpy as np

from plait.ir.dims import Dim
from plait.ir.values import Constant, Value
from plait.passes.patterns.graph import Bindings
from plait.passes.rewriting.rule import has_one_use
from plait.passes.support.constants import constant_data


class UndefinedTermError(Exception):
    """A term has no value for this match: a dimension that is not there, a constant of several numbers."""


@attrs.frozen
class Term:
    """A part of a constraint: how to evaluate it, and what it is to be compared with."""

    kind: str
    """`condition`, `number`, `shape`, `dtype`, `layout`, `attribute`, `list`, or `literal`."""
    evaluate: Callable[[Bindings], Any]
    text: str
    token: lark.Token
    convert: Callable[[Any], Any] | None = None
    """For attributes: from a literal to a value of the attribute."""
    literal: bool = False


@attrs.frozen
class Function:
    """A function of constraints. Parameters are `value`, `constant` or `number`."""

    parameters: tuple[str, ...]
    kind: str
    function: Callable[..., Any]


def _dim(value: Value, axis: int) -> Any:
    shape = value.type.shape
    if not -len(shape) <= axis < len(shape):
        raise UndefinedTermError(f"%{value.name} has {len(shape)} dimensions")
    return shape[axis]


def _number(constant: Constant) -> Any:
    """The number that all elements of a constant are."""
    elements = constant_data(constant)
    if elements is None:
        raise UndefinedTermError(f"the data of @{constant.name} are not at hand")
    data = np.asarray(elements).reshape(-1)
    if not len(data) or isinstance(data[0], str) or not (data == data[0]).all():
        raise UndefinedTermError(f"@{constant.name} is not one number")
    return data[0] if constant.type.dtype.is_float else data[0].item()


FUNCTIONS: dict[str, Function] = {
    "one_use": Function(("value",), "condition", has_one_use),
    "constant": Function(("value",), "condition", lambda value: isinstance(value, Constant)),
    "rank": Function(("value",), "number", lambda value: value.type.rank),
    "dim": Function(("value", "number"), "number", _dim),
    "value": Function(("constant",), "number", _number),
    "shape": Function(("value",), "shape", lambda value: value.type.shape),
    "dtype": Function(("value",), "dtype", lambda value: value.type.dtype),
    "layout": Function(("value",), "layout", lambda value: value.type.layout),
}
"""The functions that constraints may call."""


def apply(function: Callable[..., Any], *parts: Any) -> Any:
    """A function of evaluated terms.

    Raises:
        UndefinedTermError: it has no value for them.
    """
    try:
        with np.errstate(all="ignore"):
            return function(*parts)
    except (TypeError, ValueError, AttributeError, ArithmeticError) as error:
        raise UndefinedTermError(str(error)) from None


def equal(a: Any, b: Any) -> bool:
    """Whether two values are the same. A literal is rounded as the constant that it is compared with."""
    if isinstance(a, np.generic) and isinstance(b, np.generic):
        a, b = float(a), float(b)
    elif isinstance(a, np.generic) and isinstance(b, (int, float)):
        b = type(a)(b)
    elif isinstance(b, np.generic) and isinstance(a, (int, float)):
        a = type(b)(a)
    return bool(a == b)


def _divide(a: Any, b: Any) -> Any:
    return a // b if isinstance(a, (int, Dim)) and isinstance(b, (int, Dim)) else a / b


ARITHMETIC: dict[str, Callable[[Any, Any], Any]] = {
    "+": operator.add,
    "-": operator.sub,
    "*": operator.mul,
    "/": _divide,
    "%": operator.mod,
}
COMPARISONS: dict[str, Callable[[Any, Any], bool]] = {
    "==": equal,
    "!=": lambda a, b: not equal(a, b),
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
    "in": lambda a, b: any(equal(a, one) for one in b),
}
