"""Symbolic dimensions: integers and named symbols with exact integer arithmetic.

A `Dim` is a polynomial with integer coefficients over *atoms*: symbols, and floor divisions or remainders of other dims
that do not simplify. The normal form makes equal polynomials equal objects, so `H * 2 + 1 == 1 + H + H`. A dim without
symbols is a plain `int`.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Mapping
from typing import TypeAlias

import attrs

_PARENTHESES = 64
_TERMS = 1000
SYMBOL = re.compile(r"[A-Za-wyz_][A-Za-wyz0-9_]*\Z")
"""Symbol names have no lower-case `x`, which separates dimensions in the text form."""


@attrs.frozen
class Symbol:
    """A named unknown of at least 1."""

    name: str

    def __str__(self) -> str:
        return self.name


@attrs.frozen
class Quotient:
    """Floor division (`op == "/"`) or remainder (`op == "%"`) that did not simplify."""

    op: str
    numerator: Dim
    denominator: Dimension

    def __str__(self) -> str:
        bottom = f"({self.denominator})" if isinstance(self.denominator, Dim) else str(self.denominator)
        return f"({self.numerator}){self.op}{bottom}"


Atom: TypeAlias = "Symbol | Quotient"
Monomial = tuple[Atom, ...]


@attrs.frozen
class Dim:
    """A polynomial over atoms: `terms` maps sorted monomials to non-zero coefficients, as a sorted tuple."""

    terms: tuple[tuple[Monomial, int], ...]

    def __add__(self, other: Dimension) -> Dimension:
        return _sum(_terms(self), _terms(other))

    __radd__ = __add__

    def __neg__(self) -> Dimension:
        return self * -1

    def __sub__(self, other: Dimension) -> Dimension:
        return self + (-other)

    def __rsub__(self, other: Dimension) -> Dimension:
        return -self + other

    def __mul__(self, other: Dimension) -> Dimension:
        product: dict[Monomial, int] = {}
        for a, ca in _terms(self).items():
            for b, cb in _terms(other).items():
                key = tuple(sorted(a + b, key=str))
                product[key] = product.get(key, 0) + ca * cb
        return _make(product)

    __rmul__ = __mul__

    def __floordiv__(self, other: Dimension) -> Dimension:
        return _divide("/", self, other)

    def __rfloordiv__(self, other: int) -> Dimension:
        return _make({(Quotient("/", _as_dim(other), self),): 1})

    def __mod__(self, other: Dimension) -> Dimension:
        return _divide("%", self, other)

    def __rmod__(self, other: int) -> Dimension:
        return _make({(Quotient("%", _as_dim(other), self),): 1})

    def __str__(self) -> str:
        text = ""
        for monomial, coefficient in self.terms:
            factors = [] if abs(coefficient) == 1 and monomial else [str(abs(coefficient))]
            for atom in monomial:
                # Operators of one level read from the left: 2*(H)/2 is H, unlike 2*((H)/2).
                factors.append(f"({atom})" if factors and isinstance(atom, Quotient) else str(atom))
            sign = "-" if coefficient < 0 else "+" if text else ""
            text += sign + "*".join(factors)
        return text

    def symbols(self) -> frozenset[str]:
        """Names of all symbols in this dim."""
        found: set[str] = set()
        for monomial, _ in self.terms:
            for atom in monomial:
                if isinstance(atom, Symbol):
                    found.add(atom.name)
                else:
                    for part in (atom.numerator, atom.denominator):
                        if isinstance(part, Dim):
                            found |= part.symbols()
        return frozenset(found)


Dimension: TypeAlias = "int | Dim"


def symbol(name: str) -> Dim:
    """The dim that is just the symbol `name`.

    Raises:
        ValueError: `name` is not an identifier or contains a lower-case `x`.
    """
    if not SYMBOL.match(name):
        raise ValueError(f"{name!r} is not a name for a dimension (letters, digits, _, no lower-case x)")
    return Dim((((Symbol(name),), 1),))


def substitute(dim: Dimension, bindings: Mapping[str, Dimension]) -> Dimension:
    """`dim` with symbols replaced; an `int` when all its symbols are bound to integers."""
    if isinstance(dim, int):
        return dim
    total: Dimension = 0
    for monomial, coefficient in dim.terms:
        term: Dimension = coefficient
        for atom in monomial:
            term = term * _substitute_atom(atom, bindings)
        total = total + term
    return total


def parse_dim(text: str) -> Dimension:
    """Read a dimension written as `str(dim)` writes it: `H*2+1`, `(H+1)/2`, `128`.

    Raises:
        ValueError: malformed text.
    """
    if text.isascii() and text.isdigit():
        return int(text)
    if text.count("(") > _PARENTHESES:
        raise ValueError(f"a dimension has more than {_PARENTHESES} parentheses")
    tokens = re.findall(r"\d+|[A-Za-wyz_][A-Za-wyz0-9_]*|[-+*/%()]|\S", text)
    value, rest = _parse_sum(tokens)
    if rest:
        raise ValueError(f"unexpected {rest[0]!r} in dimension {text!r}")
    return value


@functools.lru_cache(65536)
def parse_shape(text: str) -> tuple[Dimension, ...]:
    """Read dimensions separated by `x`: `1x3xH*2`; nothing is a scalar's shape.

    Raises:
        ValueError: malformed text, or a dimension that is a negative number.
    """
    if "," in text:
        meant = "x".join(part.strip() for part in text.split(","))
        raise ValueError(f"sizes are separated by x, not by commas; did you mean [{meant}]?")
    dims = tuple(parse_dim(part) for part in text.split("x")) if text.strip() else ()
    if any(isinstance(d, int) and d < 0 for d in dims):
        raise ValueError("a dimension is negative")
    return dims


def _parse_sum(tokens: list[str]) -> tuple[Dimension, list[str]]:
    negative = bool(tokens) and tokens[0] == "-"
    value, tokens = _parse_product(tokens[1:] if negative else tokens)
    value = -value if negative else value
    while tokens and tokens[0] in "+-":
        sign, tokens = tokens[0], tokens[1:]
        term, tokens = _parse_product(tokens)
        value = value + term if sign == "+" else value - term
    return value, tokens


def _parse_product(tokens: list[str]) -> tuple[Dimension, list[str]]:
    value, tokens = _parse_atom(tokens)
    while tokens and tokens[0] in "*/%":
        op, tokens = tokens[0], tokens[1:]
        factor, tokens = _parse_atom(tokens)
        if op != "*" and factor == 0:
            raise ValueError("division by zero in a dimension")
        value = value * factor if op == "*" else value // factor if op == "/" else value % factor
    return value, tokens


def _parse_atom(tokens: list[str]) -> tuple[Dimension, list[str]]:
    if not tokens:
        raise ValueError("a dimension ends too early")
    head, rest = tokens[0], tokens[1:]
    if head.isascii() and head.isdigit():
        return int(head), rest
    if head == "(":
        value, rest = _parse_sum(rest)
        if not rest or rest[0] != ")":
            raise ValueError("missing ')' in a dimension")
        return value, rest[1:]
    if head == "?":
        raise ValueError("a size that is not known has a name, such as N")
    return symbol(head), rest


def _terms(dim: Dimension) -> dict[Monomial, int]:
    return {(): dim} if isinstance(dim, int) else dict(dim.terms)


def _as_dim(value: int) -> Dim:
    return Dim((((), value),))


def _make(terms: Mapping[Monomial, int]) -> Dimension:
    kept = {m: c for m, c in terms.items() if c != 0}
    if not kept:
        return 0
    if len(kept) == 1 and () in kept:
        return kept[()]
    if len(kept) > _TERMS:
        raise ValueError(f"a dimension has more than {_TERMS} terms")
    quotients = [atom for monomial in kept for atom in monomial if isinstance(atom, Quotient)]
    if sum(str(q).count("(") + 1 for q in quotients) > _PARENTHESES:  # the text could not be read back
        raise ValueError("a dimension is a quotient of too many others")
    # Constant last, higher degree first: H*W+2*H+1.
    return Dim(tuple(sorted(kept.items(), key=lambda mc: (-len(mc[0]), [str(a) for a in mc[0]]))))


def _sum(a: dict[Monomial, int], b: dict[Monomial, int]) -> Dimension:
    total = dict(a)
    for monomial, coefficient in b.items():
        total[monomial] = total.get(monomial, 0) + coefficient
    return _make(total)


def _divide(op: str, a: Dim, b: Dimension) -> Dimension:
    if isinstance(b, int):
        if b == 1:
            return a if op == "/" else 0
        # Multiples of b leave the quotient exactly, (5*H - 1) / 2 = 2*H - 1 + (H + 1) / 2, which makes equal quotients
        # equal objects.
        exact = {m: c // b for m, c in a.terms}
        rest = _make({m: c % b for m, c in a.terms})
        small: Dimension
        if isinstance(rest, int):
            small = rest // b if op == "/" else rest % b
        else:
            small = _make({(Quotient(op, rest, b),): 1})
        return _make(exact) + small if op == "/" else small
    if a == b:
        return 1 if op == "/" else 0
    return _make({(Quotient(op, a, b),): 1})


def _substitute_atom(atom: Atom, bindings: Mapping[str, Dimension]) -> Dimension:
    if isinstance(atom, Symbol):
        return bindings.get(atom.name, symbol(atom.name))
    top, bottom = substitute(atom.numerator, bindings), substitute(atom.denominator, bindings)
    return top // bottom if atom.op == "/" else top % bottom
