"""`*.ir` tests: what a case says, when it fails and how that reads; and the plugin, in a pytest of its own."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from plait.ir.diagnostics import IRError
from plait.ir.text import parse_module
from plait.testing.check_lines import CheckFailed
from plait.testing.equivalence import NotEquivalent
from plait.testing.ir_files import CaseError, CaseFailed, read_cases, run_case
from plait.testing.ir_files.runner import check_same_numbers

NET = """ir 1
net @main(%x: f32[4]) -> (%z: f32[4]) {
  %y = relu(%x) : f32[4]
  %z = relu(%y) : f32[4]
}
"""
AFTER = '// ==>\nir 1\nnet @main(%a: f32[4]) -> ("z" = %b: f32[4]) {\n  %b = relu(%a)\n}\n'
WRONG = "ir 1\nnet @main(%x: f32[4]) -> (%y: f32[5]) {\n  %y = relu(%x) : f32[5]\n}\n"


def run(text: str) -> None:
    (case,) = read_cases(text, "t.ir")
    run_case(case)


@pytest.mark.parametrize(
    "text",
    [
        NET,
        "// RUN: canonicalize\n" + NET + AFTER,
        "// RUN: canonicalize\n" + NET + "// CHECK: net @main\n// CHECK-NEXT: %z = relu(%x)\n",
        "// RUN: dce\n// CHECK: [[Y:%.]] = relu(%x)\n// CHECK-NEXT: relu([[Y]])\n" + NET,
        "// RUN: canonicalize\n// CHECK: relu(%x)\n" + NET + AFTER,
        "// CHECK: relu(%y)\n" + NET,
        "// ALLOW: unknown layers\n// CHECK: strange\n" + NET.replace("relu(%y)", "strange(%y)"),
        "// error@+3: P103 declared f32[5]\n" + WRONG,
        "// error@+3:8: P103\n" + WRONG,
        WRONG + "// error@-2: P103",
        "// RUN: nonsense\n// error@+1: P201 nonsense\n" + NET,
        "// ----- a title\n" + NET,
    ],
    ids=range(12),
)
def test_passes(text: str) -> None:
    run(text)


@pytest.mark.parametrize(
    ("text", "error", "messages"),
    [
        (WRONG, IRError, ["t.ir:3:8: error[P103]"]),
        ("// RUN: dce\n" + NET + AFTER, CaseFailed, ["t.ir\n", "+  %v2 = relu(%v1)", "as printed:"]),
        ("// CHECK: conv\n" + NET, CheckFailed, ["t.ir:1: CHECK: no match", "searched from line 1"]),
        ("\n\n" + NET + "// CHECK: conv\n", CheckFailed, ["t.ir:8: CHECK: no match"]),
        ("// error@+1: P103\n" + NET, CaseFailed, ["missing: line 2: P103"]),
        (
            "// error@+2: P103\n" + WRONG,
            CaseFailed,
            ["missing: line 3: P103", "unexpected: t.ir:4:8: error[P103]: %y is declared"],
        ),
        ("// error@+3:9: P103\n" + WRONG, CaseFailed, ["missing: line 4:9: P103"]),
        ("// error@+3: P103 f64\n" + WRONG, CaseFailed, ["missing: line 4: P103 f64"]),
        ("// error@+3: P104\n" + WRONG, CaseFailed, ["missing: line 4: P104"]),
    ],
    ids=range(9),
)
def test_fails(text: str, error: type[Exception], messages: list[str]) -> None:
    with pytest.raises(error) as caught:
        run(text)
    assert all(m in str(caught.value) for m in messages), str(caught.value)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("// RUN: dce\n// RUN: cse\n" + NET, "t.ir:2: a second RUN in one case"),
        ("// KEEPS: numbers\n" + NET, "t.ir:1: KEEPS says 'no numbers' or is left out, got 'numbers'"),
        ("// ALLOW: all\n" + NET, "t.ir:1: ALLOW says 'unknown layers' or is left out"),
        (NET + AFTER, "t.ir:6: an expected module needs a line // RUN: pipeline"),
        ("// RUN: dce\n// error@+1: P103\n" + NET + AFTER, "a case that expects errors has no result to compare"),
        ("// CHECK: a\n// error@+1: P103\n" + NET, "a case that expects errors has no result to compare"),
    ],
    ids=range(6),
)
def test_not_well_written(text: str, message: str) -> None:
    with pytest.raises(CaseError) as caught:
        read_cases(text, "t.ir")
    assert message in str(caught.value)


def test_cases_of_a_file() -> None:
    text = f"// about the file\n\n// ----- one\n{NET}// -----\n{NET}// ----- empty\n// nothing\n"
    cases = read_cases(text, "t.ir")
    assert [(c.title, c.first) for c in cases] == [("one", 3), ("line 10", 9)]
    assert cases[1].text.splitlines()[9] == "ir 1"


def test_directives_are_not_comments_of_layers() -> None:
    (case,) = read_cases(NET.replace("  %z =", "  // CHECK: relu\n  // KEEPS: no numbers\n  // kept\n  %z ="), "t.ir")
    assert "CHECK" not in case.text and "KEEPS" not in case.text and "// kept" in case.text
    assert case.text.count("\n") == NET.count("\n") + 3


def test_numbers_that_change() -> None:
    with pytest.raises(NotEquivalent, match="it begins at %z"):
        check_same_numbers(parse_module(NET), parse_module(NET.replace("relu(%y)", "tanh(%y)")))


def pytest_in(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    (folder / "conftest.py").write_text('pytest_plugins = ["plait.testing.pytest_plugin"]\n')
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--rootdir", str(folder), *arguments]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True)


def test_plugin_collects_and_reports(tmp_path: Path) -> None:
    (tmp_path / "good.ir").write_text("// RUN: canonicalize\n" + NET + AFTER)
    (tmp_path / "bad.ir").write_text(f"// ----- wrong\n// CHECK: conv\n{NET}")
    done = pytest_in(tmp_path)
    assert done.returncode == 1 and "1 failed, 1 passed" in done.stdout, done.stdout + done.stderr
    assert "bad.ir:2: CHECK: no match" in done.stdout and "Traceback" not in done.stdout
    assert "FAILED bad.ir::wrong" in done.stdout


def test_plugin_tells_of_a_case_that_is_not_well_written(tmp_path: Path) -> None:
    (tmp_path / "bad.ir").write_text("// KEEPS: all\n" + NET)
    done = pytest_in(tmp_path)
    assert "bad.ir:1: KEEPS says" in done.stdout and "Traceback" not in done.stdout, done.stdout + done.stderr


def test_update(tmp_path: Path) -> None:
    path = tmp_path / "t.ir"
    stale = NET.replace("relu", "tanh")
    path.write_text(
        f"// ----- a\n// RUN: canonicalize\n{NET}// ==>\n{stale}// ----- b\n// RUN: dce\n{NET}// ==>\nold\n"
    )
    assert pytest_in(tmp_path, "--update-ir").returncode == 0
    text = path.read_text()
    assert "tanh" not in text and "old" not in text and text.count("// ==>") == 2
    assert pytest_in(tmp_path).returncode == 0
