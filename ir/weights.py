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

import attrs
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
    DType.F8E4M3FN: "F8_E4M3",
    DType.F8E4M3FNUZ: "F8_E4M3FNUZ",
    DType.F8E5M2: "F8_E5M2",
    DType.F8E5M2FNUZ: "F8_E5M2FNUZ",
    DType.F8E8M0: "F8_E8M0",
    DType.I64: "I64",
    DType.I32: "I32",
    DType.I16: "I16",
    DType.I8: "I8",
    DType.U64: "U64",
    DType.U32: "U32",
    DType.U16: "U16",
    DType.U8: "U8",
    DType.C64: "C64",
    DType.BOOL: "BOOL",
}
"""Names that safetensors gives to element types of whole bytes."""
_NOTE = "plait.dtype:"
"""`__metadata__` has the element types of tensors that safetensors has no name for under this and their name."""
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
    notes: dict[str, str] = {}
    offset = 0
    pieces: list[Array | bytes] = []
    for name, (type, data) in tensors.items():
        if gap := -offset % _ALIGN:
            # The format allows no gaps between tensors, so alignment is a tensor of its own.
            header[f"_pad{len(header)}"] = {"dtype": "U8", "shape": [gap], "data_offsets": [offset, offset + gap]}
            pieces.append(bytes(gap))
            offset += gap
        stored = _stored_as(type)
        end = offset + stored.nbytes
        header[name] = {"dtype": stored.code, "shape": list(stored.shape), "data_offsets": [offset, end]}
        if stored.noted:
            notes[_NOTE + name] = stored.noted
        pieces.append(_encode(np.ascontiguousarray(data, dtype=type.dtype.numpy), stored))
        offset = end
    if notes:
        header["__metadata__"] = notes
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
        stored = _stored_as(type)
        noted = header.get("__metadata__", {}).get(_NOTE + name, "")
        if (entry["dtype"], tuple(entry["shape"]), noted) != (stored.code, stored.shape, stored.noted):
            there = f"{entry['dtype']} {entry['shape']}{' of ' + noted if noted else ''}"
            raise _error(f"@{name} is declared {type} but weights file {file!r} has {there}")
        start, end = entry["data_offsets"]
        if not 0 <= start <= end <= len(body) or end - start != stored.nbytes:
            raise _error(f"weights file {file!r}: the extent of {name!r} is wrong", "the file may be truncated")
        loaders[name] = _view(body[start:end], type, stored)
    return loaders


def _view(data: memoryview, type: TensorType, stored: _Stored) -> Callable[[], Array]:
    return lambda: _decode(data, stored, type).reshape(type.static_shape)


@attrs.frozen
class _Stored:
    """How a tensor stands in the file: the format's name of the element type, the shape stated, bytes, and the element
    type's own name where the format has none."""

    code: str
    shape: tuple[int, ...]
    nbytes: int
    noted: str = ""


def _stored_as(type: TensorType) -> _Stored:
    dtype, shape, elements = type.dtype.storage, type.static_shape, type.elements
    if dtype is DType.STRING:
        raise _error("strings cannot stand in a weights file", "write them in the text: const @names : string[2] = ...")
    if dtype in _CODES:
        return _Stored(_CODES[dtype], shape, elements * dtype.size)
    if dtype is DType.C128:
        return _Stored("F64", (*shape, 2), elements * 16, dtype.value)
    if dtype is DType.F4E2M1 and elements % 2 == 0:
        return _Stored("F4", shape, elements // 2)  # the format wants whole bytes
    return _Stored("U8", shape, elements, dtype.value)


def _encode(data: Array, stored: _Stored) -> Array:
    flat = data.reshape(-1)
    if stored.code == "F4":
        halves = flat.view(np.uint8).reshape(-1, 2)
        return np.asarray(halves[:, 0] & 15 | halves[:, 1] << 4, np.uint8)
    return flat


def _decode(data: memoryview, stored: _Stored, type: TensorType) -> Array:
    if stored.code != "F4":
        return np.frombuffer(data, dtype=type.dtype.numpy)
    # The first of two elements is in the lower half, as in ONNX.
    pairs = np.frombuffer(data, np.uint8)
    return np.stack([pairs & 15, pairs >> 4], axis=-1).view(type.dtype.numpy)


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
                if not isinstance(entry, dict):
                    raise damaged
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
