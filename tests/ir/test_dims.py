"""Dimension arithmetic against integers."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from plait.ir.dims import Dim, Dimension, parse_dim, parse_shape, substitute, symbol

SIZES = st.fixed_dictionaries({"H": st.integers(1, 50), "W": st.integers(1, 50), "N": st.integers(1, 50)})
Pair = tuple[Dimension, str]


def _binary(children: st.SearchStrategy[Pair]) -> st.SearchStrategy[Pair]:
    def sums(a: Pair, op: str, b: Pair) -> Pair:
        value = a[0] + b[0] if op == "+" else a[0] - b[0] if op == "-" else a[0] * b[0]
        return value, f"({a[1]}{op}{b[1]})"

    def quotients(a: Pair, op: str, b: int) -> Pair:
        return (a[0] // b if op == "//" else a[0] % b), f"({a[1]}{op}{b})"

    return st.builds(sums, children, st.sampled_from("+-*"), children) | st.builds(
        quotients, children, st.sampled_from(["//", "%"]), st.integers(1, 6)
    )


EXPRESSIONS = st.recursive(
    st.integers(-9, 9).map(lambda n: (n, f"({n})")) | st.sampled_from("HWN").map(lambda s: (symbol(s), s)),
    _binary,
    max_leaves=8,
)


@given(EXPRESSIONS, SIZES)
def test_arithmetic_agrees_with_integers(pair: Pair, sizes: dict[str, int]) -> None:
    dim, text = pair
    assert substitute(dim, sizes) == eval(text, {}, sizes)  # the text is made above


@given(EXPRESSIONS)
def test_text_reads_back(pair: Pair) -> None:
    assert parse_dim(str(pair[0])) == pair[0]


@given(EXPRESSIONS, SIZES)
def test_binding_one_symbol_at_a_time(pair: Pair, sizes: dict[str, int]) -> None:
    dim = pair[0]
    for name, size in sizes.items():
        dim = substitute(dim, {name: size})
        assert not isinstance(dim, Dim) or name not in dim.symbols()
    assert dim == substitute(pair[0], sizes)


@pytest.mark.parametrize(
    ("text", "printed"),
    [
        ("1+H+H", "2*H+1"),
        ("H*W-W*H", "0"),
        ("(H+1)*(H-1)", "H*H-1"),
        ("(5*H-1)/2", None),
        ("(H*4)/4", "H"),
        ("H%1", "0"),
        ("H/H", "1"),
        ("2*(H+W)", "2*H+2*W"),
        ("-H+2", None),
        ("7/2", "3"),
    ],
)
def test_normal_form(text: str, printed: str | None) -> None:
    dim = parse_dim(text)
    assert printed is None or str(dim) == printed
    assert parse_dim(str(dim)) == dim


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "ends too early"),
        ("H+", "ends too early"),
        ("(H", "missing '\\)'"),
        ("H H", "unexpected 'H'"),
        ("H/0", "division by zero"),
        ("$", "not a name"),
        ("Hx", "unexpected|not a name"),
    ],
)
def test_malformed_text(text: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        parse_dim(text)


def test_quotients_that_could_not_be_read_back() -> None:
    with pytest.raises(ValueError, match="a quotient of too many others"):
        parse_dim("N" + "".join(f"/{n}" for n in range(3, 900)))
    with pytest.raises(ValueError, match="a quotient of too many others"):
        sum((symbol(f"a{n}") // 2 for n in range(40)), start=symbol("N"))
    deep: Dimension = symbol("N")
    with pytest.raises(ValueError, match="a quotient of too many others"):
        for n in range(900):
            assert parse_dim(str(deep)) == deep
            deep = (deep + n) // 3


def test_equal_dims_are_equal_and_hash_equal() -> None:
    a, b = parse_dim("(H+W)/2+N"), parse_dim("N+(W+H)/2")
    assert a == b and hash(a) == hash(b)


def test_shapes() -> None:
    assert parse_shape("") == parse_shape(" ") == () and parse_shape("1x 3 xN*2") == (1, 3, symbol("N") * 2)
    assert parse_shape("1x3") is parse_shape("1x3") and parse_dim("007") == 7
    for text, message in [("1x-2", "a dimension is negative"), ("1x", "ends too early"), ("١", "not a name")]:
        with pytest.raises(ValueError, match=message):
            parse_shape(text)


def test_integers_divided_by_dims() -> None:
    n = symbol("N")
    for quotient, value in ((7 // n, 3), (7 % n, 1)):
        assert parse_dim(str(quotient)) == quotient
        assert substitute(quotient, {"N": 2}) == value
    assert (n // n, n % n) == (1, 0)
