"""Each command on a tiny model."""

from __future__ import annotations

import io
import json
import re
import shlex
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
import numpy as np
import pytest

from plait.cli.examples import EXAMPLES
from plait.cli.main import plait as cli
from plait.cli.tune_report import proof
from plait.tuning.report import Certificate

Plait = Callable[..., Any]


def test_help_lists_every_command(plait: Plait) -> None:
    from plait.cli.main import COMMANDS

    outcome = plait("--help")
    assert outcome.code == 0
    for name in COMMANDS:
        assert f"\n  {name} " in outcome.out


def test_every_command_has_help(plait: Plait) -> None:
    from plait.cli.main import COMMANDS

    for name in COMMANDS:
        outcome = plait(name, "--help")
        assert outcome.code == 0
        assert f"Usage: plait {name}" in outcome.out


def test_every_command_stands_in_one_group() -> None:
    from plait.cli.main import COMMANDS, GROUPS

    assert sorted(name for names in GROUPS.values() for name in names) == sorted(COMMANDS)


@pytest.mark.parametrize(
    ("name", "example"), [(name, example) for name, examples in EXAMPLES.items() for example in examples]
)
def test_examples_in_help(plait: Plait, name: str, example: str) -> None:
    assert f"  {example}\n" in plait(name, "--help").out
    for part in re.split(r" \| | > ", example):
        words = shlex.split(part)
        if words[0] != "plait":
            continue
        context = click.Context(cli)
        command = cli.get_command(context, words[1])
        assert command is not None
        # The parser knows the options; it does not look for files.
        values, left, _ = command.make_parser(click.Context(command)).parse_args(words[2:])
        assert values or left or len(words) == 2


def test_every_command_has_examples() -> None:
    from plait.cli.main import COMMANDS

    assert set(EXAMPLES) == set(COMMANDS)


def test_version(plait: Plait) -> None:
    assert plait("--version").out == "plait 0.2.0\n"


# --- import and opt ---


def test_import(plait: Plait, symbolic_onnx: Path, workplace: Path) -> None:
    outcome = plait("import", symbolic_onnx, "-o", "model.ir")
    assert outcome.code == 0, outcome.err
    assert "2 nodes -> 2 layers" in outcome.err and "symbolic dimensions: N" in outcome.err
    assert "%image: f32[Nx3x4x5] nchw" in (workplace / "model.ir").read_text()
    bound = plait("import", symbolic_onnx, "-o", "-", "--dim", "N=3")
    assert "%image: f32[3x3x4x5] nchw" in bound.out


def test_opt(plait: Plait, tiny: Path) -> None:
    outcome = plait("opt", tiny, "-p", "fuse-activation,dce", "--timing", "--print-ir-after", "dce")
    assert outcome.code == 0, outcome.err
    assert "{act = relu}" in outcome.out
    assert "// after dce" in outcome.err and "fuse-activation" in outcome.err and "total" in outcome.err


def test_opt_pipes(plait: Plait, tiny: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = plait("opt", tiny, "-p", "")
    monkeypatch.setattr("sys.stdin", io.StringIO(first.out))
    second = plait("opt", "-", "-p", "default", "-o", "-")
    assert second.code == 0, second.err
    assert second.out == plait("opt", tiny).out


def test_opt_pipes_text_without_its_weights(plait: Plait, monkeypatch: pytest.MonkeyPatch) -> None:
    text = (
        'ir 1\nweights "gone.safetensors" {\n  @w : f32[99]\n}\n'
        "net @main(%x: f32[99]) -> (%y: f32[99]) {\n  %a = add(%x, @w) : f32[99]\n  %y = relu(%a) : f32[99]\n}\n"
    )
    monkeypatch.setattr("sys.stdin", io.StringIO(text))
    outcome = plait("opt", "-", "-p", "fuse-activation")
    assert outcome.code == 0
    assert "note: weights are not loaded" in outcome.err
    assert "add(%x, @w) {act = relu}" in outcome.out
    monkeypatch.setattr("sys.stdin", io.StringIO(text))
    needed = plait("opt", "-", "-p", "fuse-activation", "-o", "out.ir")
    assert needed.code == 3 and "P007" in needed.err
    assert not Path("out.ir").exists() and not Path("out.safetensors").exists()


def test_opt_writes_a_file_with_weights(plait: Plait, tiny: Path, workplace: Path) -> None:
    tiny.write_text(
        tiny.read_text()
        .replace("2x3x1x1", "6x3x1x1")
        .replace("1x2x4x5", "1x6x4x5")
        .replace("[0.1, 0.2, -0.3, 0.4, -0.5, 0.6]", str([0.5] * 18))
    )
    assert plait("opt", tiny, "-o", "out.ir").code == 0
    assert (workplace / "out.safetensors").exists()
    assert "{act = relu}" in plait("opt", "out.ir", "-p", "").out


def test_opt_print_ir_after_all(plait: Plait, tiny: Path) -> None:
    outcome = plait("opt", tiny, "-p", "cse,dce", "--print-ir-after-all")
    assert outcome.err.count("// after ") == 2


def test_opt_list(plait: Plait) -> None:
    listed = plait("opt", "--list").out
    assert "fuse-activation" in listed and "default" in listed
    assert listed == plait("passes").out


# --- tune ---


def test_tune(plait: Plait, tiny: Path, workplace: Path) -> None:
    outcome = plait("tune", tiny, "-o", "tiny.plait")
    assert outcome.code == 0, outcome.err
    assert "conv2d" in outcome.out and "proven optimal" in outcome.out and "best single layout" in outcome.out
    assert "measured 0, " in outcome.err and "wrote tiny.plait" in outcome.err
    assert (workplace / "tiny.plait").exists()


def test_second_tune_measures_nothing(plait: Plait, tiny: Path) -> None:
    first = json.loads(plait("tune", tiny, "-o", "a.plait", "--json").out)
    second = json.loads(plait("tune", tiny, "-o", "b.plait", "--json").out)
    assert 0 < first["measured"] <= first["entries"]
    assert second["measured"] == 0
    assert second["rows"] == first["rows"]


def test_everything_is_measured_where_it_is_wanted(plait: Plait, tiny: Path) -> None:
    lazy = json.loads(plait("tune", tiny, "-o", "a.plait", "--json").out)
    report = json.loads(plait("tune", tiny, "-o", "a.plait", "--json", "--exhaustive").out)
    assert lazy["measured"] + report["measured"] == report["entries"] == lazy["entries"]
    assert lazy["measured"] == lazy["certificate"]["known"] < lazy["entries"]
    assert report["certificate"] is None and report["predicted_us"] == lazy["predicted_us"]
    shown = plait("tune", tiny, "-o", "a.plait").out
    assert f"all {lazy['entries']} entries have been measured" in shown


@pytest.mark.parametrize("state", ["hot", "streamed", "cold"])
def test_states_have_measurements_of_their_own(plait: Plait, tiny: Path, state: str) -> None:
    for measured in (True, False):
        report = json.loads(plait("tune", tiny, "-o", "a.plait", "--json", "--state", state).out)
        assert report["state"] == state and (report["measured"] > 0) == measured


def test_the_report_says_in_words_what_the_proof_rests_on(plait: Plait, tiny: Path) -> None:
    report = json.loads(plait("tune", tiny, "-o", "a.plait", "--json").out)
    known, entries = report["certificate"]["known"], report["entries"]
    shown = plait("tune", tiny, "-o", "a.plait").out
    assert "measured 0 entries (a routine or a conversion on one layer)" in shown
    assert f"{known} of {entries} entries have been measured ({known / entries:.0%}); no plan with any of the" in shown
    assert f"other {entries - known} is faster, as lower bounds on their times prove" in shown


def test_words_of_searches_that_were_stopped_or_had_wrong_bounds() -> None:
    stopped = Certificate(known=5, rounds=2, repeated=0, saved=0.1, trust=1.0, stopped="time")
    assert proof(stopped, 20) == (
        "5 of 20 entries have been measured (25%); when the search was stopped, the other 15 were neither measured nor "
        "all ruled out"
    )
    lowered = Certificate(known=20, rounds=2, repeated=3, saved=0.0, trust=0.5)
    assert proof(lowered, 20) == (
        "all 20 entries have been measured; 3 that were too close to tell apart have been measured twice; bounds were "
        "lowered to 50%, since a measurement was below its bound"
    )


def test_jobs_that_would_share_cores_are_refused(plait: Plait, tiny: Path) -> None:
    outcome = plait("tune", tiny, "-o", "a.plait", "--jobs", "1000")
    assert outcome.code != 0 and "error[P510]: 1000 jobs of 1 thread need 1000 cores" in outcome.err
    assert not Path("a.plait").exists()


def test_a_budget_that_is_too_short_for_any_plan(plait: Plait, tiny: Path) -> None:
    outcome = plait("tune", tiny, "-o", "a.plait", "--budget", "0.000001s")
    assert outcome.code == 1 and "the budget was over before any plan was measured" in outcome.err
    assert not Path("a.plait").exists()
    assert plait("tune", tiny, "-o", "a.plait", "--budget", "1h").code == 0


def test_tune_json(plait: Plait, tiny: Path) -> None:
    report = json.loads(plait("tune", tiny, "-o", "tiny.plait", "--json").out)
    assert report["schema"] == "tuning-report/2"
    assert report["plans"] == [report["device"]]
    assert [row["op"] for row in report["rows"] if row["op"] != "adapt"] == ["conv2d"]


def test_tune_restricts_routines(plait: Plait, tiny: Path) -> None:
    report = json.loads(plait("tune", tiny, "-o", "t.plait", "--json", "--routine", "cpu/f32/nchw/naive@0").out)
    assert report["rows"][0]["routine"] == "cpu/f32/nchw/naive"


def test_tune_to_ir_text(plait: Plait, tiny: Path) -> None:
    assert plait("tune", tiny, "-o", "tuned.ir").code == 0
    assert " via cpu/" in Path("tuned.ir").read_text()
    assert plait("run", "tuned.ir").code == 0
    assert plait("bench", "tuned.ir", "--runs", "3").code == 0


def test_plans_for_other_threads_are_kept(plait: Plait, package: Path, tiny: Path) -> None:
    again = plait("tune", tiny, "-o", package, "--threads", "2")
    assert again.code == 0 and "(beside " in again.err
    described = json.loads(plait("inspect", package, "--json").out)
    assert all(plan["measured_us"] > 0 for plan in described["plans"])
    assert [plan["threads"] for plan in described["plans"]] == [1, 2]


def test_another_model_replaces_a_package(plait: Plait, package: Path, tiny: Path) -> None:
    tiny.write_text(tiny.read_text().replace("0.6", "0.7"))
    again = plait("tune", tiny, "-o", package, "--threads", "2")
    assert again.code == 0 and "is replaced" in again.err
    assert len(json.loads(plait("inspect", package, "--json").out)["plans"]) == 1


def test_symbolic_dimensions_become_1_with_a_note(plait: Plait, symbolic_onnx: Path) -> None:
    outcome = plait("tune", symbolic_onnx, "-o", "one.plait")
    assert outcome.code == 0, outcome.err
    assert "note: dimension N is symbolic; using 1 (set with --dim N=…)" in outcome.err
    outcome = plait("tune", symbolic_onnx, "-o", "two.plait", "--dim", "N=2")
    assert outcome.code == 0 and "symbolic" not in outcome.err
    assert "f32[2x3x4x5]" in plait("inspect", "two.plait").out


# --- run, bench, compare ---


def test_run(plait: Plait, package: Path) -> None:
    image = np.random.default_rng(1).standard_normal((1, 3, 4, 5)).astype(np.float32)
    np.save("image.npy", image)
    outcome = plait("run", package, "--input", "image=image.npy", "--output-dir", "out")
    assert outcome.code == 0, outcome.err
    assert "y       float32  1x2x4x5" in outcome.out
    weight = np.array([0.1, 0.2, -0.3, 0.4, -0.5, 0.6], np.float32).reshape(2, 3)
    wanted = np.maximum(np.einsum("oc,nchw->nohw", weight, image), 0)
    np.testing.assert_allclose(np.load("out/y.npy"), wanted, rtol=1e-5, atol=1e-6)
    # The only input needs no name.
    assert (
        plait("run", package, "--input", "image.npy").out.splitlines()[1].split()[:4]
        == outcome.out.splitlines()[1].split()[:4]
    )


def test_run_with_random_inputs(plait: Plait, package: Path, tiny: Path) -> None:
    tuned = plait("run", package, "--seed", "7", "--json")
    assert tuned.code == 0 and "seed 7" in tuned.err
    reference = plait("run", tiny, "--seed", "7", "--json")
    assert "not tuned" in reference.err
    a, b = (json.loads(o.out)["outputs"][0] for o in (tuned, reference))
    assert a["mean"] == pytest.approx(b["mean"], rel=1e-5)
    assert json.loads(tuned.out)["schema"] == "run/1"


def test_names_of_output_files_are_harmless(plait: Plait, symbolic_onnx: Path, workplace: Path) -> None:
    assert plait("tune", symbolic_onnx, "-o", "m.plait").code == 0
    outcome = plait("run", "m.plait", "--output-dir", "out")
    assert outcome.code == 0, outcome.err
    assert sorted(p.name for p in (workplace / "out").iterdir()) == ["_a_0.1.npy", "_a_0.npy"]
    assert not (workplace / "a:0.npy").exists()


def test_output_in_another_process_is_bit_identical(plait: Plait, package: Path, workplace: Path) -> None:
    assert plait("run", package, "--output-dir", "here", "--seed", "3").code == 0
    command = [sys.executable, "-m", "plait.cli.main", "run", str(package), "--output-dir", "there", "--seed", "3"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert (workplace / "here/y.npy").read_bytes() == (workplace / "there/y.npy").read_bytes()


@pytest.mark.slow
def test_the_whole_way_with_real_times(symbolic_onnx: Path, workplace: Path) -> None:
    """Nothing invented: processes of their own, measurements, and the outputs of ONNX Runtime as the measure."""

    def run(*arguments: str) -> str:
        done = subprocess.run(
            [sys.executable, "-m", "plait.cli.main", *arguments], capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    tune = ("tune", str(symbolic_onnx), "-o", "m.plait", "--dim", "N=2", "--json")
    first, second = json.loads(run(*tune)), json.loads(run(*tune))
    assert 0 < first["measured"] <= first["entries"] and second["measured"] == 0
    assert first["predicted_us"] == second["predicted_us"] == pytest.approx(sum(r["cost_us"] for r in first["rows"]))
    image = np.random.default_rng(0).standard_normal((2, 3, 4, 5)).astype(np.float32)
    np.save("image.npy", image)
    outputs = json.loads(run("run", "m.plait", "--input", "image.npy", "--output-dir", "out", "--json"))["outputs"]
    session = pytest.importorskip("onnxruntime").InferenceSession(symbolic_onnx, providers=["CPUExecutionProvider"])
    for output, wanted in zip(outputs, session.run(None, {"image": image}), strict=True):
        np.testing.assert_allclose(np.load(output["file"]), wanted, rtol=1e-5, atol=1e-6)
    assert "largest relative error" in run("compare", "m.plait")


def test_compare(plait: Plait, tiny: Path, package: Path) -> None:
    outcome = plait("compare", tiny)
    assert outcome.code == 0, outcome.err
    assert "1 outputs compared" in outcome.out
    assert plait("compare", package).code == 0
    assert plait("tune", tiny, "-o", "tuned.ir", "--threads", "2").code == 0
    of_text = plait("compare", "tuned.ir", "--threads", "2")
    assert of_text.code == 0 and "measuring" not in of_text.err
    every = json.loads(plait("compare", tiny, "--all-routines", "--json").out)
    assert every["schema"] == "comparison/1" and every["ok"]
    routines = [row["routine"].partition("[")[0] for row in every["layers"]]
    assert {"cpu/any/nchw/reference", "cpu/f32/nchw16c/direct", "cpu/f32/nhwc/gemm"} <= set(routines)


def test_compare_fails_above_the_limit(plait: Plait, tiny: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("plait.ir.layers.conv.Conv2d.reference", lambda self, x, *_: np.ones((1, 2, 4, 5), np.float32))
    outcome = plait("compare", tiny)
    assert outcome.code == 1
    assert "above 0.0001" in outcome.err and " above" in outcome.out
