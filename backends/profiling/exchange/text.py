"""JSON lines and CSV: a record a line.

A line of JSON has `record`, the kind, beside its fields. In CSV the measurements have columns; other records lie as
JSON in the last column, so that a table program may drop all lines whose `record` is not `profile`.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, BinaryIO

from plait.backends.profiling.exchange.records import SCHEMA, Facts, Record, not_measurements, row_fields
from plait.backends.profiling.rows import Row
from plait.backends.profiling.schema import COLUMNS

_PROFILE = COLUMNS["profile"]
_CSV = ("record", *_PROFILE, "data")
_EXACT: dict[str, Callable[[str], Any]] = {
    "threads": int,
    "taken": float,
    "median_us": lambda text: float(text) if text else None,
    "error": lambda text: float(text) if text else None,
    "samples": lambda text: [int(word) for word in text.split()],
}


def write_jsonl(file: BinaryIO, facts: Facts, rows: Iterable[Row]) -> int:
    """Returns the number of measurements."""
    count = 0
    for fields in _before(facts):
        file.write(f"{json.dumps(fields)}\n".encode())
    for row in rows:
        file.write(f"{json.dumps({'record': 'profile', **row_fields(row)})}\n".encode())
        count += 1
    return count


def read_jsonl(path: Path) -> Iterator[Record]:
    """
    Raises:
        ProfileError: P502, a line is not as `write_jsonl` writes it.
    """
    with open(path, encoding="utf-8") as lines:
        for number, line in enumerate(lines, 1):
            yield _record(line, f"{path}:{number}")


def write_csv(file: BinaryIO, facts: Facts, rows: Iterable[Row]) -> int:
    """Returns the number of measurements."""
    text = io.TextIOWrapper(file, encoding="utf-8", newline="")
    writer, count = csv.writer(text, lineterminator="\n"), 0
    writer.writerow(_CSV)
    for fields in _before(facts):
        writer.writerow([fields["record"], *[""] * len(_PROFILE), json.dumps(fields)])
    for row in rows:
        writer.writerow(["profile", *(_cell(value) for value in row_fields(row).values()), ""])
        count += 1
    text.detach()
    return count


def read_csv(path: Path) -> Iterator[Record]:
    """
    Raises:
        ValueError: a line is not as `write_csv` writes it.
    """
    # The greatest that there is; the text of a layer with regions is long.
    csv.field_size_limit(2**31 - 1)
    with open(path, encoding="utf-8", newline="") as text:
        lines = csv.reader(text)
        head = next(lines, [])
        if tuple(head) != _CSV:
            raise ValueError(f"the columns are not {', '.join(_CSV)}")
        for cells in lines:
            where = f"{path}:{lines.line_num}"
            if len(cells) != len(_CSV):
                raise not_measurements(where, f"the line has {len(cells)} columns, not {len(_CSV)}")
            kind, *values, data = cells
            if kind != "profile":
                yield _record(data, where)
                continue
            named = zip(_PROFILE, values, strict=True)
            yield Record(kind, {c: _EXACT.get(c, str)(v) for c, v in named}, where)


def _before(facts: Facts) -> Iterator[dict[str, Any]]:
    yield {"record": "header", "schema": SCHEMA}
    for table, records in facts.items():
        yield from ({"record": table, **fields} for fields in records)


def _record(line: str, where: str) -> Record:
    try:
        fields = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise not_measurements(where, getattr(error, "msg", "lists in lists without end")) from None
    if not isinstance(fields, dict) or not isinstance(fields.get("record"), str):
        raise not_measurements(where, "the line is not an object with a field 'record'")
    return Record(fields.pop("record"), fields, where)


def _cell(value: Any) -> str:
    if isinstance(value, list):
        return " ".join(map(str, value))
    return "" if value is None else value if isinstance(value, str) else repr(value)
