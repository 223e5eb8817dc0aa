"""Frames, which is all that passes between a worker and who drives it: a JSON object after its length, then the bytes
of its tensors."""

from __future__ import annotations

import json
import math
import struct
from typing import Any, Protocol

import numpy as np

from plait.backends.errors import WorkerError
from plait.ir.diagnostics import Diagnostic
from plait.ir.dtypes import Array, DType

MOST_HEADER = 64 << 20
"""Bytes of the JSON of a frame, at most. A longer one is no frame, but something else that was read as a length."""
MOST_TENSORS = 16 << 30
"""Bytes of the tensors of a frame, at most."""
_PIECE = 16 << 20
_PRINTED = "nothing else may write to the standard output of a worker; does a login script?"


class Source(Protocol):
    """What frames are read from."""

    def read(self, size: int, /) -> bytes | None: ...


class Sink(Protocol):
    """What frames are written to. It takes all bytes at once, or some and is called again."""

    def write(self, data: Any, /) -> int | None: ...

    def flush(self) -> None: ...


def write_frame(stream: Sink, data: dict[str, Any]) -> None:
    """One JSON object, after its length as 4 little-endian bytes.

    Arrays under `tensors` follow it as they lie in memory; in their place the object has their types and shapes.
    """
    arrays = [np.asarray(a, order="C") for a in data.get("tensors", ())]
    if arrays:
        data = {**data, "tensors": [{"dtype": DType.of(a.dtype).value, "shape": a.shape} for a in arrays]}
    body = json.dumps(data).encode()
    if len(body) > MOST_HEADER:
        raise _broken(f"a frame of {len(body)} bytes is too long to be sent")
    _write(stream, struct.pack("<I", len(body)) + body)
    for array in arrays:
        if array.dtype == object:
            raise _broken("strings cannot be sent")
        _write(stream, array.reshape(-1).view(np.uint8).data)
    stream.flush()


def read_frame(stream: Source) -> dict[str, Any] | None:
    """The next object, with arrays under `tensors` if it has some; None at the end of the stream, be it in the middle
    of a frame.

    Raises:
        WorkerError: P510, what is read is no frame.
    """
    head = _read(stream, 4)
    if head is None:
        return None
    (size,) = struct.unpack("<I", head)
    if size > MOST_HEADER:
        raise _broken(f"what was read is no frame: it starts with {head!r}", _PRINTED)
    body = _read(stream, size)
    if body is None:
        return None
    try:
        data = json.loads(body)
    except (ValueError, RecursionError):
        data = None
    if not isinstance(data, dict):
        raise _broken(f"what was read is no frame: {body[:40]!r} is no JSON object", _PRINTED)
    if data.get("tensors"):
        arrays = [_read_tensor(stream, *described) for described in _descriptions(data["tensors"])]
        if any(a is None for a in arrays):
            return None
        data["tensors"] = arrays
    return data


def _descriptions(rows: Any) -> list[tuple[DType, tuple[int, ...]]]:
    """Types and shapes of tensors, checked before memory is taken for them."""
    try:
        found = [(DType(row["dtype"]), tuple(row["shape"])) for row in rows]
        if any(type(d) is not int or d < 0 for _, shape in found for d in shape):
            raise ValueError("a dimension is no size")
    except (TypeError, KeyError, ValueError):
        raise _broken(f"what was read is no frame: its tensors are described by {str(rows)[:60]!r}") from None
    if any(dtype is DType.STRING for dtype, _ in found):
        raise _broken("strings cannot be sent")
    total = sum(dtype.size * math.prod(shape) for dtype, shape in found)
    if total > MOST_TENSORS:
        raise _broken(f"a frame with {total} bytes of tensors is too long")
    return found


def _read_tensor(stream: Source, dtype: DType, shape: tuple[int, ...]) -> Array | None:
    data = _read(stream, dtype.size * math.prod(shape))
    # A copy, since what was read may not be written to.
    return None if data is None else np.frombuffer(data, dtype.numpy).reshape(shape).copy()


def _read(stream: Source, size: int) -> bytes | None:
    """So many bytes; None if the stream ends before."""
    pieces, left = [], size
    while left:
        # Some streams take memory for all that is asked for.
        piece = stream.read(min(left, _PIECE))
        if not piece:
            return None
        pieces.append(piece)
        left -= len(piece)
    return b"".join(pieces)


def _write(stream: Sink, data: Any) -> None:
    rest = memoryview(data)
    while rest:
        # Unbuffered pipes may take a part.
        rest = rest[stream.write(rest) or 0 :]


def _broken(message: str, hint: str = "") -> WorkerError:
    return WorkerError(Diagnostic("P510", message, hint=hint))
