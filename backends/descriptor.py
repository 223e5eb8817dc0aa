"""Names of routines, and patterns over them.

A routine's path is `device/dtype/layout/algorithm[variant]`, e.g. `cpu/f32/nchw16c/direct[tile=14x2]`. Patterns are
written with the same words, any of them left out or a wildcard, and optionally end in the layers they are for:

    cpu/f32/nchw16c        every algorithm in this layout
    cpu:nchw/gemm*@2..23   layers 2 to 23
    */naive@conv_1,fc*     layers by name

SoftNeuro's descriptors (`DEVICE[:DTYPE][:CH][/LEVEL][/AUX][@INDICES]`) are patterns too: fields are told apart by
spelling, and its words are taken as aliases: `float32`, `qint8`, `chf` (nchw), `chl` (nhwc), `fast` and `faster` (any
algorithm but naive and reference). What follows `fast` or `faster` (AUX) is the name of an algorithm.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from fnmatch import fnmatchcase
from typing import Any

import attrs

from plait.backends.errors import DescriptorError
from plait.ir.diagnostics import Diagnostic, Span
from plait.ir.layout import ROW_WORD
from plait.ir.types import DType

_PATH = re.compile(r"([^/\[\]]+)/([^/\[\]]+)/([^/\[\]]+)/([^/\[\]]+)(?:\[([^\]]*)\])?\Z")
_DTYPE_ALIASES = {
    "float32": "f32",
    "float16": "f16",
    "bfloat16": "bf16",
    "float64": "f64",
    "int64": "i64",
    "int32": "i32",
    "qint8": "q8",
}
_LAYOUT_ALIASES = {"chf": "nchw", "chl": "nhwc"}
_LAYOUT = re.compile(rf"(nchw|nhwc|{ROW_WORD}|nchw\d+c|nchw\*c?)\Z")
ANY_WORD = "any"
"""The dtype, or layout, in the path of a routine that takes all."""
_DTYPES = frozenset({ANY_WORD, "q8", *(d.value for d in DType)})
_ORDINARY = frozenset({"fast", "faster"})
_SLOW = ("naive", "reference")


@attrs.frozen
class RoutinePath:
    """`device/dtype/layout/algorithm[variant]`."""

    device: str
    dtype: str
    layout: str
    algorithm: str
    variant: str = ""

    def __str__(self) -> str:
        return f"{self.device}/{self.dtype}/{self.layout}/{self.algorithm}" + (
            f"[{self.variant}]" if self.variant else ""
        )

    @property
    def base(self) -> str:
        """The path without the variant."""
        return str(attrs.evolve(self, variant=""))

    @staticmethod
    def parse(text: str) -> RoutinePath:
        """Read a full path.

        Raises:
            DescriptorError: malformed.
        """
        match = _PATH.match(text)
        if not match:
            raise _malformed(
                text, 0, len(text), "a routine path is device/dtype/layout/algorithm, optionally with [variant]"
            )
        return RoutinePath(*(part or "" for part in match.groups()))


@attrs.frozen
class LayerSet:
    """Layers by position (inclusive ranges, counted from 0) or by name pattern; empty means all."""

    ranges: tuple[tuple[int, int], ...] = ()
    names: tuple[str, ...] = ()

    def __contains__(self, layer: tuple[int, str]) -> bool:
        index, name = layer
        if not self.ranges and not self.names:
            return True
        return any(a <= index <= b for a, b in self.ranges) or any(fnmatchcase(name, p) for p in self.names)


@attrs.frozen
class RoutinePattern:
    """A filter over routine paths; empty fields match everything."""

    text: str
    device: str = "*"
    dtype: str = "*"
    layout: str = "*"
    algorithm: str = "*"
    variant: str = "*"
    layers: LayerSet = LayerSet()
    lenient: bool = False
    """Layers that are named and have no such routine are left alone, rather than refused."""

    @property
    def is_about_layers(self) -> bool:
        """Whether it names layers, rather than being for all of them."""
        return bool(self.layers.ranges or self.layers.names)

    def matches(self, path: RoutinePath) -> bool:
        """Whether `path` is one of the routines described."""
        if self.algorithm in _ORDINARY:
            algorithm = path.algorithm not in _SLOW
        else:
            algorithm = fnmatchcase(path.algorithm, self.algorithm)
        # Row-major tensors that are not images have no layout to choose, and some routines take all: a layout pattern
        # does not exclude them.
        layout = path.layout in (ROW_WORD, ANY_WORD) or fnmatchcase(path.layout, self.layout)
        return (
            algorithm
            and layout
            and fnmatchcase(path.device, self.device)
            and fnmatchcase(path.dtype, self.dtype)
            and any(fnmatchcase(v, self.variant) for v in (path.variant, path.variant.partition(",split=")[0]))
        )

    @staticmethod
    def parse(text: str) -> RoutinePattern:
        """Read a pattern.

        Raises:
            DescriptorError: malformed, with a caret under the field.
        """
        body, at, layers = text.partition("@")
        fields: dict[str, Any] = {}
        for position, match in enumerate(re.finditer(r"[^:/]+", body)):
            word = match.group()
            name = _field(word, position)
            if name == "algorithm" and name in fields and fields[name] not in _ORDINARY:
                name = "variant"
            if name in fields and fields[name] not in _ORDINARY:
                raise _malformed(text, match.start(), match.end(), f"{word!r} is a second {name}")
            if not re.fullmatch(r"[A-Za-z0-9_.*?,=\-\[\]]+", word):
                raise _malformed(text, match.start(), match.end(), f"{word!r} is not a field of a routine descriptor")
            if name == "algorithm" and word.endswith("]") and "[" in word:
                word, _, variant = word[:-1].partition("[")
                fields["variant"] = variant
            fields[name] = _LAYOUT_ALIASES.get(_DTYPE_ALIASES.get(word, word), _DTYPE_ALIASES.get(word, word))
        if not fields:
            raise _malformed(text, 0, max(1, len(body)), "a routine descriptor starts with a device, such as cpu or *")
        return RoutinePattern(text, layers=_layers(text, len(body) + 1, layers) if at else LayerSet(), **fields)


def allowed(patterns: Sequence[RoutinePattern], index: int, name: str) -> RoutinePattern | None:
    """The pattern in force for a layer: the last one that names it, or None."""
    return next((p for p in reversed(patterns) if (index, name) in p.layers), None)


def _field(word: str, position: int) -> str:
    if position == 0:
        return "device"
    if word == ANY_WORD and position == 2:
        return "layout"
    if word in _DTYPE_ALIASES or word in _DTYPES:
        return "dtype"
    if word in _LAYOUT_ALIASES or _LAYOUT.match(word):
        return "layout"
    # `*` stands for the field that its place has in a full path; elsewhere for any algorithm.
    return {1: "dtype", 2: "layout"}.get(position, "algorithm") if word == "*" else "algorithm"


def _layers(text: str, start: int, spec: str) -> LayerSet:
    ranges: list[tuple[int, int]] = []
    names: list[str] = []
    for part in spec.split(","):
        if match := re.fullmatch(r"(\d+)(?:\.\.(\d+))?", part):
            first, last = int(match.group(1)), int(match.group(2) or match.group(1))
            if last < first:
                raise _malformed(text, start, start + len(part), f"the range {part} is empty: it ends before it starts")
            ranges.append((first, last))
        elif part:
            names.append(part)
        else:
            raise _malformed(text, start, start + 1, "a layer number, range or name is missing")
        start += len(part) + 1
    return LayerSet(tuple(ranges), tuple(names))


def _malformed(text: str, start: int, end: int, message: str) -> DescriptorError:
    return DescriptorError(Diagnostic("P404", message, Span("--routine", 1, start + 1, max(end, start + 1) + 1, text)))
