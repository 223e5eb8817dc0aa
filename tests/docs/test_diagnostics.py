"""Every code has a section in docs/diagnostics.md, whose example causes it, with the place and words that are shown.

Blocks with `file=NAME` become files, `python` blocks are run, and what a block raises is the `text` block after it. Of
`console` blocks the one command is run in this process, and the rest is what it prints, on standard error first.
"""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import Any

import pytest

from plait.cli.main import main
from plait.ir.diagnostics import CODES, PlaitError

PAGE = Path(__file__).resolve().parents[2] / "docs/diagnostics.md"
TEXT = PAGE.read_text(encoding="utf-8")
SECTIONS = {s.partition("\n")[0]: s.partition("\n")[2].strip() for s in TEXT.split("\n## ")[1:]}
BLOCK = re.compile(r"^```(\w+)([^\n]*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def run(text: str, namespace: dict[str, Any], capsys: pytest.CaptureFixture[str]) -> list[tuple[str, str]]:
    """(what happened, what the page shows) for each outcome of a part of the page."""
    outcomes = []
    raised = ""
    for kind, info, body in BLOCK.findall(text):
        if file := re.search(r"file=(\S+)", info):
            Path(file[1]).write_text(body)
        elif kind == "python":
            try:
                exec(compile(body, PAGE.name, "exec"), namespace)
            except PlaitError as error:
                raised = f"{error}\n"
        elif kind == "console":
            command = body.partition("\n")[0]
            code = main(shlex.split(command.removeprefix("$ plait ")))
            printed = capsys.readouterr()
            shown = f"{command}\n{printed.err}{printed.out}[exit {code}]\n".replace(str(Path.cwd()), "/home/me")
            outcomes.append((shown, body))
        elif kind == "text":
            outcomes.append((raised, body))
            raised = ""
    assert not raised, raised
    return outcomes


def test_every_code_has_its_section() -> None:
    assert list(SECTIONS) == sorted(CODES)


@pytest.mark.parametrize("code", sorted(CODES))
def test_the_section_starts_with_the_meaning(code: str) -> None:
    meaning = CODES[code].partition(" (")[0]
    assert " ".join(SECTIONS[code].replace("`", "").split()).startswith(meaning[0].upper() + meaning[1:])


def test_examples(capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PLAIT_PROFILE_DB", str(tmp_path / "profile.sqlite"))
    # One namespace for the page, as for others: examples build on what stands before them.
    namespace: dict[str, Any] = {"__name__": "__snippet__"}
    run(TEXT.partition("\n## ")[0], namespace, capsys)
    for code, text in SECTIONS.items():
        outcomes = run(text, namespace, capsys)
        assert outcomes, f"{code} has no example"
        for happened, shown in outcomes:
            assert happened == shown
            assert set(re.findall(r"error\[(P\d+)\]", shown)) == {code}
