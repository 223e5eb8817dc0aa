"""`plait opt`: printing, differences, times, statistics, reproducers, what is read and written."""

from __future__ import annotations

import json
import os
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from plait.cli.complete import complete_pass, complete_pipeline
from plait.ir import Module
from plait.ir.layer import Layer
from plait.ir.layers.activations import Relu, Tanh
from plait.passes.base import PassContext
from plait.passes.rewriting import No, rewrite, rewrite_module

Plait = Callable[..., Any]
Listing = Callable[[], dict[str, bytes]]

OPAQUE = "ir 1\nnet @main(%x: f32[2]) -> (%y: f32[2]) {\n  %y = mystery(%x) {how = 3} : f32[2]\n}\n"


def break_dce(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> bool:
        raise KeyError("oh")

    monkeypatch.setattr("plait.passes.dce.Dce.run", broken)


def test_printing_before_and_after(plait: Plait, tiny: Path) -> None:
    text = plait("opt", tiny, "-p", "cse,fuse-activation,dce", "--print-ir-before-all").err
    assert [line for line in text.splitlines() if line.startswith("//")] == [
        "// before cse",
        "// before fuse-activation",
        "// before dce",
    ]
    text = plait("opt", tiny, "-p", "cse,fuse-activation", "--print-ir-before-change", "--print-ir-after-change").err
    before, after = text.split("// after fuse-activation\n")
    assert before.startswith("// before fuse-activation\n") and "relu(%c)" in before and "relu(" not in after
    assert plait("opt", tiny, "-p", "cse,dce", "--print-ir-before", "cse").err.count("// before") == 1
    nested = plait("opt", tiny, "-p", "repeat{pipeline=cse}", "--print-ir-after", "cse")
    assert nested.code == 0 and nested.err.count("// after cse") == 1


def test_printing_into_a_folder(plait: Plait, tiny: Path) -> None:
    outcome = plait("opt", tiny, "-p", "cse,fuse-activation", "--print-ir-dir", "a/steps")
    assert outcome.err == ""
    assert sorted(p.name for p in Path("a/steps").iterdir()) == ["01-cse.after.ir", "02-fuse-activation.after.ir"]
    assert plait("opt", "a/steps/02-fuse-activation.after.ir", "-p", "").out == outcome.out
    plait("opt", tiny, "-p", "cse,fuse-activation", "--print-ir-dir", "b", "--print-ir-before-change")
    assert [p.name for p in Path("b").iterdir()] == ["02-fuse-activation.before.ir"]


def test_diff(plait: Plait, tiny: Path) -> None:
    err = plait("opt", tiny, "-p", "cse,fuse-activation", "--diff").err
    assert err.startswith("--- before fuse-activation\n+++ after fuse-activation\n@@")
    assert "\n-  %y = relu(%c)" in err and "\n+  %y = conv2d(%image, @w) {act = relu}" in err
    assert "\x1b" not in err


@pytest.mark.parametrize("no_colour", ["", "1"])
def test_diff_is_coloured_on_terminals(
    plait: Plait, tiny: Path, monkeypatch: pytest.MonkeyPatch, no_colour: str
) -> None:
    monkeypatch.setenv("NO_COLOR", no_colour)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    err = plait("opt", tiny, "-p", "fuse-activation", "--diff").err
    assert ("\x1b[31m-  %y = relu" in err) == (not no_colour)
    assert ("\x1b[32m+  %y = conv2d" in err) == (not no_colour)


def test_timing_and_stats(plait: Plait, tiny: Path) -> None:
    outcome = plait("opt", tiny, "-p", "cse,repeat{pipeline=fuse-activation}", "--timing", "--stats")
    lines = [line.split() for line in outcome.err.splitlines()]
    assert lines[0] == ["pass", "ms", "%", "changed", "layers", "before", "after"]
    assert [line[0] for line in lines[1:7]] == [
        "cse",
        'repeat{pipeline="fuse-activation"}',
        "fuse-activation",
        "fuse-activation",
        "(verifier)",
        "total",
    ]
    assert lines[6][2] == "100.0"
    assert lines[2][3:] == ["yes", "2", "1"] and lines[4][3:] == ["no", "1", "1"]
    stats = lines[7:]
    assert ["fuse-activation", "layers", "2", "1"] in stats
    assert ["relu", "1", "0"] in stats and ["activation_into_layer", "1"] in stats
    assert not any("cse" in line for line in stats)
    assert ["flops", "280", "240"] in stats and ["peak", "memory", "400", "B", "400", "B"] not in stats


def test_timing_and_stats_as_json(plait: Plait, tiny: Path, listing: Listing) -> None:
    outcome = plait("opt", tiny, "-p", "fuse-activation,dce", "--timing", "--stats", "--json", "-o", "o.ir")
    data = json.loads(outcome.out)
    assert data["schema"] == "opt/1"
    assert [row["pass"] for row in data["timing"]["passes"]] == ["fuse-activation", "dce"]
    total = data["timing"]["verifier_seconds"] + sum(row["seconds"] for row in data["timing"]["passes"])
    assert data["timing"]["total_seconds"] == pytest.approx(total)
    fuse, dce = data["stats"]
    assert fuse["kinds"] == {"relu": {"before": 1, "after": 0}} and fuse["counts"] == {"activation_into_layer": 1}
    assert fuse["flops"] == {"before": 280, "after": 240} and fuse["peak_bytes"] == {"before": 400, "after": 400}
    assert fuse["layers"] == {"before": 2, "after": 1} and dce["changed"] is False
    before = listing()
    for arguments in (["--timing", "--json"], ["--json", "-o", "p.ir"], ["--timing", "--json", "-o", "-"]):
        assert plait("opt", tiny, *arguments).code == 2
    assert listing() == before


def test_stats_of_constants_and_of_what_is_not_known(plait: Plait, tiny: Path) -> None:
    unused = "const @gone : f32[2000] = [" + ", ".join(["0"] * 2000) + "]\nnet"
    tiny.write_text(tiny.read_text().replace("net", unused).replace("f32[1x", "f32[Nx"))
    err = plait("opt", tiny, "-p", "dce,bind-dims{N=2}", "--stats").err
    rows = [" ".join(line.split()) for line in err.splitlines()]
    assert "dce layers 2 2" in rows and "constants 2 1" in rows and "bytes of constants 8.0 kB 24 B" in rows
    assert "flops ? 560" in rows and "peak memory ? 800 B" in rows


def test_verify_each(plait: Plait, tiny: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def breaks(self: object, module: Any, context: object) -> bool:
        module.main.body.last.result.type = module.constants["w"].type
        return True

    monkeypatch.setattr("plait.passes.cse.Cse.run", breaks)
    each = plait("opt", tiny, "-p", "cse,dce", "--no-reproducer")
    assert each.code == 70 and "pass cse failed" in each.err
    ends = plait("opt", tiny, "-p", "cse,dce", "--no-verify-each", "--no-reproducer")
    assert ends.code == 70 and "pass cse,dce failed" in ends.err
    assert each.out == ends.out == ""


def test_reproducers(plait: Plait, tiny: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    with monkeypatch.context() as patch:
        break_dce(patch)
        assert plait("opt", tiny, "-p", "cse,dce", "--no-reproducer").code == 70
        assert not list(Path().glob("**/*reproducer*")) and not list(tmp_path.glob("plait-reproducer*"))
        first = plait("opt", tiny, "-p", "cse,fuse-activation,dce", "--reproducer", "why.ir", "-o", "out.ir")
        assert first.code == 70 and "were written to why.ir" in first.err and not Path("out.ir").exists()
        again = plait("opt", "--run-reproducer", "why.ir")
        assert again.code == 70 and "pass dce failed: KeyError: 'oh'" in again.err
        assert not list(tmp_path.glob("plait-reproducer*"))
    mended = plait("opt", "--run-reproducer", "why.ir")
    assert mended.code == 0 and mended.out == plait("opt", tiny, "-p", "cse,fuse-activation,dce").out


def test_unknown_layers_can_be_kept(plait: Plait, workplace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import io

    (workplace / "m.ir").write_text(OPAQUE)
    refused = plait("opt", "m.ir")
    assert refused.code == 3 and "P101" in refused.err
    kept = plait("opt", "m.ir", "--allow-unknown")
    assert kept.code == 0 and "%y = mystery(%x) {how = 3} : f32[2]" in kept.out
    monkeypatch.setattr("sys.stdin", io.StringIO(OPAQUE))
    assert plait("opt", "-", "--allow-unknown").out == kept.out


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["tiny.ir", "-p", 'repeat{pipeline="dce,ces"}'], 2, "<pipeline>:1:22: error[P201]: option pipeline of pass"),
        (["tiny.ir", "--print-ir-before", "cse", "-p", "dce"], 2, "no pass 'cse'"),
        (["tiny.ir", "--reproducer", "r.ir", "--no-reproducer"], 2, "exclude each other"),
        (["tiny.ir", "--reproducer", "gone/r.ir"], 1, "gone: no such folder"),
        (["tiny.ir", "--run-reproducer", "tiny.ir"], 2, "takes the model and the pipeline from its file"),
        (["--run-reproducer", "tiny.ir", "-p", "dce"], 2, "takes the model and the pipeline from its file"),
        (["--run-reproducer", "tiny.ir"], 2, "has no comment '// RUN: <pipeline>'"),
        (["--run-reproducer", "gone.ir"], 2, "does not exist"),
        (["tiny.ir", "--print-ir-dir", "tiny.ir"], 2, "is a file"),
        (["notes.txt"], 4, "notes.txt"),
    ],
)
def test_errors(plait: Plait, tiny: Path, arguments: list[str], code: int, message: str, listing: Listing) -> None:
    Path("notes.txt").write_text("hello")
    before = listing()
    outcome = plait("opt", *arguments)
    assert (outcome.code, outcome.out) == (code, ""), outcome.err
    assert message in outcome.err
    assert listing() == before


def test_outputs_replace_no_pipes(plait: Plait, tiny: Path, listing: Listing) -> None:
    os.mkfifo("pipe")
    before = listing()
    outcome = plait("opt", tiny, "-o", "pipe")
    assert outcome.code == 1 and "pipe: is a device, pipe or socket" in outcome.err
    assert listing() == before and Path("pipe").is_fifo()


def test_completion() -> None:
    context: Any = None
    assert complete_pass(context, context, "fold-b") == ["fold-batchnorm", "fold-bias"]
    assert complete_pipeline(context, context, "cse,fold-b") == ["cse,fold-batchnorm", "cse,fold-bias"]
    assert "default" in complete_pipeline(context, context, "")
    assert complete_pipeline(context, context, "fuse-activation{ki") == []
    assert complete_pipeline(context, context, 'repeat{pipeline="dc') == ['repeat{pipeline="dce']


# --- bisection ---


@rewrite(Relu)
def wrong(layer: Relu) -> Layer | No:
    """relu(x) -> tanh(x), which is wrong"""
    return Tanh(layer.x)


RELUS = """ir 1
net @main(%x: f32[4]) -> (%c: f32[4]) {
  %a = relu(%x)
  %b = relu(%a)
  %c = relu(%b)
  %d = relu(%c)
}
"""


@pytest.fixture
def planted(workplace: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Three relus that are used, and a `cse` that makes tanh of them."""

    def run(self: object, module: Module, context: PassContext) -> bool:
        return rewrite_module(module, (wrong,), context)

    monkeypatch.setattr("plait.passes.cse.Cse.run", run)
    path = workplace / "relus.ir"
    path.write_text(RELUS)
    return path


def test_bisect_names_pass_and_rewrite(plait: Plait, planted: Path, listing: Listing) -> None:
    outcome = plait(
        "opt", planted, "-p", "dce,fold-pad,cse,dce", "--bisect", "! grep -q '%b = tanh'", "-o", "before.ir"
    )
    assert outcome.code == 0, outcome.err
    lines = outcome.out.splitlines()
    assert lines[:4] == [
        "pass 3 of 4 breaks it: cse",
        "rewrite 2 of 3 in it: cse/wrong: %b (relu)",
        f"good: plait opt {planted} -p dce,fold-pad",
        f"bad:  plait opt {planted} -p dce,fold-pad,cse",
    ]
    assert lines[4:6] == ["--- before rewrite 2", "+++ after rewrite 2"]
    assert "-  %b = relu(%a) : f32[4]" in lines and "+  %b = tanh(%a) : f32[4]" in lines
    assert "after rewrite 2 of 3: bad" in outcome.err and "input: good" in outcome.err
    assert Path("before.ir").read_text().startswith("// RUN: cse\n// after it this fails: ! grep -q '%b = tanh'\n")
    assert plait("opt", "--run-reproducer", "before.ir").out.count("tanh") == 3
    assert plait("opt", "before.ir", "-p", "cse", "--max-rewrites", 1).out.count("tanh") == 1


def test_bisect_as_json(plait: Plait, planted: Path, listing: Listing) -> None:
    before = listing()
    outcome = plait("opt", planted, "-p", "dce,cse", "--bisect", "! grep -q tanh {}", "--json")
    data = json.loads(outcome.out)
    assert (data["schema"], data["passes"], data["first"], data["last"], data["of"]) == (
        "bisection/1",
        ["cse"],
        2,
        2,
        2,
    )
    assert (data["good"], data["bad"]) == ("dce", "dce,cse")
    assert data["rewrite"]["number"] == 1 and data["rewrite"]["of"] == 3 and data["rewrite"]["layer"] == "%a (relu)"
    assert data["checks"] == len(outcome.err.splitlines())
    assert listing() == before


def test_bisect_with_statuses_that_cannot_tell(plait: Plait, planted: Path) -> None:
    command = "f={}; grep -q '%d' $f && exit 0; grep -q relu $f && exit 125; exit 1 #"
    outcome = plait("opt", planted, "-p", "dce,cse", "--bisect", command)
    assert outcome.out.splitlines() == [
        "one of the passes 1 to 2 of 2 breaks it; which cannot be told:",
        "  dce",
        "  cse",
        f"good: plait opt {planted} -p ''",
        f"bad:  plait opt {planted} -p dce,cse",
    ]


@pytest.mark.parametrize(
    ("command", "arguments", "code", "message"),
    [
        ("false", [], 1, "the command fails on the input already"),
        ("true", [], 1, "the command passes on the result of the whole pipeline"),
        ("exit 125 #", [], 1, "the command cannot tell on the input (status 125)"),
        ("no-such-command-at-all", [], 1, "the command cannot be run: "),
        (" ", [], 2, "--bisect takes a command"),
        ("true", ["--diff"], 2, "no option that shows or limits passes"),
        ("true", ["--max-rewrites", "3"], 2, "no option that shows or limits passes"),
        ("true", ["-o", "gone/x.ir"], 1, "gone: no such folder"),
    ],
)
def test_bisect_errors(
    plait: Plait, tiny: Path, command: str, arguments: list[str], code: int, message: str, listing: Listing
) -> None:
    before = listing()
    outcome = plait("opt", tiny, "--bisect", command, *arguments)
    assert (outcome.code, outcome.out) == (code, ""), outcome.err
    assert message in outcome.err
    assert listing() == before


def test_generic_text_is_written_and_read(plait: Plait, tiny: Path) -> None:
    wanted = plait("opt", tiny, "-p", "").out
    outcome = plait("opt", tiny, "-p", "", "--generic")
    assert outcome.out.startswith('"builtin.module"() ({\n') and '"plait.conv2d"(' in outcome.out
    Path("a.txt").write_text(outcome.out, encoding="utf-8")
    assert plait("opt", tiny, "-p", "", "--generic", "-o", "b.mlir").code == 0
    for file in ("a.txt", "b.mlir"):
        assert plait("opt", file, "-p", "").out == wanted
    assert plait("opt", "b.mlir").out == plait("opt", tiny).out
    Path("c.mlir").write_text("module {\n}\n", encoding="utf-8")
    outcome = plait("opt", "c.mlir")
    assert outcome.code == 3 and "c.mlir:1:1: error[P001]: unexpected 'module'" in outcome.err
