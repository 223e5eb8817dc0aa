"""The worker process: `python -m plait.backends.profiling.worker` reads jobs and writes results as length-prefixed
JSON.

A routine that crashes or hangs takes the worker with it, not the tuner; that is a result too.
"""

from __future__ import annotations

import json
import os
import struct
import sys
from typing import Any, Protocol

from plait.backends.profiling.job import Job, Result

READY = {"ready": True}
"""What a worker says first."""


class Source(Protocol):
    """What frames are read from."""

    def read(self, size: int, /) -> bytes | None: ...


class Sink(Protocol):
    """What frames are written to. It takes all bytes at once, or some and is called again."""

    def write(self, data: bytes, /) -> int | None: ...

    def flush(self) -> None: ...


def write_frame(stream: Sink, data: dict[str, Any]) -> None:
    """One JSON object, after its length as 4 little-endian bytes."""
    body = json.dumps(data).encode()
    rest = struct.pack("<I", len(body)) + body
    while rest:
        # Unbuffered pipes may take a part.
        rest = rest[stream.write(rest) or 0 :]
    stream.flush()


def read_frame(stream: Source) -> dict[str, Any] | None:
    """The next object, or None at the end of the stream."""
    head = stream.read(4) or b""
    if len(head) < 4:
        return None
    (size,) = struct.unpack("<I", head)
    body = stream.read(size) or b""
    if len(body) < size:
        return None
    data: dict[str, Any] = json.loads(body)
    return data


def serve(source: Source, sink: Sink) -> None:
    """Say that the kernels are loaded, then answer jobs until the stream ends."""
    from plait.backends.profiling.measure import measure

    write_frame(sink, READY)
    while (request := read_frame(source)) is not None:
        try:
            result = measure(Job(**request["job"]), request.get("limit_ns"))
        except Exception as error:
            result = Result("failed", (), f"{type(error).__name__}: {error}")
        write_frame(sink, result.to_json())


def main() -> None:
    """Serve standard input and output; whatever else prints goes to standard error."""
    sink = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    serve(sys.stdin.buffer, sink)


if __name__ == "__main__":
    main()
