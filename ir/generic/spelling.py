"""How MLIR spells strings, numbers, symbols, keys and SSA names."""

from __future__ import annotations

import math
import re
import struct

_KEY = re.compile(r"[A-Za-z_][A-Za-z0-9_$.]*\Z")
_SSA = re.compile(r"(?:[0-9]+|[A-Za-z$._\-][A-Za-z0-9$._\-]*)\Z")
_NOT_SSA = re.compile(r"[^A-Za-z0-9$._\-]")
_ESCAPED = re.compile(r'["\\\x00-\x1f\x7f\ud800-\udfff]')
_ESCAPE = re.compile(rb'\\(?:([nt"\\])|([0-9A-Fa-f]{2}))?')
_LETTERS = {b"n": b"\n", b"t": b"\t", b'"': b'"', b"\\": b"\\"}


def string(text: str) -> str:
    """A string literal: other characters than quotes, backslashes and control characters stand as they are."""
    return f'"{_ESCAPED.sub(_escape, text)}"'


def _escape(match: re.Match[str]) -> str:
    character = match.group()
    if character in '"\\':
        return f"\\{character}"
    # MLIR strings hold bytes. Half of a surrogate pair has none; what it would have says most.
    return "".join(f"\\{byte:02X}" for byte in character.encode("utf-8", "surrogatepass"))


def unescape(literal: str) -> str:
    """The text in a string literal.

    Raises:
        ValueError: it has an escape that MLIR does not have, or is not UTF-8.
    """

    def resolve(match: re.Match[bytes]) -> bytes:
        letter, digits = match.groups()
        if letter is None and digits is None:
            raise ValueError('after a backslash stands one of " \\ n t, or two hexadecimal digits')
        return _LETTERS[letter] if digits is None else bytes.fromhex(digits.decode())

    return _ESCAPE.sub(resolve, literal[1:-1].encode("utf-8", "surrogatepass")).decode("utf-8")


def stands_anywhere(text: str) -> bool:
    """Whether xDSL reads the literal of this text everywhere: where there are escapes and other characters than ASCII,
    it takes them for bytes, which only attributes may be."""
    return text.isascii() or not _ESCAPED.search(text)


def key(name: str) -> str:
    """The name of an attribute, in quotes if it needs them; `is_key` tells which names can be one."""
    return name if _KEY.match(name) else string(name)


def is_key(name: str) -> bool:
    """Whether this can be the name of an attribute."""
    return name != "" and stands_anywhere(name)


def symbol(name: str) -> str:
    """A reference to a symbol: `@main`."""
    return f"@{key(name)}"


def integer(value: int) -> str:
    """An integer attribute, as wide as it needs to be: `3 : i64`."""
    bits = 64
    while not -(1 << bits - 1) <= value < 1 << bits - 1:
        bits *= 2
    return f"{value} : i{bits}"


def fits_i64(value: object) -> bool:
    """Whether this is an integer of 64 bits (and no truth value)."""
    return type(value) is int and -(1 << 63) <= value < 1 << 63


def real(value: float) -> str:
    """A number as MLIR writes literals, always with a point; the bits if it is not finite."""
    if not math.isfinite(value):
        return f"0x{struct.unpack('<Q', struct.pack('<d', value))[0]:016X}"
    mantissa, e, exponent = repr(float(value)).partition("e")
    return f"{mantissa}{'' if '.' in mantissa else '.0'}{e}{exponent}"


class SsaNames:
    """Names of values as MLIR allows them, each given once. They are for people: exact names stand in attributes."""

    def __init__(self) -> None:
        self._taken: set[str] = set()
        self._counts: dict[str, int] = {}

    def take(self, name: str) -> str:
        """A free name, as like the wanted one as may be."""
        base = name if _SSA.match(name) else _NOT_SSA.sub("_", name)
        if not _SSA.match(base):  # empty, or it starts with a digit
            base = f"_{base}"
        found = base
        while found in self._taken:
            count = self._counts[base] = self._counts.get(base, 0) + 1
            found = f"_{base}_{count}" if base.isdigit() else f"{base}_{count}"
        self._taken.add(found)
        return f"%{found}"

    def nested(self) -> SsaNames:
        """Names for a function, which sees those given so far."""
        inner = SsaNames()
        inner._taken |= self._taken
        return inner
