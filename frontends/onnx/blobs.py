"""Leaves the weights of a large file where they are: the file is mapped, and protobuf parses it without them.

Parsing half a gigabyte with protobuf copies it twice. Here the wire format is walked down to the `raw_data` of each
initializer, which is replaced by a short ticket; `Blobs.find` turns a ticket back into a view on the mapped file.
"""

from __future__ import annotations

import os
from collections.abc import Iterator

_SMALL = 1024
_GRAPH, _INITIALIZER, _RAW_DATA = 7, 5, 9  # ModelProto.graph, GraphProto.initializer, TensorProto.raw_data
_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5


class Blobs:
    """Bytes that were taken out of a model, by ticket. Tickets hold a random number, so that no file can forge one."""

    def __init__(self) -> None:
        self._key = os.urandom(16)
        self._views: list[memoryview] = []

    def find(self, data: bytes) -> memoryview | bytes:
        """What a ticket stands for; other bytes stand for themselves."""
        if len(data) != 24 or not data.startswith(self._key):
            return data
        return self._views[int.from_bytes(data[16:], "little")]

    def without_weights(self, model: memoryview) -> bytes:
        """A serialized ModelProto with a ticket for each large `raw_data` of an initializer.

        Raises:
            ValueError: this is not the wire format of protobuf.
        """
        return self._rewritten(model, (_GRAPH, _INITIALIZER, _RAW_DATA))

    def _rewritten(self, message: memoryview, path: tuple[int, ...]) -> bytes:
        parts: list[bytes | memoryview] = []
        copied = 0  # up to where the message is in `parts`
        for start, body, end in _fields(message, path[0]):
            if len(path) == 1:
                if end - body < _SMALL:
                    continue
                content = self._ticket(message[body:end])
            else:
                content = self._rewritten(message[body:end], path[1:])
            parts += [message[copied:start], bytes([path[0] << 3 | _BYTES]) + _varint(len(content)), content]
            copied = end
        return b"".join([*parts, message[copied:]])

    def _ticket(self, data: memoryview) -> bytes:
        self._views.append(data)
        return self._key + (len(self._views) - 1).to_bytes(8, "little")


def _fields(message: memoryview, wanted: int) -> Iterator[tuple[int, int, int]]:
    """(start of the field, start of its content, end) of each length-delimited field with this number."""
    place, size = 0, len(message)
    while place < size:
        start = place
        tag, place = _read_varint(message, place)
        number, kind = tag >> 3, tag & 7
        if kind == _VARINT:
            _, place = _read_varint(message, place)
        elif kind == _FIXED64:
            place += 8
        elif kind == _FIXED32:
            place += 4
        elif kind == _BYTES:
            length, body = _read_varint(message, place)
            place = body + length
            if number == wanted and place <= size:
                yield start, body, place
        else:
            raise ValueError(f"wire type {kind}")
        if place > size:
            raise ValueError("a field ends after its message")


def _read_varint(message: memoryview, place: int) -> tuple[int, int]:
    value = 0
    for shift in range(0, 70, 7):
        if place >= len(message):
            break
        byte = message[place]
        place += 1
        value |= (byte & 127) << shift
        if byte < 128:
            return value, place
    raise ValueError("a number ends too late")


def _varint(value: int) -> bytes:
    out = bytearray()
    while value > 127:
        out.append(value & 127 | 128)
        value >>= 7
    out.append(value)
    return bytes(out)
