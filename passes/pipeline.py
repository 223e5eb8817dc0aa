"""Pipelines: passes as text.

    fold-batchnorm,fuse-activation{kinds=[relu,hard_swish]},repeat{pipeline="canonicalize,dce",max=5}

A pipeline is pass names with optional `{option=value,...}`, separated by commas; the name of a named pipeline stands
for its passes. An option may hold a pipeline itself, in quotes.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import attrs

from plait.ir.attributes import attribute_text
from plait.ir.diagnostics import Diagnostic, Span, did_you_mean
from plait.passes.base import OptionError, Pass, PassError
from plait.passes.option_text import NAME, OptionText
from plait.passes.registry import known_passes, pass_named

_PRECISE = "[batch_norm,layer_norm,local_response_norm,softmax,pow]"

PIPELINES: dict[str, str] = {
    # One spelling for each computation, nothing computed twice or in vain. dce comes first too: a dead reader keeps a
    # layer from being absorbed, and would do so only the first time.
    "canonical": "fold-constants,dce,canonicalize,cse,dce",
    # sink-layout first, for fusions need neighbours with no transpose in between; canonicalize again, since on data in
    # another order some layers have a shorter spelling. cse and dce stand before the fusions too: a second or dead
    # reader of a value keeps layers from being fused.
    "default": "fold-constants,dce,canonicalize,form-integer-layers,"
    "unsigned-activations,sink-layout,canonicalize,cse,dce,tabulate-bytes,"
    "fold-pad,fold-batchnorm,fold-bias,fuse-activation,fuse-residual,fuse-squeeze-excite,fuse-separable,nest-concat,"
    "cse,dce",
    # Normalisations and exponentials stay in f32: their sums and quotients need more digits or range than the data.
    "to-f16": f"default,convert-dtype{{to=f16,keep={_PRECISE}}},cse,dce",
    "to-bf16": f"default,convert-dtype{{to=bf16,keep={_PRECISE}}},cse,dce",
}
"""Named pipelines; others join by `register_pipeline`."""


def register_pipeline(name: str, text: str) -> None:
    """Make a named pipeline known. Its text is read when the name is used.

    Raises:
        ValueError: the name is no word of the grammar, or taken by a pass or another pipeline.
    """
    if not NAME.fullmatch(name):
        raise ValueError(f"{name!r} is not a name for a pipeline")
    if name in known_passes():
        raise ValueError(f"{name!r} is the name of a pass")
    if PIPELINES.setdefault(name, text) != text:
        raise ValueError(f"the pipeline {name!r} is registered already, as {PIPELINES[name]}")


@attrs.frozen
class Pipeline:
    """Passes with their options, in order. `str(pipeline)` is its text, and `Pipeline.parse(str(p)) == p`."""

    passes: tuple[Pass, ...] = ()

    @classmethod
    def parse(cls, text: str, file: str = "<pipeline>") -> Pipeline:
        """Read the text of a pipeline; an empty text is the empty pipeline.

        Raises:
            PassError: P201 at the place of the error.
        """
        return cls(_Reader(text, file).read())

    def attribute_text(self) -> str:
        """The pipeline as the value of an option."""
        return attribute_text(str(self))

    def walk(self) -> Iterator[Pass]:
        """All passes, each followed by those of the pipelines in its options."""
        for one in self.passes:
            yield one
            for field in attrs.fields(type(one)):
                if isinstance(value := getattr(one, field.name), Pipeline):
                    yield from value.walk()

    def __str__(self) -> str:
        return ",".join(str(p) for p in self.passes)

    def __iter__(self) -> Iterator[Pass]:
        return iter(self.passes)

    def __len__(self) -> int:
        return len(self.passes)


def pipeline_option(value: str | Sequence[str] | Pipeline) -> Pipeline:
    """Converter of options that hold a pipeline: its text, or a list of names.

    Raises:
        PassError: P201, the place counted within the text.
    """
    if isinstance(value, Pipeline):
        return value
    words = (value,) if isinstance(value, str) else value
    if not isinstance(words, (tuple, list)) or not all(isinstance(w, str) for w in words):
        raise TypeError(f'wants a pipeline in quotes, such as "canonicalize,dce", got {value!r}')
    return Pipeline.parse(",".join(words))


class _Reader(OptionText):
    code, failure = "P201", PassError

    def __init__(self, text: str, file: str, within: tuple[str, ...] = ()) -> None:
        super().__init__(text, file)
        self.within = within
        """Named pipelines that are being read."""

    def read(self) -> tuple[Pass, ...]:
        passes: list[Pass] = []
        self.space()
        if self.at == len(self.text):
            return ()
        while True:
            passes += self.item()
            self.space()
            if self.at == len(self.text):
                return tuple(passes)
            if self.text[self.at] != ",":
                message = f"unexpected {self.text[self.at]!r}; expected ',' between passes"
                raise self.error(self.at, self.at + 1, message)
            self.at += 1
            self.space()

    def item(self) -> tuple[Pass, ...]:
        match = NAME.match(self.text, self.at)
        if match is None:
            found = repr(self.text[self.at]) if self.at < len(self.text) else "end of the pipeline"
            raise self.error(self.at, self.at + 1, f"unexpected {found}; expected the name of a pass")
        name, start, self.at = match.group(), match.start(), match.end()
        self.space()
        braces = self.text.startswith("{", self.at)
        if name in PIPELINES:
            if braces:
                raise self.error(self.at, self.at + 1, f"the named pipeline {name!r} takes no options")
            if name in self.within:
                raise self.error(start, match.end(), f"the named pipeline {name!r} holds itself")
            return _Reader(PIPELINES[name], f"<pipeline {name}>", (*self.within, name)).read()
        try:
            cls = pass_named(name)
        except PassError as error:
            hint = did_you_mean(name, (*known_passes(), *PIPELINES)) or error.diagnostics[0].hint
            raise self.error(start, match.end(), f"unknown pass {name!r}", hint) from None
        options, places = self.options() if braces else ({}, {})
        try:
            return (cls.from_options(options),)
        except OptionError as error:
            name_place, value = places.get(error.option) or (self.span(start, match.end()), None)
            place = self.inner(value, error.inside) or name_place
            raise PassError(Diagnostic("P201", str(error), place, hint=error.hint)) from None

    def inner(self, value: Any, inside: Span | None) -> Span | None:
        """A place within a quoted text as a place of the whole text, if its columns are those of the text it means."""
        line, column = getattr(value, "line", None), getattr(value, "column", None)
        if inside is None or line is None or column is None or inside.line != 1 or "\\" in str(value):
            return None
        # One for the quotation mark; a bare word has none.
        shift = column - (0 if str(value)[:1] == '"' else 1)
        width = inside.end - inside.column
        return Span(
            self.source.file,
            line,
            shift + inside.column,
            shift + inside.column + width,
            self.source.lines[line - 1],
        )
