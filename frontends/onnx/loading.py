"""From a path, bytes or a proto to a `ModelProto`, with one clear line when that fails."""

from __future__ import annotations

from collections.abc import Iterator
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
    check_texts(model, name)
    return model


def check_texts(model: onnx.ModelProto, where: str) -> None:
    """Refuse names that are not UTF-8, which protobuf hands over as bytes.

    Raises:
        ModelError: there is one.
    """
    for text in _texts(model):
        if not isinstance(text, str):
            raise ModelError(f"is damaged: {text!r} is not UTF-8 text", where)


def _texts(model: onnx.ModelProto) -> Iterator[object]:
    graph = model.graph
    yield from (model.producer_name, graph.name)
    for opset in model.opset_import:
        yield opset.domain
    for node in graph.node:
        yield from (node.op_type, node.domain, node.name, *node.input, *node.output)
        yield from (attribute.name for attribute in node.attribute)
    for tensor in graph.initializer:
        yield tensor.name
        for entry in tensor.external_data:
            yield from (entry.key, entry.value)
    for sparse in graph.sparse_initializer:
        yield sparse.values.name
    for value in (*graph.input, *graph.output):
        yield value.name
        yield from (dim.dim_param for dim in value.type.tensor_type.shape.dim)


def _looks_like_text(data: bytes) -> bool:
    head = data[:512]
    return b"\0" not in head and sum(32 <= b < 127 or b in b"\t\r\n" for b in head) > 0.95 * len(head)
