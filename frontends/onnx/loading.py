"""From a path, bytes or a proto to a `ModelProto`, with one clear line when that fails."""

from __future__ import annotations

import mmap
import os
from collections.abc import Iterator
from pathlib import Path

import attrs
import onnx
from google.protobuf.message import DecodeError  # type: ignore[import-untyped]

from plait.frontends.errors import ModelError
from plait.frontends.onnx.blobs import Blobs

_LARGE = 1 << 20
"""Files from this size on are mapped, and their weights stay in the file."""


@attrs.frozen
class LoadedModel:
    """A model, and what is needed to find its weights and to speak of it."""

    proto: onnx.ModelProto
    folder: Path | None
    """Where external data may lie; None: nowhere."""
    name: str
    """For locations."""
    where: str
    """For messages."""
    blobs: Blobs = attrs.field(factory=Blobs)


def load_proto(source: str | Path | bytes | onnx.ModelProto) -> LoadedModel:
    """Read a model.

    Raises:
        ModelError: the file cannot be read, or is not an ONNX model.
    """
    if isinstance(source, (str, Path)):
        return _load_file(Path(source))
    model = source if isinstance(source, onnx.ModelProto) else _parse(bytes(source), "the model")
    name = model.graph.name if isinstance(model.graph.name, str) else ""
    return LoadedModel(_checked(model, name or "the model"), None, name or "model", name or "the model")


def _load_file(path: Path) -> LoadedModel:
    blobs, where = Blobs(), str(path)
    data = _read(path)
    if len(data) >= _LARGE:
        try:
            model = onnx.ModelProto.FromString(blobs.without_weights(data))
            return LoadedModel(_checked(model, where), path.parent, path.name, where, blobs)
        except (ValueError, DecodeError):
            pass  # parsing the whole says what is wrong
    return LoadedModel(_checked(_parse(bytes(data), where), where), path.parent, path.name, where)


def _read(path: Path) -> memoryview:
    if path.is_dir():
        raise ModelError("is a directory, not a model file", str(path))
    try:
        with open(path, "rb") as file:
            if os.fstat(file.fileno()).st_size >= _LARGE:
                return memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))
            return memoryview(file.read())
    except FileNotFoundError:
        raise ModelError("no such file", str(path)) from None
    except (OSError, ValueError) as error:
        raise ModelError(f"cannot read: {getattr(error, 'strerror', None) or error}", str(path)) from None


def _parse(data: bytes, where: str) -> onnx.ModelProto:
    if not data:
        raise ModelError("the file is empty", where)
    try:
        model: onnx.ModelProto = onnx.ModelProto.FromString(data)
        return model
    except (DecodeError, UnicodeDecodeError, ValueError, RecursionError):
        if _looks_like_text(data):
            raise ModelError("is a text file, not an ONNX model", where) from None
        raise ModelError("is not an ONNX model, or is truncated or damaged", where) from None


def _checked(model: onnx.ModelProto, where: str) -> onnx.ModelProto:
    if not model.HasField("graph"):
        raise ModelError("is not an ONNX model: it has no graph", where)
    if not model.graph.output:
        raise ModelError("the graph has no outputs; the file may be truncated or not an ONNX model", where)
    check_texts(model, where)
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
