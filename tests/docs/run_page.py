"""Run the blocks of one documentation page in order; see test_snippets for the rules. Usage: run_page.py PAGE"""

from __future__ import annotations

import contextlib
import difflib
import io
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from plait.ir.text import parse_module

BLOCK = re.compile(r"^```(\w+)([^\n]*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
FILE = re.compile(r"file=(\S+)")
STATUS = re.compile(r"\[exit (\d+)\]")
SET_UP = ("make ", "git ", "pip ", "cd ")
"""Commands that set up a machine: continuous integration itself is their test."""


def run_page(page: Path) -> None:
    text = page.read_text()
    differences: list[str] = []
    namespace: dict[str, object] = {"__name__": "__snippet__"}
    printed, end = "", 0
    for block in BLOCK.finditer(text):
        kind, info, body = block.groups()
        follows, end = not text[end : block.start()].strip(), block.end()
        if file := FILE.search(info):
            Path(file.group(1)).parent.mkdir(parents=True, exist_ok=True)
            Path(file.group(1)).write_text(body)
        elif kind == "python":
            printed = run_python(body, page.name, namespace)
            continue
        elif kind == "console":
            differences += run_console(body, measured="measured" in info.split())
        elif kind in ("text", "ir") and follows and printed:
            differences += compare("the Python block", lines_of(body), lines_of(printed))
        elif kind == "ir" and body.startswith("ir 1"):
            parse_module(body, page.name)
        printed = ""
    if differences:
        sys.exit("\n".join(differences))


def run_python(body: str, name: str, namespace: dict[str, object]) -> str:
    """Run a block; gives what it prints."""
    with contextlib.redirect_stdout(io.StringIO()) as stream:
        exec(compile(body, f"{name} (snippet)", "exec"), namespace)
    return stream.getvalue()


def run_console(body: str, *, measured: bool) -> Iterator[str]:
    """Run the commands of a block. Gives the differences of what they print from what is shown, unless that was
    measured."""
    for command, shown in commands(body):
        if command.startswith(SET_UP):
            continue
        wanted = 0
        if shown and (status := STATUS.fullmatch(shown[-1])):
            wanted, shown = int(status[1]), shown[:-1]
        done = subprocess.run(
            command, shell=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=900
        )
        if done.returncode != wanted:
            sys.exit(f"$ {command}\nexit status {done.returncode}, not {wanted}\n{done.stdout}")
        if shown and not measured:
            yield from compare(f"$ {command}", shown, lines_of(done.stdout))


def compare(title: str, shown: list[str], printed: list[str]) -> Iterator[str]:
    """How what is printed differs from what is shown, if it does."""
    if not matches(shown, printed):
        yield "\n".join([title, *difflib.unified_diff(shown, printed, "shown", "printed", lineterm=""), ""])


def lines_of(text: str) -> list[str]:
    """The lines of a text, without blanks at their ends and empty lines at the end."""
    return [line.rstrip() for line in text.rstrip().splitlines()]


def commands(body: str) -> list[tuple[str, list[str]]]:
    """The commands of a block, each with the lines that are shown after it."""
    found: list[tuple[str, list[str]]] = []
    for line in body.splitlines():
        if line.startswith("$ "):
            found.append((line[2:], []))
        elif found:
            found[-1][1].append(line)
    return [(command, lines_of("\n".join(shown))) for command, shown in found]


def matches(shown: list[str], printed: list[str]) -> bool:
    """Whether lines are as shown; a line of dots stands for any number of lines, dots within one for any text."""
    parts = [
        r"(?:.*\n)*?" if line.strip() in ("...", "…") else ".*".join(map(re.escape, line.split("…"))) + r"\n"
        for line in shown
    ]
    return re.fullmatch("".join(parts), "".join(f"{line}\n" for line in printed)) is not None


if __name__ == "__main__":
    sys.modules["__snippet__"] = sys.modules["__main__"]
    run_page(Path(sys.argv[1]))
