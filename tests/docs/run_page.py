"""Run the blocks of one documentation page in order; see test_snippets for the rules. Usage: run_page.py PAGE"""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

from plait.ir.text import parse_module

BLOCK = re.compile(r"^```(\w+)([^\n]*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
FILE = re.compile(r"file=(\S+)")
SET_UP = ("make ", "git ", "pip ", "cd ")
"""Commands that set up a machine: continuous integration itself is their test."""


def run_page(page: Path) -> None:
    namespace: dict[str, object] = {"__name__": "__snippet__"}
    for kind, info, body in BLOCK.findall(page.read_text()):
        if file := FILE.search(info):
            Path(file.group(1)).parent.mkdir(parents=True, exist_ok=True)
            Path(file.group(1)).write_text(body)
        elif kind == "python":
            exec(compile(body, f"{page.name} (snippet)", "exec"), namespace)
        elif kind == "console":
            run_console(body)
        elif kind == "ir" and body.startswith("ir 1"):
            parse_module(body, page.name)


def run_console(body: str) -> None:
    lines = body.splitlines()
    for number, line in enumerate(lines):
        if not line.startswith("$ ") or line[2:].startswith(SET_UP):
            continue
        shown = next((x for x in lines[number + 1 :] if x.startswith(("$ ", "[exit "))), "")
        wanted = int(shown[6:-1]) if shown.startswith("[exit ") else 0
        done = subprocess.run(line[2:], shell=True, capture_output=True, text=True, timeout=300)
        if done.returncode != wanted:
            sys.exit(f"{line}\nexit status {done.returncode}, not {wanted}\n{done.stdout}\n{done.stderr}")


if __name__ == "__main__":
    sys.modules["__snippet__"] = sys.modules["__main__"]
    run_page(Path(sys.argv[1]))
