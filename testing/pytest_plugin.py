"""A pytest plugin that runs `*.ir` files as tests; `plait.testing.ir_files` says how they are written.

Enable it in the `conftest.py` at the root of your tests:

    pytest_plugins = ["plait.testing.pytest_plugin"]

`pytest --update-ir` rewrites the expected modules after `// ==>`. It is no entry point on purpose: it would be loaded
in every pytest of an environment that has Plait, and take every file that happens to be called `.ir`.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from plait.testing.ir_files import Case

_UPDATES = pytest.StashKey[dict[Path, list[tuple[int, int, str]]]]()


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add `--update-ir`."""
    parser.addoption("--update-ir", action="store_true", help="rewrite the expected texts of *.ir tests")


def pytest_collect_file(file_path: Path, parent: pytest.Collector) -> pytest.Collector | None:
    """Take files with the suffix `.ir`."""
    return IRFile.from_parent(parent, path=file_path) if file_path.suffix == ".ir" else None


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Write updates at the end: line numbers of other cases must stay true till then."""
    for path, updates in session.config.stash.get(_UPDATES, {}).items():
        lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
        for start, last, text in sorted(updates, reverse=True):
            lines[start:last] = [text + ("\n" if last < len(lines) else "")]
        path.write_text("".join(lines), encoding="utf-8")


class IRFile(pytest.File):
    """A file of cases."""

    def collect(self) -> Iterator[pytest.Item]:
        from plait.testing.ir_files import CaseError, read_cases

        try:
            cases = read_cases(self.path.read_text(encoding="utf-8"), str(self.path))
        except CaseError as error:
            raise self.CollectError(str(error)) from None
        for case in cases:
            yield IRItem.from_parent(self, name=case.title, case=case)


class IRItem(pytest.Item):
    """One case."""

    def __init__(self, *, case: Case, **rest: Any) -> None:
        super().__init__(**rest)
        self.case = case

    def reportinfo(self) -> tuple[Path, int, str]:
        return self.path, self.case.first, f"{self.path.name}: {self.case.title}"

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException], style: Any = None) -> Any:
        """The message alone where it says all; a traceback otherwise."""
        from plait.ir.diagnostics import PlaitError
        from plait.testing.check_lines import CheckFailed, MalformedCheck
        from plait.testing.equivalence import NotEquivalent
        from plait.testing.ir_files import CaseFailed

        plain = (CaseFailed, CheckFailed, MalformedCheck, NotEquivalent, PlaitError)
        return str(excinfo.value) if isinstance(excinfo.value, plain) else super().repr_failure(excinfo, style)

    def runtest(self) -> None:
        from plait.testing.ir_files import run_case

        run_case(self.case, self._update if self.config.getoption("--update-ir") else None)

    def _update(self, text: str) -> None:
        assert self.case.arrow is not None
        start, last = self.case.first + self.case.arrow + 1, self.case.first + len(self.case.lines)
        self.config.stash.setdefault(_UPDATES, {}).setdefault(self.path, []).append((start, last, text))
