"""Pipelines as text, the registry of passes, and the manager."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import ClassVar

import attrs
import pytest

from plait.ir import IRError, Module
from plait.ir.layers.activations import Relu
from plait.ir.text import load_ir, parse_module
from plait.passes import registry
from plait.passes.base import Pass, PassContext, PassError, PassFailed
from plait.passes.cse import Cse
from plait.passes.dce import Dce
from plait.passes.fuse_activation import FuseActivation
from plait.passes.pipeline import PIPELINES, PassManager, Pipeline, run_pipeline
from plait.passes.registry import known_passes, pass_named, register_pass

TEXT = """ir 1
net @main(%x: f32[2x3]) -> (%y: f32[2x3]) {
  %dead = tanh(%x)
  %y = relu(%x)
}
"""


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
    ],
)
def test_text_round_trip(text: str, printed: str) -> None:
    pipeline = Pipeline.parse(text)
    assert str(pipeline) == printed
    assert Pipeline.parse(printed) == pipeline


@pytest.mark.parametrize(
    ("text", "line", "column", "end", "message"),
    [
        ("canonicalise", 1, 1, 13, "unknown pass 'canonicalise'"),
        ("dce,", 1, 5, 6, "unexpected the end; expected the name of a pass"),
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
        "light = ('plait.passes.base', 'plait.passes.registry');"
        "print([m for m in sys.modules if m.startswith('plait.passes.') and m not in light])"
    )
    assert (
        subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip() == "[]"
    )


def test_a_name_has_one_owner(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry, "_loaded", dict(registry._loaded))

    @attrs.frozen
    class Mine(Pass):
        """Another dce."""

        name: ClassVar[str] = "dce"

    with pytest.raises(ValueError, match=r"'dce' is registered by both plait\.passes\.dce:Dce and .*Mine"):
        register_pass(Mine)

    @register_pass
    @attrs.frozen
    class Other(Pass):
        """A pass of a third party."""

        name: ClassVar[str] = "other"

    assert "other" in known_passes() and pass_named("other") is Other


def test_manager_records_and_prints() -> None:
    module, context = parse_module(TEXT), PassContext()
    seen: list[tuple[str, int]] = []
    manager = PassManager(
        Pipeline((Cse(), Dce(), Dce())),
        print_ir_after_change=True,
        on_print=lambda name, m: seen.append((name, len(m.main.body))),
    )
    assert manager.run(module, context)
    assert seen == [("dce", 1)]
    assert [(r.pass_text, r.changed, r.layers_before, r.layers_after) for r in context.records] == [
        ("cse", False, 2, 2),
        ("dce", True, 2, 1),
        ("dce", False, 1, 1),
    ]
    assert all(r.seconds >= 0 for r in context.records)
    assert context.statistics == {("dce", "layers"): 1}
    seen.clear()
    PassManager(Pipeline((Cse(), Dce())), print_ir_after=("cse",), on_print=manager.on_print).run(module)
    PassManager(Pipeline((Cse(), Dce())), print_ir_after_all=True, on_print=manager.on_print).run(module)
    assert [name for name, _ in seen] == ["cse", "cse", "dce"]


@attrs.frozen
class Lies(Pass):
    """Reports the opposite of what it does."""

    name: ClassVar[str] = "lies"
    change: bool = False

    def run(self, module: Module, context: PassContext) -> bool:
        if self.change:
            module.main.arguments[0].name = "z"
        return not self.change


@attrs.frozen
class Breaks(Pass):
    """Leaves invalid IR, or raises."""

    name: ClassVar[str] = "breaks"
    raises: bool = False

    def run(self, module: Module, context: PassContext) -> bool:
        if self.raises:
            raise KeyError("oh")
        layer = module.main.body.last
        assert isinstance(layer, Relu)
        layer.result.type = module.main.arguments[0].type.substitute({})
        module.main.body.move_before(layer, None)
        layer.result.type = parse_module(TEXT.replace("2x3", "9")).main.arguments[0].type
        return True


@pytest.mark.parametrize("change", [False, True])
def test_false_reports_of_change_are_found(change: bool) -> None:
    manager = PassManager(Pipeline((Lies(change),)), check_changed=True)
    with pytest.raises(
        PassFailed, match="changed the text form but reported no" if change else "the text form is the same"
    ):
        manager.run(parse_module(TEXT))
    PassManager(Pipeline((Lies(change),))).run(parse_module(TEXT))


@pytest.mark.parametrize("raises", [False, True])
def test_failures_leave_a_reproducer(tmp_path: Path, raises: bool) -> None:
    path = tmp_path / "failed.ir"
    manager = PassManager(Pipeline((Dce(), Breaks(raises), FuseActivation())), reproducer=path)
    with pytest.raises(PassFailed, match="KeyError" if raises else "P103") as caught:
        manager.run(parse_module(TEXT))
    assert caught.value.reproducer == str(path)
    text = path.read_text()
    assert text.startswith(f"// RUN: breaks{'{raises=true}' if raises else ''},fuse-activation\n// ")
    assert [layer.op for layer in load_ir(path).main] == ["relu"]


def test_an_invalid_module_is_the_users_error() -> None:
    module = parse_module(TEXT.replace("%y = relu(%x)", "%y = relu(%x) : f32[2x3]"), check=False)
    module.main.arguments[0].type = parse_module(TEXT.replace("2x3", "9")).main.arguments[0].type
    with pytest.raises(IRError):
        run_pipeline("dce", module)
    PassManager(Pipeline((Dce(),)), verify=False).run(module)


def test_file_names_need_no_quotes() -> None:
    from plait.ir.text.syntax import Source, plain, read

    text = '{file = my.pdl, more=[a/b-1.pdl, ../c.pdl, "d e"], n=2.5, m=-5e-1, s=[1,1]}'
    values = {str(a.name): plain(a.value) for a in read(text, Source("<pipeline>", [text]), "options")}
    assert values == {"file": "my.pdl", "more": ("a/b-1.pdl", "../c.pdl", "d e"), "n": 2.5, "m": -0.5, "s": (1, 1)}
