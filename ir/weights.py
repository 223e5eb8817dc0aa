"""Weights files: safetensors, memory-mapped without copies.

The format (8 bytes of header length, a JSON header, the data) is read and written here rather than by the `safetensors`
package because its NumPy reader copies every tensor; mapping opens gigabytes in microseconds. Any safetensors reader
can open what is written.
"""

from __future__ import annotations

import hashlib
import json
import mmap
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, BinaryIO, Protocol

import numpy as np

from plait.ir.diagnostics import Diagnostic, IRError
from plait.ir.files import atomic_write
from plait.ir.types import DType, TensorType
from plait.ir.values import Array

_CODES = {
    DType.F64: "F64",
    DType.F32: "F32",
    DType.F16: "F16",
    DType.BF16: "BF16",
    DType.I64: "I64",
    DType.I32: "I32",
    DType.I16: "I16",
    DType.I8: "I8",
    DType.U64: "U64",
    DType.U32: "U32",
    DType.U16: "U16",
    DType.U8: "U8",
    DType.BOOL: "BOOL",
}
_HEADER_LIMIT = 100_000_000
_ALIGN = 64


class _Writable(Protocol):
    def write(self, data: Any, /) -> Any: ...


def write_weights(path: Path, tensors: Mapping[str, tuple[TensorType, Array]]) -> str:
    """Write a safetensors file atomically; returns `sha256:<digest>` of its bytes. Tensors are aligned to 64 bytes."""
    with atomic_write(path) as file:
        return write_weights_to(file, tensors)


def write_weights_to(file: BinaryIO | _Writable, tensors: Mapping[str, tuple[TensorType, Array]]) -> str:
    """Write safetensors bytes to an open file; returns `sha256:<digest>`."""
    header: dict[str, Any] = {}
    offset = 0
    pieces: list[Array | bytes] = []
    for name, (type, data) in tensors.items():
        if gap := -offset % _ALIGN:
            # The format allows no gaps between tensors, so alignment is a tensor of its own.
            header[f"_pad{len(header)}"] = {"dtype": "U8", "shape": [gap], "data_offsets": [offset, offset + gap]}
            pieces.append(bytes(gap))
            offset += gap
        shape = type.static_shape
        size = type.elements * type.dtype.size
        header[name] = {
            "dtype": _CODES[type.dtype.storage],
            "shape": list(shape),
            "data_offsets": [offset, offset + size],
        }
        pieces.append(np.ascontiguousarray(data, dtype=type.dtype.numpy))
        offset += size
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-(len(text) + 8) % _ALIGN)
    digest = hashlib.sha256()
    for piece in (len(text).to_bytes(8, "little"), text, *pieces):
        view = piece if isinstance(piece, bytes) else piece.reshape(-1).view(np.uint8).data
        digest.update(view)
        file.write(view)
    return f"sha256:{digest.hexdigest()}"


def read_weights(
    folder: Path, file: str, digest: str, declared: Mapping[str, TensorType]
) -> dict[str, Callable[[], Array]]:
    """Map a weights file beside an IR text.

    Returns:
        A function for each declared constant that yields its read-only, memory-mapped array.

    Raises:
        IRError: P007 when the file is absent, damaged, outside the folder, of another hash, or lacks a declared
        constant.
    """
    path = (folder / file).resolve()
    if Path(file).is_absolute() or folder.resolve() not in path.parents:
        raise _error(f"weights file {file!r} is outside the folder of the text")
    try:
        with open(path, "rb") as opened:
            mapped = mmap.mmap(opened.fileno(), 0, access=mmap.ACCESS_READ)
    except FileNotFoundError:
        raise _error(f"weights file {file!r} is missing", f"expected at {path}") from None
    except (OSError, ValueError) as error:
        raise _error(f"cannot read weights file {file!r}: {error}") from None
    if digest and f"sha256:{hashlib.sha256(mapped).hexdigest()}" != digest:
        raise _error(
            f"weights file {file!r} does not have the hash that the text states",
            "the file was changed or belongs to another text",
        )
    return views(memoryview(mapped), declared, file)


def views(data: memoryview, declared: Mapping[str, TensorType], file: str) -> dict[str, Callable[[], Array]]:
    """Loaders of the declared constants from the bytes of a safetensors file.

    Raises:
        IRError: P007.
    """
    header, body = _header(data, file)
    loaders: dict[str, Callable[[], Array]] = {}
    for name, type in declared.items():
        entry = header.get(name)
        if entry is None:
            raise _error(f"weights file {file!r} has no tensor {name!r}")
        if entry["dtype"] != _CODES[type.dtype.storage] or tuple(entry["shape"]) != type.shape:
            raise _error(f"@{name} is declared {type} but weights file {file!r} has {entry['dtype']} {entry['shape']}")
        start, end = entry["data_offsets"]
        if not 0 <= start <= end <= len(body) or end - start != type.elements * type.dtype.size:
            raise _error(f"weights file {file!r}: the extent of {name!r} is wrong", "the file may be truncated")
        loaders[name] = _view(body[start:end], type)
    return loaders


def _view(data: memoryview, type: TensorType) -> Callable[[], Array]:
    return lambda: np.frombuffer(data, dtype=type.dtype.numpy).reshape(type.static_shape)


def _header(data: memoryview, file: str) -> tuple[dict[str, Any], memoryview]:
    damaged = _error(f"weights file {file!r} is not a safetensors file")
    if len(data) < 8:
        raise damaged
    size = int.from_bytes(data[:8], "little")
    if size > min(len(data) - 8, _HEADER_LIMIT):
        raise damaged
    try:
        header = json.loads(bytes(data[8 : 8 + size]))
        for name, entry in header.items():
            if name == "__metadata__":
                continue
            start, end = entry["data_offsets"]
            if not (
                isinstance(start, int)
                and isinstance(end, int)
                and isinstance(entry["dtype"], str)
                and isinstance(entry["shape"], list)
            ):
                raise damaged
    except (ValueError, KeyError, TypeError, AttributeError):
        raise damaged from None
    return header, data[8 + size :]


def _error(message: str, hint: str = "") -> IRError:
    return IRError(Diagnostic("P007", message, hint=hint))
