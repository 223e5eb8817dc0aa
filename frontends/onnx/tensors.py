"""TensorProtos to constants. Sizes are checked against the bytes that are there before anything is allocated."""

from __future__ import annotations

import mmap
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import onnx.numpy_helper
from onnx import TensorProto

from plait.frontends.errors import InconsistentModel, ModelError
from plait.frontends.onnx.blobs import Blobs
from plait.frontends.onnx.unsupported import Unsupported
from plait.ir.types import DType, TensorType
from plait.ir.values import Array, Constant

DTYPES: dict[int, DType] = {
    TensorProto.FLOAT: DType.F32,
    TensorProto.DOUBLE: DType.F64,
    TensorProto.FLOAT16: DType.F16,
    TensorProto.INT64: DType.I64,
    TensorProto.INT32: DType.I32,
    TensorProto.INT16: DType.I16,
    TensorProto.INT8: DType.I8,
    TensorProto.UINT64: DType.U64,
    TensorProto.UINT32: DType.U32,
    TensorProto.UINT16: DType.U16,
    TensorProto.UINT8: DType.U8,
    TensorProto.BOOL: DType.BOOL,
    TensorProto.STRING: DType.STRING,
    TensorProto.BFLOAT16: DType.BF16,
    TensorProto.COMPLEX64: DType.C64,
    TensorProto.COMPLEX128: DType.C128,
    TensorProto.FLOAT8E4M3FN: DType.F8E4M3FN,
    TensorProto.FLOAT8E4M3FNUZ: DType.F8E4M3FNUZ,
    TensorProto.FLOAT8E5M2: DType.F8E5M2,
    TensorProto.FLOAT8E5M2FNUZ: DType.F8E5M2FNUZ,
    TensorProto.FLOAT8E8M0: DType.F8E8M0,
    TensorProto.FLOAT6E2M3: DType.F6E2M3,
    TensorProto.FLOAT6E3M2: DType.F6E3M2,
    TensorProto.FLOAT4E2M1: DType.F4E2M1,
    TensorProto.INT4: DType.I4,
    TensorProto.UINT4: DType.U4,
    TensorProto.INT2: DType.I2,
    TensorProto.UINT2: DType.U2,
}

_CODES = {dtype: code for code, dtype in DTYPES.items()}

# Which repeated field holds the elements when they are not in `raw_data` (onnx.proto, TensorProto).
_FIELDS = {
    DType.F32: "float_data",
    DType.C64: "float_data",
    DType.F64: "double_data",
    DType.C128: "double_data",
    DType.I64: "int64_data",
    DType.U64: "uint64_data",
    DType.U32: "uint64_data",
    DType.STRING: "string_data",
}


def dtype_of(code: int) -> DType:
    """The element type of an ONNX type code.

    Raises:
        Unsupported: it is newer than this version.
        ValueError: ONNX has no such code.
    """
    if code in DTYPES:
        return DTYPES[code]
    known = {number: name for name, number in TensorProto.DataType.items()}
    if code == TensorProto.UNDEFINED or code not in known:
        raise ValueError(f"unknown element type {code}")
    raise Unsupported(f"element type {known[code].lower()}")


class TensorReader:
    """Makes constants of tensors; external files are mapped once."""

    def __init__(self, folder: Path | None, where: str, blobs: Blobs) -> None:
        self.folder = folder
        self.blobs = blobs
        self.where = where
        self._maps: dict[Path, memoryview] = {}

    def constant(self, tensor: onnx.TensorProto, name: str, owner: str = "") -> Constant:
        """A constant whose elements are read at the first use, as a view on the proto or the external file.

        Raises:
            InconsistentModel: element type, dimensions and data do not fit together.
            ModelError: external data cannot be read.
            Unsupported: the element type is not supported.
        """
        what = owner or f"tensor {name!r}"
        try:
            dtype = dtype_of(tensor.data_type)
        except ValueError as error:
            raise self._wrong(f"{what} has {error}") from None
        except Unsupported as error:
            raise Unsupported(f"{what} has {error.reason}") from None
        shape = tuple(tensor.dims)
        elements = 1
        for dim in shape:
            if dim < 0:
                raise self._wrong(f"{what} has a negative dimension: {list(shape)}")
            elements *= dim
        if tensor.HasField("segment"):
            raise self._wrong(f"{what} is stored in segments, which ONNX does not define")
        if tensor.data_location == TensorProto.EXTERNAL:
            load = self._external(tensor, what, dtype, shape, elements)
        else:
            load = self._inline(tensor, what, dtype, shape, elements)
        return Constant(name, type=TensorType(dtype, shape), load=load)

    def _inline(
        self, tensor: onnx.TensorProto, what: str, dtype: DType, shape: tuple[int, ...], elements: int
    ) -> Callable[[], Array]:
        if tensor.HasField("raw_data"):
            data = self.blobs.find(tensor.raw_data)
            self._check_strings_are_apart(dtype, what)
            if (size := len(data)) != _packed_size(dtype, elements):
                raise self._wrong(
                    f"{what} is {dtype}{list(shape)}, {_packed_size(dtype, elements)} bytes, but {size} bytes of data"
                )
            if isinstance(data, memoryview):
                return lambda: _array(data, dtype, shape)
            return lambda: _array(tensor.raw_data, dtype, shape)  # rather than hold a second copy of the bytes
        field = _FIELDS.get(dtype, "int32_data")
        if (count := len(getattr(tensor, field))) != _entries(dtype, elements):
            raise self._wrong(f"{what} is {dtype}{list(shape)}, {elements} elements, but {count} in {field}")
        if dtype is DType.STRING:
            return self._strings(tensor, what, shape)
        return lambda: onnx.numpy_helper.to_array(tensor)

    def _strings(self, tensor: onnx.TensorProto, what: str, shape: tuple[int, ...]) -> Callable[[], Array]:
        try:
            texts = [text.decode("utf-8") for text in tensor.string_data]
        except UnicodeDecodeError:
            raise self._wrong(f"{what} has strings that are not UTF-8") from None
        data: Array = np.empty(len(texts), dtype=object)
        data[:] = texts
        return lambda: data.reshape(shape)

    def _check_strings_are_apart(self, dtype: DType, what: str) -> None:
        if dtype is DType.STRING:
            raise self._wrong(f"{what} has strings as raw or external data, which ONNX does not define")

    def _external(
        self, tensor: onnx.TensorProto, what: str, dtype: DType, shape: tuple[int, ...], elements: int
    ) -> Callable[[], Array]:
        fields = {entry.key: entry.value for entry in tensor.external_data}
        try:
            offset, length = int(fields.get("offset", 0) or 0), int(fields.get("length", -1) or -1)
        except ValueError:
            raise self._wrong(f"{what}: offset and length of its external data must be integers") from None
        self._check_strings_are_apart(dtype, what)
        size = _packed_size(dtype, elements)
        if size == 0:
            return lambda: np.zeros(shape, dtype.numpy)
        data = self._map(fields.get("location", ""), what)
        if length not in (-1, size):
            raise self._wrong(
                f"{what} is {dtype}{list(shape)}, {size} bytes, but states {length} bytes of external data"
            )
        if offset < 0 or offset + size > len(data):
            raise self._wrong(
                f"{what}: external data {fields['location']!r} has {len(data)} bytes, too few for {size} at {offset}",
                "the data file may be truncated",
            )
        return lambda: _array(data[offset : offset + size], dtype, shape)

    def _map(self, location: str, what: str) -> memoryview:
        if self.folder is None:
            raise ModelError(
                f"{what} has its data in the file {location!r}",
                self.where,
                "import from the path of the model, not from bytes",
            )
        try:
            root = self.folder.resolve()
            path = (root / location).resolve()
            if not location or Path(location).is_absolute() or root not in path.parents:
                raise ModelError(
                    f"{what}: external data {location!r} is outside the folder of the model; refused", self.where
                )
            if path in self._maps:
                return self._maps[path]
            if not path.is_file():
                raise ModelError(f"{what}: external data {location!r} is missing", self.where, f"expected at {path}")
            with open(path, "rb") as file:
                if path.stat().st_size == 0:
                    return memoryview(b"")
                view = memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))
        except (OSError, ValueError) as error:
            raise ModelError(f"{what}: cannot read external data {location!r}: {error}", self.where) from None
        self._maps[path] = view
        return view

    def _wrong(self, message: str, hint: str = "") -> InconsistentModel:
        return InconsistentModel(message, self.where, hint)


def _packed_size(dtype: DType, elements: int) -> int:
    """Bytes of raw data: elements of less than 8 bits are packed (onnx.proto, TensorProto)."""
    return elements * dtype.size if dtype.bits >= 8 else -(-elements * dtype.bits // 8)


def _entries(dtype: DType, elements: int) -> int:
    """Numbers in the proto field: two for a complex number, one for several of 4 or 2 bits."""
    if dtype.is_complex:
        return 2 * elements
    return _packed_size(dtype, elements) if dtype.bits in (4, 2) else elements


def _array(data: bytes | memoryview, dtype: DType, shape: tuple[int, ...]) -> Array:
    """A view on bytes; a copy where elements are packed, or not aligned, which kernels rely on."""
    if dtype.bits < 8:
        tensor = TensorProto(data_type=_CODES[dtype], dims=shape, raw_data=bytes(data))
        return onnx.numpy_helper.to_array(tensor)
    array: Array = np.frombuffer(data, dtype.numpy).reshape(shape)
    return array if array.flags.aligned else array.copy()
