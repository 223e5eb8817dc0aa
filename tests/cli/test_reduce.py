"""`plait reduce`: what is left, what a check may say, interruption, files."""

from __future__ import annotations

import json
import os
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import onnx
import pytest

from plait.cli.check import Check, Outcome, SameFailure
from plait.ir.text import load_ir, print_module
from plait.testing.random_models import random_model

Plait = Callable[..., Any]
Listing = Callable[[], dict[str, bytes]]

PASS = '''"""A pass with a planted defect, and a check that runs it in few milliseconds."""
import sys
text = open(sys.argv[1]).read()
if "= relu(" in text:
    print("relu is broken", file=sys.stderr)
    sys.exit(3)
if "= conv2d(" in text:
    print("conv2d is slow")
    sys.exit(4)
'''
BROKEN = """
import attrs
from plait.passes.base import Pass
from plait.passes.registry import register_pass


@register_pass
@attrs.frozen
class Broken(Pass):
    '''Stumbles over a concat of three operands.'''

    name = "broken"

    def run(self, module, context):
        for layer in module.main:
            if layer.op == "concat" and len(layer.xs) == 3:
                raise RuntimeError("no place for a third operand")
        return False
"""


@pytest.fixture
def check(workplace: Path) -> str:
    (workplace / "check.py").write_text(PASS)
    return f"{shlex.quote(sys.executable)} check.py"


def test_reduces(plait: Plait, tiny: Path, check: str) -> None:
    outcome = plait("reduce", "tiny.ir", "--check", check)
    assert outcome.code == 0, outcome.err
    assert Path("tiny.reduced.ir").read_text() == (
        "ir 1\nnet @main(%0: f32[1x1x1x1] nchw) -> (%1: f32[1x1x1x1] nchw) {\n  %1 = relu(%0) : f32[1x1x1x1] nchw\n}\n"
    )
    assert [line.split() for line in outcome.out.splitlines()] == [
        ["before", "after"],
        ["layers", "2", "1"],
        ["arguments", "1", "1"],
        ["outputs", "1", "1"],
        ["constants", "24", "B", "0", "B"],
        ["largest", "tensor", "240", "B", "4", "B"],
    ]
    lines = outcome.err.splitlines()
    assert lines[0] == "note: the check exited with status 3: relu is broken"
    assert any(line.startswith("layers: ") and " checks, 1 layer, " in line for line in lines)
    assert lines[-2] == "wrote tiny.reduced.ir" and " checks in " in lines[-1]


@pytest.mark.slow
def test_a_pass_that_crashes_on_a_random_network(plait: Plait, workplace: Path) -> None:
    onnx.save(random_model(3, 12), workplace / "random.onnx")
    (workplace / "broken.py").write_text(BROKEN)
    command = f"{shlex.quote(sys.executable)} -m plait.cli.main opt --load broken.py -p broken"
    outcome = plait("reduce", "random.onnx", "--check", command, "--match", "third operand", "-o", "small.ir", "--json")
    assert outcome.code == 0, outcome.err
    (layer,) = load_ir("small.ir").main
    assert layer.op == "concat" and len(layer.operands) == 3
    report = json.loads(outcome.out)
    assert report["schema"] == "reduction/1"
    assert report["before"]["layers"] > 30 and report["after"]["layers"] == 1
    assert report["after"]["largest tensor"] == 12 and 0 < report["checks"] < 60


def test_weights_go_along(plait: Plait, workplace: Path, listing: Listing) -> None:
    onnx.save(random_model(0, 12), workplace / "random.onnx")
    before = listing()
    # Constants in a weights file are needed, that is of more than 16 elements.
    command = "! ls $(dirname {}) | grep -q safetensors"
    outcome = plait("reduce", "random.onnx", "--check", command, "-o", "small.ir")
    assert outcome.code == 0, outcome.err
    module = load_ir("small.ir")
    (constant,) = module.constants.values()
    assert 16 < constant.data.size < 30 and not constant.data.any()
    assert set(listing()) - set(before) == {"small.ir", "small.safetensors"}


def test_same_status_unless_any(plait: Plait, tiny: Path, check: str) -> None:
    tiny.write_text(tiny.read_text().replace("relu(%c)", "tanh(%c)"))
    assert plait("reduce", tiny, "--check", f"{check} {{}} || exit 7").code == 0
    assert "conv2d" in Path("tiny.reduced.ir").read_text()
    tiny.write_text(tiny.read_text().replace("tanh(%c)", "relu(%c)"))
    fails = f"{check} {{}}"
    assert plait("reduce", tiny, "--check", fails).code == 0
    assert "relu" in Path("tiny.reduced.ir").read_text()
    # Status 4 of the convolution will do as well, so its text must decide.
    both = f"{check} {{}}; code=$?; cat {{}}; exit $code"
    assert plait("reduce", tiny, "--check", both, "--any-status", "--match", "conv2d(").code == 0
    assert "conv2d" in Path("tiny.reduced.ir").read_text() and "relu" not in Path("tiny.reduced.ir").read_text()
    assert plait("reduce", tiny, "--check", both, "--match", "conv2d(").code == 0
    assert "conv2d" in Path("tiny.reduced.ir").read_text() and "relu" in Path("tiny.reduced.ir").read_text()


def test_125_is_not_the_failure(plait: Plait, tiny: Path) -> None:
    # Without a convolution the check cannot tell.
    command = "grep -q 'conv2d(' {} || exit 125; ! grep -q 'relu(' {} || exit 1"
    assert plait("reduce", tiny, "--check", command, "--any-status").code == 0
    left = Path("tiny.reduced.ir").read_text()
    assert "conv2d(" in left and "relu(" in left


@pytest.mark.parametrize(
    ("command", "options", "message"),
    [
        ("true", (), "the check passes on the model (status 0), so there is nothing to reduce"),
        ("exit 125; echo", (), "the check cannot tell on the model (status 125)"),
        ("no-such-command", (), "the check cannot be run: "),
        ("echo one; exit 2; echo", ("--match", "two"), "(exited with status 2) but does not print 'two'"),
        ("kill -SEGV $$; echo", ("--match", "two"), "(was ended by SIGSEGV) but does not print 'two'"),
    ],
)
def test_checks_that_do_not_fail(
    plait: Plait, tiny: Path, command: str, options: tuple[str, ...], message: str, listing: Listing
) -> None:
    before = listing()
    outcome = plait("reduce", tiny, "--check", command, *options)
    assert outcome.code == 1
    assert outcome.err.startswith("Error: ") and message in outcome.err and len(outcome.err.splitlines()) == 1
    assert listing() == before


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--check", " "], "the command is empty"),
        ([], "Missing option '--check'"),
        (["--check", "false", "--timeout", "0"], "is not in the range x>0"),
        (["--check", "false", "--max-checks", "0"], "is not in the range x>=1"),
        (["--check", "false", "-o", "tiny.ir"], "tiny.ir is the input"),
        (["--check", "false", "-o", "-", "--json"], "cannot both go to standard output"),
    ],
)
def test_wrong_command_lines(plait: Plait, tiny: Path, arguments: list[str], message: str) -> None:
    outcome = plait("reduce", "tiny.ir", *arguments)
    assert outcome.code == 2 and message in outcome.err


def test_unreadable_models(plait: Plait, workplace: Path) -> None:
    Path("bad.ir").write_text("ir 1\nnet @main(")
    assert plait("reduce", "bad.ir", "--check", "false").code == 3


def test_text_on_standard_output(plait: Plait, tiny: Path, check: str, listing: Listing) -> None:
    before = listing()
    outcome = plait("reduce", tiny, "--check", check, "-o", "-")
    assert outcome.code == 0
    assert outcome.out.startswith("ir 1\n") and "relu" in outcome.out and "largest tensor" in outcome.err
    assert listing() == before


def test_limited_number_of_checks(plait: Plait, tiny: Path, check: str) -> None:
    outcome = plait("reduce", tiny, "--check", check, "--max-checks", 2)
    assert outcome.code == 0
    assert "note: stopped after 2 checks; the module may not be minimal" in outcome.err
    assert "relu" in Path("tiny.reduced.ir").read_text()


def test_hanging_checks(plait: Plait, tiny: Path) -> None:
    command = "if grep -q 'relu(' {}; then sleep 60; fi"
    outcome = plait("reduce", tiny, "--check", command, "--timeout", 0.2)
    assert outcome.code == 0
    assert outcome.err.startswith("note: the check did not end in time\n")
    assert "relu(" in Path("tiny.reduced.ir").read_text() and "conv2d(" not in Path("tiny.reduced.ir").read_text()


def test_candidates_that_hang_are_well(plait: Plait, tiny: Path) -> None:
    command = "grep -q 'conv2d(' {} || sleep 60; exit 1"
    assert plait("reduce", tiny, "--check", command, "--timeout", 0.2, "--any-status").code == 0
    assert "conv2d(" in Path("tiny.reduced.ir").read_text()


def test_interrupted(tiny: Path, check: str) -> None:
    """A real Ctrl-C in the middle: the smallest module so far is written."""
    slow = f"{check} {{}}; code=$?; echo x >> count; [ $(wc -l < count) -lt 4 ] || sleep 60; exit $code"
    arguments = [sys.executable, "-m", "plait.cli.main", "reduce", str(tiny), "--check", slow]
    process = subprocess.Popen(arguments, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    deadline = time.monotonic() + 60
    count = Path("count")
    while (not count.exists() or len(count.read_text().splitlines()) < 4) and time.monotonic() < deadline:
        time.sleep(0.02)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=300)
    assert process.returncode == 130, err
    assert "note: interrupted; this is the smallest module so far" in err and "layers" in out
    assert "relu" in Path("tiny.reduced.ir").read_text() and "conv2d" not in Path("tiny.reduced.ir").read_text()
    assert "Traceback" not in err


# --- checks as such ---


def test_the_file_in_the_command(tmp_path: Path) -> None:
    path = tmp_path / "a b.ir"
    assert Check("echo {} {}").run(path) == Outcome(0, f"{path} {path}\n")
    assert Check("echo -n").run(path) == Outcome(0, str(path))
    assert Check("echo out; echo err >&2; cat; exit 9;").run(path).output.startswith("out\nerr\n")


def test_nothing_outlives_a_check(tmp_path: Path) -> None:
    pid = tmp_path / "pid"
    outcome = Check(f"sleep 60 & echo $! > {shlex.quote(str(pid))}; true {{}}").run(tmp_path)
    assert outcome.status == 0
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline and running(int(pid.read_text())):
        time.sleep(0.01)
    assert not running(int(pid.read_text()))


def running(pid: int) -> bool:
    """Whether a process is there and no zombie, which has nobody to collect it in a container."""
    try:
        os.kill(pid, 0)
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (ProcessLookupError, FileNotFoundError):
        return False


@pytest.mark.parametrize(
    ("first", "any_status", "then", "same"),
    [
        (3, False, 3, True),
        (3, False, 4, False),
        (3, True, 4, True),
        (3, True, 125, False),
        (3, True, 127, False),
        (3, True, None, False),
        (None, False, None, True),
        (None, False, 1, False),
        (-11, False, -11, True),
        (-11, True, 0, False),
    ],
)
def test_same_failure(first: int | None, any_status: bool, then: int | None, same: bool) -> None:
    assert SameFailure(Outcome(first, ""), any_status=any_status)(Outcome(then, "")) is same


def test_the_model_is_left_alone(plait: Plait, tiny: Path, check: str) -> None:
    text, module = tiny.read_text(), print_module(load_ir(tiny))
    assert plait("reduce", tiny, "--check", check, "-o", "other.ir").code == 0
    assert tiny.read_text() == text and print_module(load_ir(tiny)) == module
