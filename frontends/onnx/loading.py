"""From a path, bytes or a proto to a `ModelProto`, with one clear line when that fails."""

from __future__ import annotations

from pathlib import Path

import onnx
from google.protobuf.message import DecodeError  # type: ignore[import-untyped]
from plait.frontends.errors import ModelError


def load_proto(source: str | Path | bytes | onnx.ModelProto) -> tuple[onnx.ModelProto, Path | None, str]:
    """The model, the folder for external data (None: there is none), and the name for messages and locations.

    Raises:
        ModelError: the file cannot be read, or is not an ONNX model.
    """
    if isinstance(source, onnx.ModelProto):
        return _checked(source, source.graph.name or "model", "the model"), None, source.graph.name or "model"
    if isinstance(source, (bytes, bytearray, memoryview)):
        model = _parse(bytes(source), "the model")
        return model, None, model.graph.name or "model"
    path = Path(source)
    return _parse(_read(path), str(path)), path.parent, path.name


def _read(path: Path) -> bytes:
    if path.is_dir():
        raise ModelError("is a directory, not a model file", str(path))
    try:
        return path.read_bytes()
    except FileNotFoundError:
        raise ModelError("no such file", str(path)) from None
    except (OSError, ValueError) as error:
        raise ModelError(f"cannot read: {getattr(error, 'strerror', None) or error}", str(path)) from None


def _parse(data: bytes, where: str) -> onnx.ModelProto:
    if not data:
        raise ModelError("the file is empty", where)
    try:
        model = onnx.ModelProto.FromString(data)
    except (DecodeError, UnicodeDecodeError, ValueError, RecursionError):
        if _looks_like_text(data):
            raise ModelError("is a text file, not an ONNX model", where) from None
        raise ModelError("is not an ONNX model, or is truncated or damaged", where) from None
    return _checked(model, where, where)


def _checked(model: onnx.ModelProto, name: str, where: str) -> onnx.ModelProto:
    if not model.HasField("graph"):
        raise ModelError("is not an ONNX model: it has no graph", where)
    if not model.graph.output:
        raise ModelError("the graph has no outputs; the file may be truncated or not an ONNX model", where)
    return model


def _looks_like_text(data: bytes) -> bool:
    head = data[:512]
    return b"\0" not in head and sum(32 <= b < 127 or b in b"\t\r\n" for b in head) > 0.95 * len(head)
