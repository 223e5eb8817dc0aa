"""Parquet (https://parquet.apache.org): the measurements are the table, what surrounds them its metadata. Needs
pyarrow."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from plait.backends.profiling.errors import ProfileError
from plait.backends.profiling.exchange.records import SCHEMA, Facts, Record, malformed, row_fields
from plait.backends.profiling.rows import Row
from plait.backends.profiling.schema import COLUMNS

if TYPE_CHECKING:
    import pyarrow

_KEY = b"plait.profile"
_BATCH = 20_000
"""Measurements in memory at a time."""


def write_parquet(file: BinaryIO, facts: Facts, rows: Iterable[Row]) -> int:
    """Returns the number of measurements."""
    pa = _pyarrow()
    from pyarrow import parquet

    schema = _schema(pa).with_metadata({_KEY: json.dumps({"schema": SCHEMA, **facts})})
    rows, count = iter(rows), 0
    with parquet.ParquetWriter(file, schema, compression="zstd") as writer:
        while batch := [row_fields(row) for row in itertools.islice(rows, _BATCH)]:
            writer.write_table(pa.Table.from_pylist(batch, schema=schema))
            count += len(batch)
    return count


def read_parquet(path: Path) -> Iterator[Record]:
    """
    Raises:
        ValueError: the file is not as `write_parquet` writes it.
    """
    _pyarrow()
    from pyarrow import parquet

    with parquet.ParquetFile(path) as file:
        metadata = (file.schema_arrow.metadata or {}).get(_KEY)
        if metadata is None:
            raise ValueError("it is a Parquet file, but not one of measurements")
        facts = json.loads(metadata)
        yield Record("header", {"schema": facts.pop("schema", None)}, str(path))
        for table, records in facts.items():
            yield from (Record(table, fields, str(path)) for fields in records)
        for batch in file.iter_batches(_BATCH):
            yield from (Record("profile", fields, str(path)) for fields in batch.to_pylist())


def _schema(pa: Any) -> pyarrow.Schema:
    special = {
        "threads": pa.int64(),
        "samples": pa.list_(pa.int64()),
        "median_us": pa.float64(),
        "error": pa.float64(),
        "taken": pa.float64(),
    }
    return pa.schema([(column, special.get(column, pa.string())) for column in COLUMNS["profile"]])


def _pyarrow() -> Any:
    try:
        import pyarrow
    except ModuleNotFoundError:
        hint = "or use a file that ends in .csv or .jsonl"
        raise ProfileError(malformed("", "Parquet needs pyarrow: pip install 'plait[profile]'", hint)) from None
    return pyarrow
