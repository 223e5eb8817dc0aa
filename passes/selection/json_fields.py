"""Reading JSON objects field by field, with the path of what is wrong.

Readers raise ``FieldError`` with the path from where they stand; whoever called them for one entry of a
list puts its own path in front.  So nothing is carried along while all is well.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

T = TypeVar("T")

_REQUIRED: Any = object()
_RANGE = 1 << 63
_KINDS = {dict: "an object", list: "a list", str: "a text", bool: "true or false", type(None): "null"}


class FieldError(Exception):
    """Something at ``path`` is not what is wanted."""

    def __init__(self, path: str, message: str) -> None:
        super().__init__(f"{path}: {message}" if path else message)
        self.path = path
        self.message = message

    def within(self, path: str) -> FieldError:
        """The same error seen from further out."""
        inner = self.path if not self.path or self.path.startswith("[") else f".{self.path}"
        return FieldError(path + inner, self.message)


def shown(value: Any) -> str:
    """How messages call a JSON value: its kind, or itself if it is a number."""
    kind = _KINDS.get(type(value))
    if kind is None:
        return repr(value)
    return f"{kind} ({value!r})" if isinstance(value, str) and len(value) <= 40 else kind


def wanted(path: str, what: str, value: Any) -> FieldError:
    """The complaint about a value of the wrong kind."""
    return FieldError(path, f"wanted {what}, found {shown(value)}")


def an_object(body: Any) -> Mapping[str, Any]:
    """The value itself, if it is a JSON object."""
    if not isinstance(body, dict):
        raise wanted("", "an object", body)
    return body


def field(body: Mapping[str, Any], key: str, default: Any = _REQUIRED) -> Any:
    """The value of a field."""
    if key in body:
        return body[key]
    if default is _REQUIRED:
        raise FieldError("", f"field {key!r} is missing")
    return default


def text(body: Mapping[str, Any], key: str, default: Any = _REQUIRED) -> str:
    """A field that is a text."""
    value = field(body, key, default)
    if not isinstance(value, str):
        raise wanted(key, "a text", value)
    return value


def index(body: Mapping[str, Any], key: str, default: Any = _REQUIRED) -> int:
    """A field that is an integer."""
    value = field(body, key, default)
    if type(value) is not int:
        raise wanted(key, "an integer", value)
    if not -_RANGE <= value < _RANGE:
        raise FieldError(key, "is beyond the range of numbers")
    return value


def number(body: Mapping[str, Any], key: str, default: Any = _REQUIRED) -> float:
    """A field that is a number; kept as it is, so that writing gives what was read."""
    found: float = _number(key, field(body, key, default))
    return found


def _number(path: str, value: Any) -> Any:
    if type(value) is float or type(value) is int:
        try:
            if math.isfinite(value):
                return value
        except OverflowError:
            pass
        raise FieldError(path, "is beyond the range of numbers")
    raise wanted(path, "a number", value)


def entries(body: Mapping[str, Any], key: str, read: Callable[[Any], T], default: Any = _REQUIRED) -> tuple[T, ...]:
    """A field that is a list, each entry read."""
    found: list[T] = []
    for position, entry in enumerate(a_list(body, key, default)):
        try:
            found.append(read(entry))
        except FieldError as error:
            raise error.within(f"{key}[{position}]") from None
    return tuple(found)


def a_list(body: Mapping[str, Any], key: str, default: Any = _REQUIRED) -> list[Any]:
    """A field that is a list."""
    value = field(body, key, default)
    if not isinstance(value, list):
        raise wanted(key, "a list", value)
    return value


def indices(body: Mapping[str, Any], key: str) -> tuple[int, ...]:
    """A field that is a list of integers."""
    found = a_list(body, key)
    for position, value in enumerate(found):
        if type(value) is not int:
            raise wanted(f"{key}[{position}]", "an integer", value)
    return tuple(found)


def matrix(rows: Any) -> tuple[tuple[float, ...], ...]:
    """Rows of numbers; null becomes infinity."""
    if not isinstance(rows, list):
        raise wanted("", "a list of rows", rows)
    return tuple(_row(f"[{f}]", row) for f, row in enumerate(rows))


def _row(path: str, row: Any) -> tuple[float, ...]:
    if not isinstance(row, list):
        raise wanted(path, "a row of numbers", row)
    return tuple(math.inf if x is None else float(_number(f"{path}[{g}]", x)) for g, x in enumerate(row))


def mapping(body: Mapping[str, Any], key: str, read: Callable[[str, Any], T]) -> dict[str, T]:
    """An optional field that is an object, each of its values read; ``read`` gets the name and the value."""
    value = field(body, key, {})
    if not isinstance(value, dict):
        raise wanted(key, "an object", value)
    found: dict[str, T] = {}
    for name, entry in value.items():
        try:
            found[name] = read(name, entry)
        except FieldError as error:
            raise error.within(f"{key}.{name}") from None
    return found


def a_number(_: str, value: Any) -> float:
    """A number, as `mapping` reads it."""
    found: float = _number("", value)
    return found
