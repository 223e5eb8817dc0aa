"""Rows of the tables of a profile database as plain records, the same in every format of file."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import attrs

from plait.backends.profiling.errors import ProfileError
from plait.backends.profiling.rows import Row
from plait.backends.profiling.samples import pack
from plait.backends.profiling.schema import COLUMNS
from plait.ir.diagnostics import Diagnostic

SCHEMA = "plait-profile/2"
"""Stands in each file."""
FACTS = tuple(table for table in COLUMNS if table != "profile")
"""What surrounds measurements: tables other than that of the measurements."""
Facts = dict[str, list[dict[str, Any]]]
"""Their rows, by table."""
_INTEGERS = frozenset({"threads", "cores"})
_NUMBERS = frozenset({"started", "load", "taken", "gemm_us", "copy_us"})
_MAY_LACK = frozenset({"median_us", "error"})


@attrs.frozen
class Record:
    """A row of a table, and where in a file it stands."""

    table: str
    fields: Mapping[str, Any]
    where: str


Reader = Callable[[str], Iterator[Record]]


def row_fields(row: Row) -> dict[str, Any]:
    """The fields of a measurement; samples are a list of nanoseconds."""
    return {c: getattr(row, c) for c in COLUMNS["profile"]} | {"samples": list(row.samples)}


def values_of(record: Record) -> tuple[Any, ...]:
    """The columns of a record as they are put into the table.

    Raises:
        ValueError: a field is missing or of the wrong type.
    """
    if record.table not in COLUMNS:
        raise ValueError(f"{record.table!r} is no kind of record")
    return tuple(_value(column, record) for column in COLUMNS[record.table])


def not_measurements(where: str, reason: object) -> ProfileError:
    """P502 for a file that is something else, or damaged."""
    return ProfileError(malformed(where, f"this is no file of measurements: {reason}"))


def malformed(where: str, message: str, hint: str = "") -> Diagnostic:
    """P502 at a place."""
    return Diagnostic("P502", message, where=where, hint=hint)


def _value(column: str, record: Record) -> Any:
    if column not in record.fields:
        raise ValueError(f"a record of kind {record.table} lacks {column!r}")
    value = record.fields[column]
    if column == "samples":
        return _samples(value)
    if value is None and column in _MAY_LACK:
        return None
    if column in _INTEGERS:
        wanted: Any = int
    else:
        wanted = (int, float) if column in _NUMBERS | _MAY_LACK else str
    if not isinstance(value, wanted) or isinstance(value, bool):
        raise ValueError(f"{column} is {value!r}, which is not of its type")
    return value


def _samples(value: Any) -> bytes:
    if not isinstance(value, list) or not all(isinstance(x, int) and not isinstance(x, bool) for x in value):
        raise ValueError("samples is not a list of integers")
    try:
        return pack(value)
    except OverflowError:
        raise ValueError("a sample has more than 64 bits") from None
