"""Links between pages lead somewhere: files exist, and so do the headings that are named."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PAGES = sorted(
    p.relative_to(ROOT).as_posix() for p in (*ROOT.glob("*.md"), *ROOT.glob("*/*.md"), *ROOT.glob("docs/*/*.md"))
)
_CODE = re.compile(r"^```.*?^```$|`[^`\n]*`", re.MULTILINE | re.DOTALL)
_PATH = re.compile(
    r"`((?:ir|passes|frontends|backends|kernels_pyx|tuning|testing|cli|tests|examples|benchmarks|docs)/[\w./-]*)`"
)
_LINK = re.compile(r"\]\(([^()\s]+)\)")


def links(text: str) -> list[str]:
    """Targets within the repository, code left out."""
    return [t for t in _LINK.findall(_CODE.sub("`code`", text)) if not re.match(r"[a-z]+:", t)]


def anchors(text: str) -> set[str]:
    """Names of headings, as GitHub makes them."""
    found: dict[str, int] = {}
    names = set()
    for title in re.findall(r"^#+ +(.*?) *$", re.sub(r"^```.*?^```$", "", text, flags=re.M | re.S), re.MULTILINE):
        name = re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-")
        count = found[name] = found.get(name, -1) + 1
        names.add(f"{name}-{count}" if count else name)
    return names


def broken(page: Path) -> list[str]:
    wrong = []
    for target in links(page.read_text(encoding="utf-8")):
        path, _, anchor = target.partition("#")
        file = (page.parent / path).resolve() if path else page
        if not file.exists() or (anchor and anchor not in anchors(file.read_text(encoding="utf-8"))):
            wrong.append(target)
    return wrong


@pytest.mark.parametrize("page", PAGES)
def test_links(page: str) -> None:
    assert not broken(ROOT / page)


@pytest.mark.parametrize("page", PAGES)
def test_files_and_folders_that_are_named_exist(page: str) -> None:
    text = (ROOT / page).read_text(encoding="utf-8")
    assert not [path for path in _PATH.findall(text) if not (ROOT / path).exists()]


def test_broken_links_are_found(tmp_path: Path) -> None:
    page = tmp_path / "a.md"
    page.write_text(
        "# A b: `c`\n## A b\n## A b\n[1](a.md#a-b-c) [2](#a-b-1) [3](https://x.y/z) `[4](gone.md)`\n"
        "[5](gone.md) [6](#a-b-2) [7](a.md#gone)\n```text\n# not a heading\n[8](gone.md)\n```\n[9](#not-a-heading)\n"
    )
    assert broken(page) == ["gone.md", "#a-b-2", "a.md#gone", "#not-a-heading"]
    assert len(PAGES) > 10
