"""The manager: verification, analyses, observers, reproducers, passes that run passes."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import ClassVar

import attrs
import pytest

from plait.ir import IRError, Module
from plait.ir.layers.activations import Relu
from plait.ir.text import load_ir, parse_module
from plait.passes.analyses.use_counts import UseCounts
from plait.passes.base import Pass, PassContext, PassError, PassFailed
from plait.passes.cse import Cse
from plait.passes.dce import Dce
from plait.passes.fuse_activation import FuseActivation
from plait.passes.manager import PassManager, run_pipeline
from plait.passes.manager.instrumentation import Diff, PrintIR, Timing, into_folder
from plait.passes.manager.observer import Observer, PassRun
from plait.passes.manager.reproducer import Reproducer, read_pipeline
from plait.passes.manager.statistics import Statistics
from plait.passes.on import On
from plait.passes.pipeline import Pipeline
from plait.passes.repeat import Repeat

TEXT = """ir 1
net @main(%x: f32[2x3]) -> (%y: f32[2x3]) {
  %dead = tanh(%x)
  %y = relu(%x)
}
"""


@attrs.define
class Log(Observer):
    """Notes all that it is told."""

    events: list[tuple[str, ...]] = attrs.field(factory=list)

    def before_pass(self, run: PassRun, module: Module) -> None:
        self.events.append(("before", run.pass_text))

    def after_pass(self, run: PassRun, module: Module) -> None:
        self.events.append(("after", run.pass_text, "changed" if run.changed else "same"))

    def failed(self, run: PassRun, module: Module, failure: PassFailed) -> None:
        self.events.append(("failed", run.pass_text))

    def verified(self, seconds: float) -> None:
        assert seconds > 0
        self.events.append(("verified",))


@attrs.frozen
class DropOne(Pass):
    """Takes one unused layer away at each run, so that it needs several turns."""

    name: ClassVar[str] = "drop-one"

    def run(self, module: Module, context: PassContext) -> bool:
        for layer in module.main:
            if not any(r.users for r in layer.results):
                module.main.body.remove(layer)
                return True
        return False


def run(passes: Iterable[Pass], *observers: Observer, text: str = TEXT) -> tuple[Module, PassContext]:
    module, context = parse_module(text), PassContext()
    PassManager(Pipeline(tuple(passes)), observers=observers, check_changed=True).run(module, context)
    return module, context


def test_records() -> None:
    _, context = run((Cse(), Dce(), Dce()))
    assert [(r.pass_text, r.number, r.changed, r.layers_before, r.layers_after) for r in context.records] == [
        ("cse", 1, False, 2, 2),
        ("dce", 2, True, 2, 1),
        ("dce", 3, False, 1, 1),
    ]
    assert all(r.seconds >= 0 for r in context.records)
    assert context.statistics == {("dce", "layers"): 1}
    assert context.current == "" and context.runner is None


def test_observers_are_told_in_order() -> None:
    log = Log()
    run((Cse(), Dce()), log)
    assert log.events == [
        ("verified",),
        ("before", "cse"),
        ("verified",),
        ("after", "cse", "same"),
        ("before", "dce"),
        ("verified",),
        ("after", "dce", "changed"),
    ]


@pytest.mark.parametrize(
    ("wanted", "shown"),
    [
        ({"after": ("cse",)}, ["after cse"]),
        ({"after_all": True}, ["after cse", "after dce"]),
        ({"after_change": True}, ["after dce"]),
        ({"before": ("dce",)}, ["before dce"]),
        ({"before_all": True}, ["before cse", "before dce"]),
        ({"before_change": True}, ["before dce"]),
        ({"before_change": True, "before_all": True}, ["before cse", "before dce"]),
        ({}, []),
    ],
)
def test_printing(wanted: dict[str, object], shown: list[str]) -> None:
    seen: dict[str, str] = {}
    run((Cse(), Dce()), PrintIR(lambda r, when, text: seen.update({f"{when} {r.name}": text}), **wanted))  # type: ignore[arg-type]
    assert list(seen) == shown
    for when, text in seen.items():
        assert ("tanh" in text) == (when != "after dce")


def test_printing_into_a_folder(tmp_path: Path) -> None:
    folder = tmp_path / "steps"
    show = into_folder(folder)
    assert not folder.exists()
    run((Cse(), Repeat("dce")), PrintIR(show, before_all=True, after_change=True))  # type: ignore[arg-type]
    assert sorted(p.name for p in folder.iterdir()) == [
        "01-cse.before.ir",
        "02-repeat.after.ir",
        "02-repeat.before.ir",
        "03-dce.after.ir",
        "03-dce.before.ir",
        "04-dce.before.ir",
    ]
    assert [layer.op for layer in load_ir(folder / "03-dce.before.ir").main] == ["tanh", "relu"]
    assert [layer.op for layer in load_ir(folder / "03-dce.after.ir").main] == ["relu"]


def test_diff() -> None:
    seen: list[tuple[str, list[str]]] = []
    run((Cse(), Repeat(Pipeline((Dce(),)))), Diff(lambda r, lines: seen.append((r.name, lines)), 0))
    ((name, lines),) = seen
    assert name == "dce"
    assert lines[:2] == ["--- before dce", "+++ after dce"]
    assert lines[3:] == ["-  %dead = tanh(%x) : f32[2x3]"]


def test_timing_counts_passes_within_passes_once() -> None:
    timing = Timing()
    _, context = run((Repeat(Pipeline((Dce(),))), Cse()), timing)
    assert [(r.name, r.depth) for r in timing.runs] == [("repeat", 0), ("dce", 1), ("dce", 1), ("cse", 0)]
    outer = timing.runs[0]
    assert outer.seconds >= timing.runs[1].seconds + timing.runs[2].seconds
    assert timing.total_seconds == outer.seconds + timing.runs[3].seconds + timing.verifier_seconds
    assert timing.verifier_seconds > 0
    assert sorted(r.number for r in context.records) == [1, 2, 3, 4]


def test_statistics() -> None:
    statistics = Statistics()
    text = """ir 1
const @unused : f32[3] = [1, 2, 3]
const @w : f32[1x1x1x1] = [2]
net @main(%x: f32[1x1x2x2]) -> (%y: f32[1x1x2x2]) {
  %dead = tanh(%x)
  %c = conv2d(%x, @w)
  %y = relu(%c)
}
"""
    run((FuseActivation(), Repeat(Pipeline((Dce(),)))), statistics, text=text)
    fuse, repeat, dce, again = statistics.changes
    assert fuse.kinds() == [("relu", 1, 0)] and fuse.counts == {"activation_into_layer": 1}
    assert (repeat.before.constant_bytes, repeat.after.constant_bytes, repeat.counts) == (16, 4, {"turns": 2})
    assert dce.kinds() == [("tanh", 1, 0)] and dce.counts == {"layers": 1, "constants": 1}
    assert (dce.before.constants, dce.after.constants) == (2, 1)
    assert not again.counts and not again.kinds() and again.before == again.after


def test_a_context_used_again_forgets_what_it_knew() -> None:
    module, context = parse_module(TEXT), PassContext()
    counts = context.analyses.get(UseCounts, module.main)
    PassManager(Pipeline((Cse(),))).run(module, context)
    assert context.analyses.get(UseCounts, module.main) is not counts


THREE_DEAD = TEXT.replace("  %y", "  %a = tanh(%dead)\n  %b = tanh(%a)\n  %y")


def test_repeat_reaches_a_fixed_point() -> None:
    log = Log()
    module, context = run((Repeat(Pipeline((DropOne(),))),), log, text=THREE_DEAD)
    assert [layer.op for layer in module.main] == ["relu"]
    assert context.statistics == {("repeat", "turns"): 4}
    assert log.events.count(("after", "drop-one", "changed")) == 3
    assert log.events[-1][0] == "after" and log.events[-1][2] == "changed"
    assert not PassManager(Pipeline((Repeat(Pipeline((DropOne(),))),)), check_changed=True).run(module)


def test_repeat_stops_at_its_limit() -> None:
    module, context = run((Repeat(Pipeline((DropOne(),)), max=2),), text=THREE_DEAD)
    assert [layer.op for layer in module.main] == ["tanh", "relu"]
    assert context.statistics == {("repeat", "turns"): 2}


def test_repeat_runs_without_a_manager() -> None:
    module, context = parse_module(THREE_DEAD), PassContext()
    assert Repeat(Pipeline((DropOne(),))).run(module, context)
    assert len(module.main.body) == 1 and context.current == ""


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
    path, log = tmp_path / "failed.ir", Log()
    printed: list[str] = []
    printing = PrintIR(lambda r, _, __: printed.append(r.name), after_all=True)
    manager = PassManager(
        Pipeline((Dce(), Breaks(raises), FuseActivation())), observers=(Reproducer(path), log, printing)
    )
    with pytest.raises(PassFailed, match="KeyError" if raises else "P103") as caught:
        manager.run(parse_module(TEXT))
    assert caught.value.reproducer == str(path) and str(path) in str(caught.value)
    assert log.events[-1] == ("failed", str(Breaks(raises)))
    assert printed == ["dce"]
    text = path.read_text()
    assert text.startswith(f"// RUN: breaks{'{raises=true}' if raises else ''},fuse-activation\n// ")
    assert [layer.op for layer in load_ir(path).main] == ["relu"]


def test_a_failure_within_a_pass_is_reproduced_by_the_outer_one(tmp_path: Path) -> None:
    path, log = tmp_path / "failed.ir", Log()
    inner = Repeat(Pipeline((Dce(), Breaks(raises=True))))
    manager = PassManager(Pipeline((Cse(), inner, Cse())), observers=(Reproducer(path), log))
    with pytest.raises(PassFailed, match=r"pass breaks\{raises=true\} failed: KeyError") as caught:
        manager.run(parse_module(TEXT))
    assert [e for e in log.events if e[0] == "failed"] == [("failed", "breaks{raises=true}"), ("failed", str(inner))]
    assert caught.value.reproducer == str(path)
    assert path.read_text().startswith('// RUN: repeat{pipeline="dce,breaks{raises=true}"},cse\n')
    assert len(load_ir(path).main.body) == 2


def test_a_reproducer_declares_weights_that_are_not_at_hand(tmp_path: Path) -> None:
    path = tmp_path / "failed.ir"
    weights = 'ir 1\nweights "gone" {\n  @w : f32[99]\n}\n'
    module = parse_module(weights + "net @main(%x: f32[99]) -> (%y: f32[99]) {\n  %y = mul(%x, @w)\n}\n")
    with pytest.raises(PassFailed):
        PassManager(Pipeline((Breaks(raises=True),)), observers=(Reproducer(path),)).run(module)
    assert "@w : f32[99]" in path.read_text() and len(list(tmp_path.iterdir())) == 1


def test_the_pipeline_of_a_reproducer(tmp_path: Path) -> None:
    path = tmp_path / "a.ir"
    path.write_text(f"// why\n// RUN: cse, repeat{{pipeline=dce}}\n{TEXT}")
    assert str(read_pipeline(path)) == "cse,repeat{pipeline=dce}"
    path.write_text(f"// why\n// RUN: cse,dec\n{TEXT}")
    with pytest.raises(PassError) as caught:
        read_pipeline(path)
    span = caught.value.diagnostics[0].span
    assert span is not None and (span.file, span.line, span.column, span.end) == (str(path), 2, 13, 16)
    path.write_text(f"{TEXT}// RUN: dce\n")
    with pytest.raises(PassError, match="has no comment '// RUN: <pipeline>' at its head"):
        read_pipeline(path)


def test_verification_only_at_the_ends() -> None:
    log = Log()
    PassManager(Pipeline((Cse(), Dce())), verify_each=False, observers=(log,)).run(parse_module(TEXT))
    assert [e[0] for e in log.events] == ["verified", "before", "after", "before", "after", "verified"]
    with pytest.raises(PassFailed, match="pass breaks,cse failed: the module is not valid after it"):
        PassManager(Pipeline((Breaks(), Cse())), verify_each=False).run(parse_module(TEXT))


def test_an_invalid_module_is_the_users_error() -> None:
    module = parse_module(TEXT.replace("%y = relu(%x)", "%y = relu(%x) : f32[2x3]"), check=False)
    module.main.arguments[0].type = parse_module(TEXT.replace("2x3", "9")).main.arguments[0].type
    with pytest.raises(IRError):
        run_pipeline("dce", module)
    log = Log()
    PassManager(Pipeline((Dce(),)), verify=False, observers=(log,)).run(module)
    assert ("verified",) not in log.events


@attrs.frozen
class Splits(Pass):
    """Adds a function and calls it in place of the last layer of each; takes `drop` away."""

    name: ClassVar[str] = "splits"
    new: str = "made"
    drop: str = ""

    def run(self, module: Module, context: PassContext) -> bool:
        donor = parse_module(TEXT.replace("@main", f"@{self.new}"))
        module.functions.pop(self.drop, None)
        module.functions[self.new] = donor.functions[self.new]
        return True


TWO = TEXT + TEXT.removeprefix("ir 1\n").replace("@main", "@other")


def test_functions_made_within_a_part_join_the_module() -> None:
    log = Log()
    module, _ = run((On("other", Pipeline((Splits("made", drop="other"), Dce()))),), log, text=TWO)
    assert list(module.functions) == ["main", "made"]
    assert [len(f.body) for f in module.functions.values()] == [2, 1]
    assert log.events.count(("verified",)) == 1 + 2 + 1


def test_functions_made_within_a_part_take_no_name_of_the_module() -> None:
    with pytest.raises(PassFailed, match="a pass made a net @main, but the module has one already"):
        run((On("other", Pipeline((Splits("main"),))),), text=TWO)


def test_a_pass_must_say_whether_it_changed_anything() -> None:
    @attrs.frozen
    class Silent(Pass):
        """Forgets to."""

        name = "silent"

        def run(self, module: Module, context: PassContext) -> bool:
            return None  # type: ignore[return-value]

    with pytest.raises(PassFailed, match="run gives None, not whether it changed the module"):
        PassManager(Pipeline((Silent(),))).run(parse_module(TEXT))
