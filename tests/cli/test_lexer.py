"""Highlighting: the table of tokens agrees with the grammar, the lexer takes every text, the TextMate grammar is up to
date."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

import lark
import pytest
from pygments.token import Error, Keyword, Name, Number, Token, _TokenType

from plait.cli.editing import tokens
from plait.cli.editing.lexer import PlaitLexer
from plait.cli.editing.textmate import grammar, grammar_text
from plait.ir.dtypes import DType
from plait.testing.random_modules import random_module

ROOT = Path(__file__).parents[2]
FILES = sorted(p for p in ROOT.rglob("*") if p.suffix in (".ir", ".pdl") and not {"build", ".venv"} & set(p.parts))
BLOCK = re.compile(r"^```ir\b[^\n]*\n(.*?)^```$", re.MULTILINE | re.DOTALL)
PAGES = sorted(p for p in (*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")) if BLOCK.search(p.read_text("utf-8")))


def lexed(text: str) -> list[tuple[_TokenType, str]]:
    return [(kind, part) for _, kind, part in PlaitLexer().get_tokens_unprocessed(text)]


def check(text: str) -> None:
    found = lexed(text)
    assert [part for kind, part in found if kind is Error] == []
    assert "".join(part for _, part in found) == text


def terminals(start: str) -> list[lark.lexer.TerminalDef]:
    text = (ROOT / "ir/text/grammar.lark").read_text("utf-8")
    return list(lark.Lark(text, parser="lalr", start=start).terminals)


def test_keywords_are_those_of_the_grammar() -> None:
    fixed = {t.pattern.value for start in ("module", "patterns") for t in terminals(start) if t.pattern.type == "str"}
    assert set(tokens.KEYWORDS) == {word for word in fixed if word.isalpha()}
    signs = re.compile("|".join(r.pattern for r in tokens.BODY[-5:]))
    assert all(signs.fullmatch(sign) for sign in fixed if not sign.isalpha())


@pytest.mark.parametrize(
    "name",
    [
        "NAME",
        "STRING",
        "VALUE",
        "CONST",
        "VARIABLE",
        "QUANTIZED",
        "SHAPE",
        "LAYOUT",
        "ROUTINE",
        "COST",
        "HASH",
        "FLOAT",
        "INT",
    ],
)
def test_tokens_are_the_terminals_of_the_grammar(name: str) -> None:
    # The grammar's own reader turns \n into a line break.
    written = {t.name: t.pattern.value.replace("\n", "\\n") for s in ("module", "patterns") for t in terminals(s)}
    assert getattr(tokens, name) == written[name]


def test_element_types_are_all_there() -> None:
    assert set(tokens.DTYPES) == {d.value for d in DType}


@pytest.mark.parametrize("path", FILES, ids=lambda p: p.relative_to(ROOT).as_posix())
def test_files_lex_without_errors(path: Path) -> None:
    check(path.read_text("utf-8"))


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.relative_to(ROOT).as_posix())
def test_pages_lex_without_errors(page: Path) -> None:
    for block in BLOCK.findall(page.read_text("utf-8")):
        check(block.replace("…", ""))


@pytest.mark.parametrize("seed", range(20))
def test_random_modules_lex_without_errors(seed: int) -> None:
    check(str(random_module(seed)))


def parts(text: str, kind: _TokenType) -> Iterator[str]:
    return (part for found, part in lexed(text) if found in kind)


def test_kinds() -> None:
    text = (
        "net @main(%x: q8<0.5:-1>[1x3] nhwc split rows on gpu) -> (%y: f32[2]) { // why\n"
        "  %y = conv2d(%x, bias = @b) {act = clip(0.0, 6), on = true, f = @main} : f32[Nx2*W+1] <d1, d0>"
        ' via cpu/f32/row/gemm[tile=0x2] !1.20us loc "m":"n"\n'
        "  %z = if(%c)\n    then () -> () {\n    } : f32[]\n}\n"
    )
    assert list(parts(text, Keyword.Type)) == ["q8<0.5:-1>", "f32", "f32", "f32"]
    assert list(parts(text, Keyword.Pseudo)) == ["nhwc", "<d1, d0>"]
    assert list(parts(text, Name.Variable)) == ["%x", "%y", "%y", "%x", "%z", "%c"]
    assert list(parts(text, Name.Builtin)) == ["gpu", "conv2d", "if"]
    assert list(parts(text, Name.Attribute)) == ["bias", "act", "on", "f"]
    assert list(parts(text, Name.Function)) == ["@main", "clip", "@main"]
    assert list(parts(text, Name.Constant)) == ["@b"]
    assert list(parts(text, Name.Label)) == ["then"]
    assert list(parts(text, Name.Namespace)) == ["cpu/f32/row/gemm[tile=0x2]"]
    assert [k for k in parts(text, Keyword) if k in tokens.KEYWORDS] == ["net", "split", "on", "via", "loc"]
    assert list(parts(text, Number)) == ["[1x3]", "[2]", "0.0", "6", "[Nx2*W+1]", "!1.20us", "[]"]
    assert list(parts(text, Token.Comment)) == ["// why"]


def test_an_open_brace_ends_at_the_next_layer() -> None:
    text = "  %a = relu(%x) {act = \n  %b = relu(%a)\n"
    assert list(parts(text, Name.Builtin)) == ["relu", "relu"]


def test_text_is_recognized() -> None:
    assert PlaitLexer.analyse_text("// a comment\nir 1\nnet @main") > 0.5
    assert PlaitLexer.analyse_text("iron 1") == 0


def test_the_entry_point() -> None:
    declared = (ROOT / "pyproject.toml").read_text("utf-8")
    assert 'plait = "plait.cli.editing.lexer:PlaitLexer"' in declared
    for point in entry_points(group="pygments.lexers", name="plait"):
        assert point.load() is PlaitLexer


def test_the_textmate_grammar_is_up_to_date() -> None:
    # python -m plait.cli.editing.textmate > docs/editors/plait.tmLanguage.json
    assert (ROOT / "docs/editors/plait.tmLanguage.json").read_text("utf-8") == grammar_text()


def test_the_textmate_grammar_is_sound() -> None:
    made = json.loads(grammar_text())
    assert made == grammar() and made["scopeName"] == "source.plait"
    inner = made["repository"]["attributes"]
    for rule in (*made["patterns"], *inner["patterns"]):
        if "include" in rule:
            assert rule["include"].removeprefix("#") in made["repository"]
            continue
        assert re.fullmatch(r"[a-z]+([.\-][a-z]+)*\.plait", rule["name"])
        assert re.compile(rule["match"]).match("") is None, "an empty match goes on for ever"
    assert re.compile(inner["begin"]).match("{act = relu}")
    assert not re.compile(inner["begin"]).match("{ // a body")


def test_the_extension_names_what_is_there() -> None:
    folder = ROOT / "examples/vscode"
    package = json.loads((folder / "package.json").read_text("utf-8"))
    (language,), (coloured,) = package["contributes"]["languages"], package["contributes"]["grammars"]
    assert {e.removeprefix(".") for e in language["extensions"]} == set(grammar()["fileTypes"])
    assert coloured["scopeName"] == grammar()["scopeName"] and coloured["language"] == language["id"]
    assert (folder / package["main"]).is_file()
    settings = json.loads((folder / language["configuration"]).read_text("utf-8"))
    assert all(re.fullmatch(settings["wordPattern"], word) for word in ("%conv-1", '@"a b"', "relu"))
    # The script that npm runs after an installation copies the grammar to where the extension wants it.
    assert f"docs/editors/{coloured['path'].removeprefix('./')} ." in package["scripts"]["postinstall"]


def test_opt_prints_in_colour(plait: Callable[..., Any], tiny: Path) -> None:
    plain = plait("opt", tiny, "-p", "").out
    assert "\x1b" not in plain and plait("opt", tiny, "-p", "", "--color", "never").out == plain
    bright = plait("opt", tiny, "-p", "", "--color", "always").out
    assert bright.count("\x1b[") > 20 and re.sub(r"\x1b\[[0-9;]*m", "", bright) == plain
    assert "\x1b" not in plait("opt", tiny, "-p", "", "--color", "always", "--generic").out
