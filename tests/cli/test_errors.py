"""What goes wrong: the exit code, a message that says where and what, and nothing half-written."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from plait.backends.errors import PackageError, RoutineError
from plait.ir.diagnostics import IRError

Plait = Callable[..., Any]
Listing = Callable[[], dict[str, bytes]]


# --- models that cannot be read: 4 ---


def test_truncated_onnx(plait: Plait, symbolic_onnx: Path, listing: Listing) -> None:
    data = symbolic_onnx.read_bytes()
    symbolic_onnx.write_bytes(data[: len(data) // 2])
    before = listing()
    for arguments in (
        ("import", symbolic_onnx, "-o", "m.ir"),
        ("tune", symbolic_onnx, "-o", "m.plait"),
        ("compare", symbolic_onnx),
    ):
        outcome = plait(*arguments)
        assert outcome.code == 4
        assert outcome.err.startswith(f"{symbolic_onnx}: error[P301]: ")
        assert len(outcome.err.splitlines()) == 1
    assert listing() == before


def test_text_file_named_onnx(plait: Plait, workplace: Path) -> None:
    (workplace / "notes.onnx").write_text("Dear diary, today I trained a network.\n")
    outcome = plait("tune", "notes.onnx")
    assert (outcome.code, outcome.err) == (4, "notes.onnx: error[P301]: is a text file, not an ONNX model\n")


def test_unsupported_operator(plait: Plait, workplace: Path, listing: Listing) -> None:
    import onnx
    from onnx import TensorProto, helper

    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, [3])
    y = helper.make_tensor_value_info("y", TensorProto.FLOAT, [3])
    graph = helper.make_graph([helper.make_node("Bernoulli", ["x"], ["y"], name="coin")], "g", [x], [y])
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), "coin.onnx")
    before = listing()
    outcome = plait("import", "coin.onnx", "-o", "coin.ir")
    assert outcome.code == 4
    assert "P302" in outcome.err and "Bernoulli" in outcome.err and "coin" in outcome.err
    assert listing() == before


def test_missing_external_data(plait: Plait, symbolic_onnx: Path) -> None:
    import onnx

    model = onnx.load(symbolic_onnx)
    onnx.save(model, symbolic_onnx, save_as_external_data=True, location="weights.bin", size_threshold=0)
    Path("weights.bin").unlink()
    outcome = plait("tune", symbolic_onnx, "-o", "m.plait")
    assert outcome.code == 4
    assert "weights.bin" in outcome.err
    assert not Path("m.plait").exists()


# --- invalid IR: 3 ---


def test_type_error_in_ir_text(plait: Plait, tiny: Path, listing: Listing) -> None:
    tiny.write_text(
        tiny.read_text().replace("= conv2d(%image, @w) : f32[1x2x4x5]", "= conv2d(%image, @w) : f32[1x7x4x5]")
    )
    before = listing()
    for arguments in (("opt", tiny, "-o", "o.ir"), ("tune", tiny), ("run", tiny)):
        outcome = plait(*arguments)
        assert outcome.code == IRError.exit_code == 3
        lines = outcome.err.splitlines()
        assert re.fullmatch(rf"{re.escape(str(tiny))}:4:8: error\[P103\]: .*f32\[1x7x4x5\].*", lines[0])
        assert lines[1] == "  %c = conv2d(%image, @w) : f32[1x7x4x5] nchw"
        assert lines[2] == "       ^^^^^^"
    assert listing() == before


def test_missing_weights_file(plait: Plait, tiny: Path) -> None:
    tiny.write_text(
        'ir 1\nweights "gone.safetensors" {\n  @w : f32[100]\n}\n'
        "net @main(%x: f32[100]) -> (%y: f32[100]) {\n  %y = add(%x, @w) : f32[100]\n}\n"
    )
    outcome = plait("tune", tiny, "-o", "t.plait")
    assert outcome.code == 3
    assert f"{tiny}:2:9: error[P007]: weights file 'gone.safetensors' is missing" in outcome.err


# --- usage: 2 ---


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["tune"], "Missing argument"),
        (["tun"], "did you mean tune?"),
        (["tune", "tiny.ir", "--fast"], "No such option"),
        (["tune", "tiny.ir", "--threads", "0"], "--threads"),
        (["tune", "tiny.ir", "--dim", "N"], "NAME=SIZE"),
        (["tune", "tiny.ir", "--budget", "soon"], "is not a time, such as 30s"),
        (["tune", "tiny.ir", "--state", "frozen"], "--state"),
        (["tune", "tiny.ir", "--state", "in_place", "--max-error", "1e-3"], "--max-error is not for --state in_place"),
        (["tune", "tiny.ir", "--max-error", "-1"], "--max-error"),
        (["tune", "tiny.ir", "--dim", "N=0"], "NAME=SIZE"),
        (["tune", "tiny.ir", "--dim", "N=1"], "no symbolic dimension 'N'"),
        (["tune", "tiny.ir", "--solver", "magic"], "known are exact"),
        (["tune", "tiny.ir", "-o", "tiny.ir"], "is the input"),
        (["tune", "tiny.ir", "--routine", "gpu/warp"], "matches no routine"),
        (["tune", "tiny.ir", "--routine", "cpu/quantum@0"], "matches no routine of %y (conv2d)"),
        (["tune", "tiny.ir", "--routine", "cpu/@"], "--routine:1:6: error[P404]"),
        (["tune", "gone.onnx"], "does not exist"),
        (["opt", "gone.ir"], "does not exist"),
        (["opt", "."], "is a directory"),
        (["run", "-"], "standard input is read by `plait opt` and `plait inspect` only"),
        (
            ["opt", "tiny.ir", "-p", "dce,fuse-activatoin"],
            "<pipeline>:1:5: error[P201]: unknown pass 'fuse-activatoin'",
        ),
        (["opt", "tiny.ir", "-p", "dce{deep=true}"], "has no option 'deep'"),
        (["opt", "tiny.ir", "--print-ir-after", "cse", "-p", "dce"], "no pass 'cse'"),
        (["opt"], "Missing argument"),
        (["routines", "--layer", "conv"], "did you mean conv2d"),
        (["layers", "conv"], "did you mean conv2d"),
        (["layers", "conv2d", "--json"], "exclude one another"),
        (["routines", "nchw16c", "--layer", "conv2d"], "'nchw16c' matches no routine of conv2d"),
        (["bench", "notes.txt"], "neither a .plait package nor a tuned .ir file"),
    ],
)
def test_usage(plait: Plait, tiny: Path, arguments: list[str], message: str, listing: Listing) -> None:
    Path("notes.txt").write_text("hello")
    before = listing()
    outcome = plait(*arguments)
    assert outcome.code == 2, outcome.err
    assert message in outcome.err
    assert outcome.out == ""
    assert listing() == before


# --- failed runs: 1; no routine: 5 ---


def test_wrong_inputs(plait: Plait, package: Path, listing: Listing) -> None:
    np.save("small.npy", np.zeros((1, 3, 4, 4), np.float32))
    np.save("double.npy", np.zeros((1, 3, 4, 5)))
    np.save("objects.npy", np.array([{}], dtype=object))
    np.savez("many.npz", np.zeros(3))
    Path("words.npy").write_text("not an array")
    Path("short.npy").write_bytes(Path("small.npy").read_bytes()[:100])
    before = listing()
    for file, message in [
        ("small.npy", "error[P401]: input 'image' has shape [1, 3, 4, 4], the model takes [1, 3, 4, 5]"),
        ("double.npy", "has dtype float64, the model takes float32"),
        ("objects.npy", "objects.npy: error[P401]: cannot be read as an .npy file: Object arrays"),
        ("many.npz", "many.npz: error[P401]: is an .npz archive"),
        ("words.npy", "words.npy: error[P401]: is not an .npy file"),
        ("short.npy", "short.npy: error[P401]: cannot be read"),
        ("gone.npy", "error: gone.npy: No such file or directory"),
    ]:
        outcome = plait("run", package, "--input", f"image={file}", "--output-dir", "out")
        assert outcome.code == 1
        assert message in outcome.err
        assert outcome.out == ""
    assert plait("run", package, "--input", "picture=small.npy").code == 1
    assert listing() == before


def test_untuned_text_has_no_routine(plait: Plait, tiny: Path) -> None:
    outcome = plait("bench", tiny)
    assert outcome.code == RoutineError.exit_code == 5
    assert f"{tiny}:4:8: error[P403]: %c (conv2d) has no routine" in outcome.err


def test_strict(plait: Plait, tiny: Path) -> None:
    assert plait("tune", tiny, "-o", "t.ir").code == 0
    text = re.sub(r"via cpu/\S+", "via cpu/f32/nchw/quantum", Path("t.ir").read_text())
    Path("t.ir").write_text(text)
    loose = plait("bench", "t.ir", "--runs", "3")
    assert loose.code == 0 and "routine cpu/f32/nchw/quantum is not installed; using" in loose.err
    strict = plait("bench", "t.ir", "--strict")
    assert strict.code == 5 and "not installed" in strict.err


def test_damaged_package(plait: Plait, package: Path) -> None:
    data = package.read_bytes()
    for damaged in (data[:-10], data[:5000], data.replace(b"conv2d", b"conv3d", 1), b"PK\x03\x04" + b"\0" * 50):
        package.write_bytes(damaged)
        for command in ("run", "bench", "inspect"):
            outcome = plait(command, package)
            assert outcome.code == PackageError.exit_code == 1
            assert f"{package}: error[P402]: " in outcome.err


@pytest.mark.parametrize("command", ["run", "bench", "compare", "inspect"])
def test_a_file_that_is_called_a_package_and_is_none(plait: Plait, workplace: Path, command: str) -> None:
    (workplace / "bad.plait").write_bytes(b"\x00\x01\x02")
    outcome = plait(command, "bad.plait")
    assert outcome.code == 1 and "bad.plait: error[P402]: cannot be read as a package" in outcome.err


@pytest.mark.parametrize("command", ["run", "bench", "compare", "tune"])
def test_a_module_without_main(plait: Plait, workplace: Path, command: str) -> None:
    (workplace / "parts.ir").write_text("ir 1\nnet @part(%x: f32[4]) -> (%x: f32[4]) {\n}\n")
    outcome = plait(command, "parts.ir")
    assert outcome.code == 3 and "error[P003]: there is no net @main" in outcome.err


def test_inputs_that_no_memory_can_hold(plait: Plait, workplace: Path) -> None:
    size = "f32[99999999999x99999999999]"
    (workplace / "huge.ir").write_text(f"ir 1\nnet @main(%x: {size}) -> (%y: {size}) {{\n  %y = relu(%x)\n}}\n")
    outcome = plait("run", "huge.ir")
    assert outcome.code == 1 and "error[P401]: input 'x' is f32[" in outcome.err


def test_profile_database_that_is_none(plait: Plait, tiny: Path) -> None:
    Path("notes.txt").write_text("This is not a database, and long enough to be seen as none. " * 20)
    outcome = plait("tune", tiny, "--db", "notes.txt")
    assert outcome.code == 1 and "P501" in outcome.err
