"""The language reference says what the grammar and the diagnostics say."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from plait.ir.diagnostics import CODES
from plait.ir.dtypes import DType

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs/language.md"


def grammar() -> str:
    """The grammar of modules: the rules and tokens before those of pass options and patterns."""
    text = (ROOT / "ir/text/grammar.lark").read_text(encoding="utf-8")
    return text[: text.index("// Options of passes")].rstrip()


def codes() -> str:
    return "".join(f"| {code} | {meaning} |\n" for code, meaning in sorted(CODES.items()) if code < "P2")


def test_the_grammar_is_repeated_word_for_word() -> None:
    assert grammar() in PAGE.read_text(encoding="utf-8")


def test_every_code_of_the_ir_is_listed() -> None:
    assert codes() in PAGE.read_text(encoding="utf-8")


@pytest.mark.parametrize("dtype", list(DType))
def test_every_element_type_is_named(dtype: DType) -> None:
    assert re.search(rf"[`| ]{dtype.value}[`, ]", PAGE.read_text(encoding="utf-8"))
