"""Element types: every one of ONNX, and quantized types, which say what number each stored integer stands for."""

from __future__ import annotations

import enum
import functools
import importlib
import math
import re
from collections.abc import Iterator
from typing import Any, TypeAlias, TypeVar

import attrs
import numpy as np
import numpy.typing as npt

from plait.ir.diagnostics import unknown
from plait.ir.spelling import float_text, name_text, unquote

Array: TypeAlias = npt.NDArray[Any]
"""Any NumPy array."""


class DType(enum.Enum):
    """Plain element types, spelled as in the text form."""

    F64 = "f64"
    F32 = "f32"
    F16 = "f16"
    BF16 = "bf16"
    F8E4M3FN = "f8e4m3fn"
    F8E4M3FNUZ = "f8e4m3fnuz"
    F8E5M2 = "f8e5m2"
    F8E5M2FNUZ = "f8e5m2fnuz"
    F8E8M0 = "f8e8m0"
    F6E2M3 = "f6e2m3"
    F6E3M2 = "f6e3m2"
    F4E2M1 = "f4e2m1"
    I64 = "i64"
    I32 = "i32"
    I16 = "i16"
    I8 = "i8"
    I4 = "i4"
    I2 = "i2"
    U64 = "u64"
    U32 = "u32"
    U16 = "u16"
    U8 = "u8"
    U4 = "u4"
    U2 = "u2"
    C64 = "c64"
    C128 = "c128"
    BOOL = "bool"
    STRING = "string"

    def __str__(self) -> str:
        return self.value

    @property
    def numpy(self) -> np.dtype[Any]:
        """The NumPy dtype of arrays of these elements: from `ml_dtypes` where NumPy has none, `object` (of `str`) for
        strings."""
        return _numpy(self)

    @property
    def storage(self) -> DType:
        """The plain type in which elements are stored: this one."""
        return self

    @property
    def size(self) -> int:
        """Bytes of one element in an array. Elements of less than 8 bits take a byte each."""
        return self.numpy.itemsize

    @property
    def bits(self) -> int:
        """Bits that one element needs; 0 for strings, whose elements have no common size."""
        return _BITS[self]

    @property
    def is_float(self) -> bool:
        """Whether elements are (real) floating-point numbers."""
        return self.value[0] == "f" or self is DType.BF16

    @property
    def is_complex(self) -> bool:
        return self in (DType.C64, DType.C128)

    @property
    def is_inexact(self) -> bool:
        """Whether elements are floating-point or complex numbers, so that there may be NaN among them."""
        return self.is_float or self.is_complex

    @property
    def is_integer(self) -> bool:
        """Whether elements are integers; `bool` is not."""
        return self.value[0] in "iu"

    @property
    def is_signed(self) -> bool:
        """Whether elements can be negative."""
        return (self.is_float and self is not DType.F8E8M0) or self.is_complex or self.value[0] == "i"

    @property
    def integer_range(self) -> tuple[int, int]:
        """Least and greatest integer.

        Raises:
            ValueError: not an integer type.
        """
        if not self.is_integer:
            raise ValueError(f"{self} is not an integer type")
        return (-(1 << self.bits - 1), (1 << self.bits - 1) - 1) if self.is_signed else (0, (1 << self.bits) - 1)

    @staticmethod
    def of(dtype: np.dtype[Any] | type) -> DType:
        """The element type of a NumPy dtype.

        Raises:
            ValueError: no element type corresponds.
        """
        wanted = np.dtype(dtype)
        if wanted.kind in "UT":  # NumPy's own strings are taken too; arrays of ours hold objects
            return DType.STRING
        found = _BY_NUMPY.get(wanted.name)
        if found is None or not wanted.isnative:
            raise ValueError(f"NumPy dtype {wanted} has no counterpart")
        return found


def is_floating(dtype: np.dtype[Any]) -> bool:
    """Whether a NumPy dtype is one of (real) floating-point numbers, those of `ml_dtypes` included."""
    if dtype.kind != "V":
        return bool(dtype.kind == "f")
    found = _BY_NUMPY.get(dtype.name)
    return found is not None and found.is_float


_FROM_NUMPY = {
    DType.F64: "float64",
    DType.F32: "float32",
    DType.F16: "float16",
    DType.I64: "int64",
    DType.I32: "int32",
    DType.I16: "int16",
    DType.I8: "int8",
    DType.U64: "uint64",
    DType.U32: "uint32",
    DType.U16: "uint16",
    DType.U8: "uint8",
    DType.C64: "complex64",
    DType.C128: "complex128",
    DType.BOOL: "bool",
    DType.STRING: "object",
}
_FROM_ML_DTYPES = {
    DType.BF16: "bfloat16",
    DType.F8E4M3FN: "float8_e4m3fn",
    DType.F8E4M3FNUZ: "float8_e4m3fnuz",
    DType.F8E5M2: "float8_e5m2",
    DType.F8E5M2FNUZ: "float8_e5m2fnuz",
    DType.F8E8M0: "float8_e8m0fnu",
    DType.F6E2M3: "float6_e2m3fn",
    DType.F6E3M2: "float6_e3m2fn",
    DType.F4E2M1: "float4_e2m1fn",
    DType.I4: "int4",
    DType.I2: "int2",
    DType.U4: "uint4",
    DType.U2: "uint2",
}
_BY_NUMPY = {name: dtype for dtype, name in (_FROM_NUMPY | _FROM_ML_DTYPES).items()}
_ELSEWHERE = {
    "float": DType.F32,
    "double": DType.F64,
    "half": DType.F16,
    "int": DType.I32,
    "long": DType.I64,
    "byte": DType.U8,
    "str": DType.STRING,
    "boolean": DType.BOOL,
}
"""What other languages call them; for hints."""
_BITS = {
    d: {DType.BF16: 16, DType.BOOL: 8, DType.STRING: 0}.get(d) or int((re.findall(r"\d+", d.value) or [0])[0])
    for d in DType
}


@functools.cache
def _numpy(dtype: DType) -> np.dtype[Any]:
    if dtype in _FROM_NUMPY:
        return np.dtype(_FROM_NUMPY[dtype])
    found: np.dtype[Any] = np.dtype(getattr(importlib.import_module("ml_dtypes"), _FROM_ML_DTYPES[dtype]))
    return found


@attrs.frozen
class ConstantName:
    """The name of a constant of the module, where a number could stand."""

    name: str

    def __str__(self) -> str:
        return f"@{name_text(self.name)}"


_STORAGES = {
    f"q{'' if d.is_signed else 'u'}{d.bits}": d
    for d in (DType.I8, DType.I4, DType.I2, DType.I16, DType.I32, DType.U8, DType.U4, DType.U2, DType.U16)
}
_WORDS = {storage: word for word, storage in _STORAGES.items()}


def _scales(value: Any) -> float | tuple[float, ...] | ConstantName:
    if isinstance(value, ConstantName):
        return value
    return _float32(value) if isinstance(value, (int, float)) else tuple(_float32(v) for v in value)


def _float32(value: float) -> float:
    with np.errstate(over="ignore"):  # what becomes infinite is refused
        return float(np.float32(value))


def _zeros(value: Any) -> int | tuple[int, ...] | ConstantName:
    if isinstance(value, (ConstantName, int)):
        return value
    zeros = tuple(int(v) for v in value)
    return zeros if any(zeros) else 0


@attrs.frozen
class Quantized:
    """Integers that stand for numbers: `(stored - zero) * scale`.

    `scale` and `zero` are numbers (per tensor), tuples with one for each index along `axis`, or the names of constants.
    Scales are float32 numbers: those that are not are rounded.
    With `block`, each scale is for that many neighbours along `axis` and must be named.
    Text: `q8<0.5:-12>`, `q8<[0.1, 0.2]:[0, 3] axis 0>`, `q4<@w.scale axis 0 block 32>`. After the quantization
    parameters of ONNX QuantizeLinear.

    Raises:
        ValueError: a scale is not positive and finite, a zero point does not fit the storage, or the parts do not fit
            together.
    """

    storage: DType
    scale: float | tuple[float, ...] | ConstantName = attrs.field(converter=_scales)
    zero: int | tuple[int, ...] | ConstantName = attrs.field(default=0, converter=_zeros)
    axis: int | None = None
    block: int = 0

    def __attrs_post_init__(self) -> None:
        if self.storage not in _WORDS:
            raise ValueError(f"quantized elements cannot be stored as {self.storage} (known: {', '.join(_STORAGES)})")
        for scale in _numbers(self.scale):
            if not (scale > 0 and math.isfinite(scale)):
                raise ValueError(f"a scale must be positive and finite, got {float_text(scale)}")
        low, high = self.storage.integer_range
        for zero in _numbers(self.zero):
            if not low <= zero <= high:
                raise ValueError(f"zero point {zero} is outside {low} to {high}, the range of {self.storage}")
        self._check_axis()

    def _check_axis(self) -> None:
        several = isinstance(self.scale, tuple)
        if self.axis is None:
            if several or isinstance(self.zero, tuple):
                raise ValueError("several scales or zero points need an axis")
            if self.block:
                raise ValueError("blocks need an axis")
            return
        if self.axis < 0:
            raise ValueError(f"the axis of a quantized type counts from the front, got {self.axis}")
        if isinstance(self.scale, float):
            raise ValueError("one scale for the whole tensor has no axis")
        if self.scale == () or self.zero == ():
            raise ValueError("there is no scale")
        if isinstance(self.scale, tuple) and isinstance(self.zero, tuple) and len(self.scale) != len(self.zero):
            raise ValueError(f"{len(self.scale)} scales but {len(self.zero)} zero points")
        if self.block < 0 or (self.block and not isinstance(self.scale, ConstantName)):
            raise ValueError("scales of blocks must be a constant, and blocks have at least 1 element")

    def __str__(self) -> str:
        return self.value

    @functools.cached_property
    def value(self) -> str:
        """The text form."""
        text = _parameter(self.scale)
        if self.zero != 0:
            text += f":{_parameter(self.zero)}"
        if self.axis is not None:
            text += f" axis {self.axis}"
        if self.block:
            text += f" block {self.block}"
        return f"{_WORDS[self.storage]}<{text}>"

    @property
    def numpy(self) -> np.dtype[Any]:
        """The NumPy dtype of the stored integers."""
        return self.storage.numpy

    @property
    def size(self) -> int:
        """Bytes of one stored element in an array."""
        return self.storage.size

    @property
    def bits(self) -> int:
        """Bits of one stored element."""
        return self.storage.bits

    @property
    def is_float(self) -> bool:
        return False

    @property
    def is_complex(self) -> bool:
        return False

    @property
    def is_inexact(self) -> bool:
        return False

    @property
    def is_integer(self) -> bool:
        """False: what is stored are integers, but they stand for other numbers."""
        return False

    @property
    def is_signed(self) -> bool:
        """Whether the stored integers can be negative."""
        return self.storage.is_signed

    def constant_names(self) -> tuple[str, ...]:
        """Names of the constants that hold scales and zero points."""
        return tuple(p.name for p in (self.scale, self.zero) if isinstance(p, ConstantName))

    def renamed(self, names: dict[str, str]) -> Quantized:
        """This type with constants renamed."""

        def new(value: N) -> N | ConstantName:
            return ConstantName(names.get(value.name, value.name)) if isinstance(value, ConstantName) else value

        return attrs.evolve(self, scale=new(self.scale), zero=new(self.zero))


ElementType: TypeAlias = "DType | Quantized"
N = TypeVar("N")


def _numbers(value: N | tuple[N, ...] | ConstantName) -> Iterator[N]:
    if isinstance(value, tuple):
        yield from value
    elif not isinstance(value, ConstantName):
        yield value


def _parameter(value: Any) -> str:
    if isinstance(value, tuple):
        return f"[{', '.join(_parameter(v) for v in value)}]"
    return float_text(shortest(value)) if isinstance(value, float) else str(value)


def shortest(scale: float) -> float:
    """The number with the shortest text that, rounded to float32, is a scale."""
    return float(str(np.float32(scale)))


# --- from text ---

_QUANTIZED = re.compile(r"(?P<word>\w+)\s*<(?P<body>.*)>\Z", re.DOTALL)
_NUMBER = r"[-+]?(?:\d+\.?\d*(?:[eE][-+]?\d+)?|\.\d+|inf|nan)"
_PARAMETER = rf'{_NUMBER}|\[[^\]]*\]|@[A-Za-z0-9_.$\-]+|@"(?:[^"\\]|\\.)*"'
_BODY = re.compile(
    rf"\s*(?P<scale>{_PARAMETER})\s*(?::\s*(?P<zero>{_PARAMETER})\s*)?"
    r"(?:\baxis\s+(?P<axis>\d+)\s*)?(?:\bblock\s+(?P<block>\d+)\s*)?\Z"
)


@functools.lru_cache(4096)
def element_type(text: str) -> ElementType:
    """The element type that is written so: a word such as `f32`, or a quantized type such as `q8<0.5:-12>`.

    Raises:
        ValueError: there is none.
    """
    try:
        return DType(text)
    except ValueError:
        pass
    if match := _QUANTIZED.match(text):
        return _quantized(match["word"], match["body"])
    if text in _STORAGES:
        raise ValueError(f"quantized type {text} needs its scale: {text}<0.5>, or {text}<0.5:3> with a zero point")
    if meant := _BY_NUMPY.get(text.lower()) or _ELSEWHERE.get(text.lower()):
        raise ValueError(f"unknown dtype {text!r}; did you mean {meant}?")
    raise ValueError(unknown("dtype", text, [*(d.value for d in DType), *_STORAGES]))


def _quantized(word: str, body: str) -> Quantized:
    if word not in _STORAGES:
        raise ValueError(unknown("quantized type", word, _STORAGES))
    match = _BODY.match(body)
    if match is None:
        raise ValueError(f"malformed quantized type {word}<{body}>; wanted {word}<scale:zero axis 0 block 32>")
    axis, block = match["axis"], match["block"]
    if block is not None and int(block) == 0:
        raise ValueError("blocks have at least 1 element")
    return Quantized(
        _STORAGES[word],
        _read(match["scale"], float),
        0 if match["zero"] is None else _read(match["zero"], int),
        None if axis is None else int(axis),
        0 if block is None else int(block),
    )


def _read(text: str, number: type[int] | type[float]) -> Any:
    if text.startswith("@"):
        return ConstantName(unquote(text[1:]) if text.startswith('@"') else text[1:])
    if text.startswith("["):
        items = [part.strip() for part in text[1:-1].split(",")]
        if "@" in text or "[" in text[1:]:
            raise ValueError(f"a quantized type wants numbers in a list, or the name of one constant, got {text!r}")
        return tuple(_read(part, number) for part in items if part or len(items) > 1)
    try:
        return number(text)
    except ValueError:
        what = "an integer" if number is int else "a number"
        raise ValueError(f"a quantized type wants {what}, got {text!r}") from None
