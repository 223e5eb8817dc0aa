"""Pipelines as text, and the registry of passes."""

from __future__ import annotations

import subprocess
import sys
from typing import Any, ClassVar

import attrs
import pytest

from plait.ir import Module
from plait.ir.plugins import PluginError
from plait.passes import pipeline, registry
from plait.passes.base import Pass, PassContext, PassError
from plait.passes.pipeline import PIPELINES, Pipeline, register_pipeline
from plait.passes.registry import known_passes, pass_named, register_pass


@pytest.mark.parametrize(
    ("text", "printed"),
    [
        ("", ""),
        ("dce", "dce"),
        (" cse , dce\n", "cse,dce"),
        ("fuse-activation{kinds=[relu,hard_swish]},dce", "fuse-activation{kinds=[relu,hard_swish]},dce"),
        ("fuse-activation{kinds = relu}", "fuse-activation{kinds=[relu]}"),
        ("fuse-activation{}", "fuse-activation"),
        ("fold-constants{max_bytes=268435456}", "fold-constants"),
        ('bind-dims{N=1,\n  H="2*S"}', 'bind-dims{N=1,H="2*S"}'),
        ("canonical", PIPELINES["canonical"]),
        ("default,dce", PIPELINES["default"] + ",dce"),
        ("repeat{pipeline=dce}", "repeat{pipeline=dce}"),
        ('repeat{pipeline="canonical", max = 3}', f'repeat{{pipeline="{PIPELINES["canonical"]}",max=3}}'),
        ("repeat{pipeline=[cse, dce]}", 'repeat{pipeline="cse,dce"}'),
        (
            r'repeat{pipeline="bind-dims{H=\"2*S\"},dce"},cse',
            r'repeat{pipeline="bind-dims{H=\"2*S\"},dce"},cse',
        ),
    ],
)
def test_text_round_trip(text: str, printed: str) -> None:
    read = Pipeline.parse(text)
    assert str(read) == printed
    assert Pipeline.parse(printed) == read


@pytest.mark.parametrize(
    ("text", "line", "column", "end", "message"),
    [
        ("canonicalise", 1, 1, 13, "unknown pass 'canonicalise'"),
        ("dce,", 1, 5, 6, "unexpected end of the pipeline; expected the name of a pass"),
        ("dce,,cse", 1, 5, 6, "unexpected ','; expected the name of a pass"),
        ("dce cse", 1, 5, 6, "unexpected 'c'; expected ',' between passes"),
        ("dce{x=1}", 1, 5, 6, "pass dce has no option 'x'"),
        ("cse,\n fuse-activation{kind=relu}", 2, 18, 22, "pass fuse-activation has no option 'kind'"),
        ("cse,\n fuse-activation{kinds=[relo]}", 2, 18, 23, "unknown activation 'relo'"),
        ("fuse-activation{kinds=relu,kinds=tanh}", 1, 28, 33, "option 'kinds' is given twice"),
        ("fold-constants{max_bytes=many}", 1, 16, 25, "wants an integer, got 'many'"),
        ("cse,fuse-activation{kinds=[}", 1, 28, 29, "unexpected '}'"),
        ("fuse-activation{kinds=relu", 1, 16, 17, "this brace is not closed"),
        ("default{x=1}", 1, 8, 9, "the named pipeline 'default' takes no options"),
        ("bind-dims", 1, 1, 10, "needs at least one symbol"),
        ("repeat", 1, 1, 7, "pass repeat needs option pipeline"),
        ("repeat{pipeline=1}", 1, 8, 16, "wants a pipeline in quotes"),
        ("repeat{pipeline=dce,max=0}", 1, 21, 24, "wants at least 1, got 0"),
        ('cse,\n repeat{pipeline="cse,dec"}', 2, 23, 26, "option pipeline of pass repeat: unknown pass 'dec'"),
        ('repeat{pipeline="dce{deep=1}"}', 1, 22, 26, "pass dce has no option 'deep'"),
        ('repeat{pipeline="dec{x=\\"a\\"}"}', 1, 8, 16, "unknown pass 'dec'"),
        ("bind-dims{N=0}", 1, 11, 12, "sizes are at least 1"),
        ("bind-dims{N=[1]}", 1, 11, 12, "which is no dimension"),
        ('bind-dims{N=2,H="N*2"}', 1, 15, 16, "dimension H is bound to 2*N, but N is bound too"),
    ],
)
def test_errors_have_a_place(text: str, line: int, column: int, end: int, message: str) -> None:
    with pytest.raises(PassError) as caught:
        Pipeline.parse(text)
    (diagnostic,) = caught.value.diagnostics
    assert diagnostic.span is not None
    assert (diagnostic.code, diagnostic.span.line, diagnostic.span.column, diagnostic.span.end) == (
        "P201",
        line,
        column,
        end,
    )
    assert message in diagnostic.message
    assert diagnostic.span.text == text.splitlines()[line - 1]
    assert caught.value.exit_code == 2


def test_walk_finds_passes_within_options() -> None:
    whole = Pipeline.parse(r'cse,repeat{pipeline="dce,repeat{pipeline=\"fold-bias\"}"},dce')
    assert [p.name for p in whole.walk()] == ["cse", "repeat", "dce", "repeat", "fold-bias", "dce"]


@attrs.frozen
class Nested(Pass):
    """Takes options in options."""

    name: ClassVar[str] = "nested"
    a: Any = None

    def run(self, module: Module, context: PassContext) -> bool:
        return False


def test_options_may_be_nested(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry, "_registry", registry._registry.copy())
    register_pass(Nested)
    assert str(Nested({"b": 1, "c": {"d": ("x", 2.0)}})) == "nested{a={b=1,c={d=[x,2.0]}}}"
    for text in ("nested{a=[f(1, [2]),[true]]}", "nested{a={b=1,c={d=[x,2.0]}}}"):
        assert str(Pipeline.parse(text)) == text
    (read,) = Pipeline.parse("nested{a = {b = 1, c = {d = [x, 2.0]}}}")
    assert read == Nested({"b": 1, "c": {"d": ("x", 2.0)}})


def test_named_pipelines_can_be_added(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pipeline, "PIPELINES", dict(PIPELINES))
    register_pipeline("tidy", "cse,dce")
    register_pipeline("tidy", "cse,dce")
    register_pipeline("thorough", "tidy,repeat{pipeline=tidy}")
    assert str(Pipeline.parse("thorough")) == 'cse,dce,repeat{pipeline="cse,dce"}'
    for name, message in [("tidy", "registered already, as cse,dce"), ("dce", "name of a pass"), ("a b", "not a name")]:
        with pytest.raises(ValueError, match=message):
            register_pipeline(name, "cse")
    register_pipeline("ouroboros", "cse,ouroboros")
    with pytest.raises(PassError, match=r"<pipeline ouroboros>:1:5: error\[P201\]: .*'ouroboros' holds itself"):
        Pipeline.parse("ouroboros")


def test_unknown_pass_suggests_known_ones() -> None:
    with pytest.raises(PassError, match="did you mean fold-bias"):
        pass_named("fold-bais")


def test_every_known_pass_loads_and_is_documented() -> None:
    for name in known_passes():
        cls = pass_named(name)
        assert cls.name == name
        assert cls.__doc__ and sys.modules[cls.__module__].__doc__


def test_registry_loads_no_pass_before_it_is_asked() -> None:
    code = (
        "import sys; from plait.passes.registry import known_passes; known_passes();"
        "light = ('plait.passes.base', 'plait.passes.registry', 'plait.passes.analyses', 'plait.passes.analyses.base');"
        "print([m for m in sys.modules if m.startswith('plait.passes.') and m not in light])"
    )
    assert (
        subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip() == "[]"
    )


def test_a_name_has_one_owner(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry, "_registry", registry._registry.copy())

    @attrs.frozen
    class Mine(Pass):
        """Another dce."""

        name: ClassVar[str] = "dce"

        def run(self, module: Module, context: PassContext) -> bool:
            return False

    with pytest.raises(
        PluginError, match=r"'dce' is registered by both plait\.passes\.dce:Dce \(built in\) and .*Mine"
    ):
        register_pass(Mine)

    @register_pass
    @attrs.frozen
    class Other(Pass):
        """A pass of a third party."""

        name: ClassVar[str] = "other"

        def run(self, module: Module, context: PassContext) -> bool:
            return False

    assert "other" in known_passes() and pass_named("other") is Other


def test_file_names_need_no_quotes() -> None:
    from plait.ir.text.records import Source
    from plait.ir.text.syntax import plain, read

    text = '{file = my.pdl, more=[a/b-1.pdl, ../c.pdl, "d e"], n=2.5, m=-5e-1, s=[1,1]}'
    values = {str(a.name): plain(a.value) for a in read(text, Source("<pipeline>", [text]), "options")}
    assert values == {"file": "my.pdl", "more": ("a/b-1.pdl", "../c.pdl", "d e"), "n": 2.5, "m": -0.5, "s": (1, 1)}


def test_what_is_no_pass_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry, "_registry", registry._registry.copy())

    class NoAttrs(Nested):
        """Its option is none."""

        name = "no-attrs"
        option: int = 3

    class NoRun(Pass):
        """It does nothing."""

        name = "no-run"

    class TwoWords(Nested):
        """Its name cannot be written."""

        name = "two words"

    cases: list[tuple[Any, type[Exception], str]] = [
        (NoAttrs, TypeError, "NoAttrs is no attrs class"),
        (NoRun, TypeError, "NoRun has no method run"),
        (TwoWords, ValueError, "it has 'two words'"),
        (print, TypeError, "print is not a subclass of Pass"),
    ]
    for thing, error, message in cases:
        with pytest.raises(error, match=message):
            register_pass(thing)
    assert not {"no-attrs", "no-run", "two words"} & set(known_passes())
