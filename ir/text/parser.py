"""From records to modules: names are resolved, layers made, everything checked. All errors of a text are reported at
once."""

from __future__ import annotations

import gc
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import lark

from plait.ir.diagnostics import Diagnostic, IRError
from plait.ir.literals import read_literal
from plait.ir.module import Function, Module
from plait.ir.text.layers import LayerReader, Names
from plait.ir.text.printer import constant_type
from plait.ir.text.records import (
    DeclaredSyntax,
    Fault,
    ModuleSyntax,
    NetSyntax,
    Source,
    TypeSyntax,
    WeightsSyntax,
)
from plait.ir.text.syntax import BadLiteral, key_of, name_of, plain, read, read_on
from plait.ir.types import TensorType, Type
from plait.ir.values import Array, Constant
from plait.ir.verify import diagnose

WeightsLoader = Callable[[str, str, dict[str, TensorType]], dict[str, Callable[[], Array]]]
"""(file name, hash or "", declared types) -> loader of each constant. Raises IRError P007."""


def parse_module(
    text: str,
    file: str = "<text>",
    *,
    weights: WeightsLoader | None = None,
    allow_unknown: bool = False,
    check: bool = True,
) -> Module:
    """Read the text form, or generic MLIR text (see `plait.ir.generic`).

    Args:
        text: the whole text.
        file: its name, for diagnostics.
        weights: how to get the constants that stand in a weights file; None leaves them unloaded (shapes only).
        allow_unknown: accept layers of unregistered kinds.
        check: run the verifier.

    Raises:
        IRError: every error found, each at its place.
    """
    module, errors = parse_partial(text, file, weights=weights, allow_unknown=allow_unknown, check=check)
    if errors:
        raise IRError(errors)
    return module


def parse_partial(
    text: str,
    file: str = "<text>",
    *,
    weights: WeightsLoader | None = None,
    allow_unknown: bool = False,
    check: bool = True,
) -> tuple[Module, list[Diagnostic]]:
    """As `parse_module`, but returns what could be made of the text, and the errors in the order of the text.

    The module holds what is right: for editors, not for passes, if there are errors.
    """
    with _no_garbage_collection():
        try:
            source, syntax, errors, lost = _records(text, file)
        except IRError as error:
            return Module(), list(error.diagnostics)
        builder = _Builder(source, weights, allow_unknown, lost)
        builder.errors += errors
        module = builder.build(syntax, check)
    return module, sorted(builder.errors, key=lambda d: (d.span.line, d.span.column) if d.span else (1 << 30, 0))


def is_generic(text: str) -> bool:
    """Whether this is generic MLIR text rather than the text form."""
    return _GENERIC.match(text) is not None


_GENERIC = re.compile(r'(?:\s|//[^\n]*\n)*+"builtin\.module"')


def _records(text: str, file: str) -> tuple[Source, ModuleSyntax, list[Diagnostic], set[str]]:
    if is_generic(text):
        from plait.ir.generic.reader import read_generic

        return (*read_generic(text, file), set())
    source = Source.of(file, text)
    return (source, *read_on(text, source))


@contextmanager
def _no_garbage_collection() -> Iterator[None]:
    """Reading makes many objects and no garbage: collections would look at all of them again and again, which makes
    the time grow faster than the text."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


def parse_attributes(text: str, file: str = "<options>") -> dict[str, Any]:
    """Read `{name = value, ...}` as used for layer attributes and pass options.

    Raises:
        IRError: P001 or P006 at the place.
    """
    source = Source.of(file, text)
    try:
        found: dict[str, Any] = plain(read(text, source, "attributes"))
    except BadLiteral as bad:
        raise IRError(Diagnostic("P006", bad.fault.message, source.span(bad.fault.token))) from None
    return found


class _Builder:
    def __init__(self, source: Source, weights: WeightsLoader | None, allow_unknown: bool, lost: set[str]) -> None:
        self.source = source
        self.weights = weights
        self.allow_unknown = allow_unknown
        self.lost = lost
        self.module = Module()
        self.errors: list[Diagnostic] = []

    def error(self, code: str, token: lark.Token, message: str, hint: str = "") -> None:
        self.errors.append(Diagnostic(code, message, self.source.span(token), hint=hint))

    def type_of(self, syntax: TypeSyntax) -> Type | None:
        """The type, or None after reporting that it is malformed."""
        if isinstance(syntax.type, Fault):
            self.error("P006", syntax.type.token, syntax.type.message)
            return None
        return syntax.type

    def name(self, token: lark.Token) -> str:
        """The name in a token; a malformed one is reported and stands for itself."""
        try:
            return name_of(token)
        except BadLiteral as bad:
            self.error("P006", token, bad.fault.message)
            return str(token)

    def string(self, token: lark.Token) -> str:
        """A word, or the content of a string token; a malformed one is reported and stands for itself."""
        try:
            return key_of(token)
        except BadLiteral as bad:
            self.error("P006", token, bad.fault.message)
            return str(token)

    def build(self, syntax: ModuleSyntax, check: bool) -> Module:
        if str(syntax.version) != "1":
            self.error(
                "P005", syntax.version, f"text form version {syntax.version} is not supported", "this is version 1"
            )
        for item in syntax.items:
            if isinstance(item, WeightsSyntax):
                self.add_weights(item)
            elif isinstance(item, DeclaredSyntax):
                self.add_inline(item)
        for item in syntax.items:
            if isinstance(item, NetSyntax):
                self.add_net(item)
        if check and not self.errors:
            self.errors = diagnose(self.module, allow_unknown=self.allow_unknown)
        return self.module

    # --- constants ---

    def add_weights(self, item: WeightsSyntax) -> None:
        file = self.string(item.file)
        self.module.weights_file = file
        declared: dict[str, TensorType] = {}
        for constant in item.constants:
            type = self.constant_type(constant)
            name = self.name(constant.name)
            if type is None:
                self.lost.add(str(constant.name))
            elif name in declared:
                self.error("P002", constant.name, f"@{name} is defined twice")
            else:
                declared[name] = type
        loaders: dict[str, Callable[[], Array]] = {}
        if self.weights is not None:
            try:
                loaders = self.weights(file, item.hash, declared)
            except IRError as error:
                self.errors += [
                    Diagnostic(d.code, d.message, self.source.span(item.file), hint=d.hint) for d in error.diagnostics
                ]
        tokens = {self.name(c.name): c.name for c in item.constants}
        for name, type in declared.items():
            self.adopt(tokens[name], Constant(name, type=type, load=loaders.get(name)))

    def constant_type(self, item: DeclaredSyntax) -> TensorType | None:
        type = self.type_of(item.type)
        if isinstance(type, TensorType) and not type.is_static:
            self.error("P006", item.type.token, f"the sizes of a constant must be numbers, got {type}")
        elif type is None or isinstance(type, TensorType):
            return type
        else:
            self.error("P006", item.type.token, f"a constant must be a tensor, not {type}")
        return None

    def add_inline(self, item: DeclaredSyntax) -> None:
        constant = self.inline(item)
        if constant is None:
            self.lost.add(str(item.name))
        else:
            self.adopt(item.name, constant)

    def inline(self, item: DeclaredSyntax) -> Constant | None:
        """The constant; None after reporting why there is none."""
        name, type = self.name(item.name), self.constant_type(item)
        if type is None:
            return None
        try:
            literal = plain(item.literal)
        except BadLiteral as bad:
            self.error("P006", bad.fault.at(item.name), bad.fault.message)
            return None
        count = len(literal) if isinstance(literal, tuple) else 1
        if isinstance(literal, tuple) and any(isinstance(v, tuple) for v in literal):
            self.error("P006", item.name, f"@{name}: the elements stand in one list, whatever the shape")
            return None
        if type.elements != count:
            self.error("P006", item.name, f"@{name} has type {constant_type(type)} but {count} elements")
            return None
        try:
            return Constant(name, read_literal(literal, type), type=type)
        except (ValueError, TypeError, OverflowError) as error:
            self.error("P006", item.name, f"@{name}: {error}")
            return None

    def adopt(self, token: lark.Token, constant: Constant) -> None:
        if constant.name in self.module.constants:
            self.error("P002", token, f"@{constant.name} is defined twice")
        else:
            self.module.adopt(constant)

    # --- nets ---

    def add_net(self, net: NetSyntax) -> None:
        name = self.name(net.name)
        if name in self.module.functions:
            self.error("P002", net.name, f"net @{name} is defined twice")
            return
        function = Function(name)
        function.comment, function.span = self.source.comment_above(net.name), self.source.span(net.name)
        names = Names(net.body, self.lost)
        LayerReader(self, names).fill(function.body, net.body)
        if len(function.outputs) == len(net.body.outputs):
            function.output_names = [
                self.name(o.value) if o.name is None else self.string(o.name) for o in net.body.outputs
            ]
        self.module.functions[name] = function
