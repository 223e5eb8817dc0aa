"""Collects `*.ir` files as tests, and offers an evaluator.

A file has cases, separated by lines `// ----- title of the next case`. A case is

    // RUN: fuse-activation{kinds=[relu]},dce
    ir 1
    ...
    // ==>
    ir 1
    ...

Both texts are parsed and compared in a canonical spelling: no locations, values and constants numbered. Beside the
comparison each case checks that the pipeline is idempotent, reports changes truly, keeps the module valid, and computes
the same numbers as before.
`// KEEPS: no numbers` drops the last check, for pipelines that change what is computed.

A case without `// ==>` must only be valid. With comments `// error@+1: P103 some text` it must give exactly these
diagnostics, each at the line that many lines below (or above: `@-1`) its comment and with that text in its message;
with `RUN` they come from the pipeline, and those without a place in the file match at any line.

`pytest --update-ir` rewrites the expected texts.
"""

from __future__ import annotations

import difflib
import itertools
import re
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import attrs
import numpy as np
import pytest

from plait.ir import IRError, Module
from plait.ir.diagnostics import PlaitError
from plait.ir.text import parse_module, print_module
from plait.ir.types import DType, TensorType
from plait.ir.values import Array, Constant, Value
from plait.passes.pipeline import PassManager, Pipeline

_CASE = re.compile(r"// -----[ \t]*(.*)\n?\Z")
_RUN = re.compile(r"// RUN:[ \t]*(.*)")
_ERROR = re.compile(r"// error@([+-]\d+): (P\d+) ?(.*)")
_ARROW = "// ==>"
_UPDATES = pytest.StashKey[dict[Path, list[tuple[int, int, str]]]]()


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--update-ir", action="store_true", help="rewrite the expected texts of *.ir tests")


def pytest_sessionfinish(session: pytest.Session) -> None:
    for path, updates in session.config.stash.get(_UPDATES, {}).items():
        lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
        for start, last, text in sorted(updates, reverse=True):
            lines[start:last] = [text + ("\n" if last < len(lines) else "")]
        path.write_text("".join(lines), encoding="utf-8")


def pytest_collect_file(file_path: Path, parent: pytest.Collector) -> pytest.Collector | None:
    return IRFile.from_parent(parent, path=file_path) if file_path.suffix == ".ir" else None


@attrs.frozen
class Case:
    """One case of a file: `first` and `last` are offsets of its lines."""

    title: str
    first: int
    last: int


class IRFile(pytest.File):
    """A file of cases."""

    def collect(self) -> Iterator[pytest.Item]:
        lines = self.path.read_text(encoding="utf-8").splitlines(keepends=True)
        starts = [i for i, line in enumerate(lines) if _CASE.match(line)]
        bounds = [-1, *starts, len(lines)]
        for first, last in itertools.pairwise(bounds):
            match = _CASE.match(lines[first]) if first >= 0 else None
            title = (match.group(1) if match else "") or f"line {first + 2}"
            if any(not line.startswith("//") and line.strip() for line in lines[first + 1 : last]):
                yield IRItem.from_parent(self, name=title, case=Case(title, first + 1, last))


class IRItem(pytest.Item):
    """One case."""

    def __init__(self, *, case: Case, **rest: Any) -> None:
        super().__init__(**rest)
        self.case = case

    def reportinfo(self) -> tuple[Path, int, str]:
        return self.path, self.case.first, f"{self.path.name}: {self.case.title}"

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException], style: Any = None) -> Any:
        return (
            str(excinfo.value)
            if isinstance(excinfo.value, (IRMismatch, PlaitError))
            else super().repr_failure(excinfo, style)
        )

    def runtest(self) -> None:
        lines = self.path.read_text(encoding="utf-8").splitlines(keepends=True)
        body = lines[self.case.first : self.case.last]
        arrow = next((i for i, line in enumerate(body) if line.strip() == _ARROW), None)
        source = body if arrow is None else body[:arrow]
        pipeline = next((m.group(1).strip() for line in source if (m := _RUN.match(line))), None)
        # Blank lines in front, so that diagnostics count lines as the file does.
        text = "\n" * self.case.first + "".join(source)
        if wanted := list(_wanted_errors(source, self.case.first)):
            self.check_errors(text, pipeline, wanted)
            return
        module = parse_module(text, str(self.path))
        if pipeline is None:
            check_round_trip(module)
            return
        before = module.clone()
        PassManager(Pipeline.parse(pipeline), check_changed=True).run(module)
        if arrow is not None and self.config.getoption("--update-ir"):
            self.update(self.case.first + arrow + 1, module)
        elif arrow is not None:
            expected = parse_module("\n" * (self.case.first + arrow + 1) + "".join(body[arrow + 1 :]), str(self.path))
            compare(expected, module, str(self.path))
        check_round_trip(module)
        again = PassManager(Pipeline.parse(pipeline), check_changed=True).run(module)
        if again:
            raise IRMismatch(f"the pipeline is not idempotent; a second run gives\n{module}")
        if not any(line.startswith("// KEEPS: no numbers") for line in source):
            check_same_numbers(before, module)

    def update(self, start: int, module: Module) -> None:
        """Note new lines; files are written at the end, since line numbers of other cases must stay true till then."""
        updates = self.config.stash.setdefault(_UPDATES, {}).setdefault(self.path, [])
        updates.append((start, self.case.last, print_module(module, locations=False)))

    def check_errors(self, text: str, pipeline: str | None, wanted: list[tuple[int, str, str]]) -> None:
        try:
            module = parse_module(text, str(self.path))
            if pipeline is not None:
                PassManager(Pipeline.parse(pipeline)).run(module)
        except PlaitError as error:
            found = list(error.diagnostics)
        else:
            raise IRMismatch(f"no error, but these are expected: {wanted}")
        for line, code, message in wanted:
            for diagnostic in found:
                inside = diagnostic.span is not None and diagnostic.span.file == str(self.path)
                at = diagnostic.span.line if diagnostic.span is not None and inside else line
                if (at, diagnostic.code) == (line, code) and message in diagnostic.message:
                    found.remove(diagnostic)
                    break
            else:
                shown = "\n".join(d.render() for d in found)
                raise IRMismatch(f"expected at line {line}: {code} {message}\nfound:\n{shown}")
        if found:
            raise IRMismatch("unexpected:\n" + "\n".join(d.render() for d in found))


def _wanted_errors(lines: Iterable[str], first: int) -> Iterator[tuple[int, str, str]]:
    for i, line in enumerate(lines, first + 1):
        if match := _ERROR.search(line):
            yield i + int(match.group(1)), match.group(2), match.group(3).strip()


class IRMismatch(Exception):
    """A case fails; the message is all there is to show."""


def canonical_text(module: Module) -> str:
    """The text with values and constants numbered in order of appearance, and without locations."""
    module = module.clone()
    constants: dict[Constant, None] = {}
    for function in module.functions.values():
        names = list(function.output_names)
        for i, value in enumerate([*function.arguments, *(r for layer in function for r in layer.results)]):
            value.name = f"v{i}"
        for layer in function:
            constants.update((v, None) for v in layer.operands if isinstance(v, Constant))
        constants.update((v, None) for v in function.outputs if isinstance(v, Constant))
        function.output_names = names
    constants.update((c, None) for c in module.constants.values())
    module.constants = {}
    for i, constant in enumerate(constants):
        constant.name = f"c{i}"
        module.constants[constant.name] = constant
    module.weights_file = ""
    return print_module(module, locations=False)


def compare(expected: Module, actual: Module, file: str) -> None:
    """Raise with a unified diff unless both modules are equal but for names and locations."""
    a, b = canonical_text(expected), canonical_text(actual)
    if a != b:
        diff = difflib.unified_diff(a.splitlines(), b.splitlines(), "expected", "actual", lineterm="", n=30)
        raise IRMismatch(f"{file}\n" + "\n".join(diff) + f"\n\nas printed:\n{print_module(actual, locations=False)}")


def check_round_trip(module: Module) -> None:
    """Raise unless the printed text reads back as the same text."""
    text = print_module(module)
    again = print_module(parse_module(text))
    if again != text:
        raise IRMismatch(
            "print, parse, print differs:\n" + "\n".join(difflib.ndiff(text.splitlines(), again.splitlines()))
        )


def run_module(module: Module, inputs: Iterable[Array]) -> list[Array]:
    """Outputs of `main` by the layers' references."""
    known: dict[Value, Array] = dict(zip(module.main.arguments, inputs, strict=True))

    def get(value: Value | None) -> Array | None:
        return value.data if isinstance(value, Constant) else None if value is None else known[value]

    for layer in module.main:
        with np.errstate(all="ignore"):
            result = layer.reference(*(get(v) for v in layer.operand_slots()))
        known.update(zip(layer.results, result if isinstance(result, tuple) else (result,), strict=True))
    outputs = [get(v) for v in module.main.outputs]
    return [o for o in outputs if o is not None]


def make_inputs(module: Module, seed: int = 0) -> list[Array]:
    """Random arguments of `main`; every symbol is bound to a size from 2 on."""
    rng = np.random.default_rng(seed)
    sizes = {name: 2 + i for i, name in enumerate(module.main.symbols())}
    return [_random(rng, a.type.substitute(sizes)) for a in module.main.arguments]


def _random(rng: np.random.Generator, type: TensorType) -> Array:
    if type.dtype.is_float:
        return rng.uniform(-6, 6, type.static_shape).astype(type.dtype.numpy)
    high = 2 if type.dtype is DType.BOOL else 5
    return rng.integers(0, high, type.static_shape).astype(type.dtype.numpy)


def check_same_numbers(before: Module, after: Module) -> None:
    """Raise unless both modules compute the same on random inputs, up to float32 rounding."""
    if "main" not in before.functions:
        return
    inputs = make_inputs(before)
    try:
        wanted = run_module(_bound(before, inputs), inputs)
    except (NotImplementedError, IRError):
        return  # an opaque layer, or weights that are not at hand
    for a, b in zip(wanted, run_module(_bound(after, inputs), inputs), strict=True):
        if a.shape != b.shape or a.dtype != b.dtype:
            raise IRMismatch(f"an output was {a.dtype}{list(a.shape)} and is {b.dtype}{list(b.shape)}")
        np.testing.assert_allclose(b, a, rtol=1e-5, atol=1e-5)


def _bound(module: Module, inputs: list[Array]) -> Module:
    sizes = {name: 2 + i for i, name in enumerate(module.main.symbols())}
    if not sizes:
        return module
    from plait.passes.base import PassContext
    from plait.passes.specialize import BindDims

    module = module.clone()
    BindDims(tuple(sizes.items())).run(module, PassContext())
    return module


@pytest.fixture(scope="session")
def evaluate() -> Callable[[Module, Iterable[Array]], list[Array]]:
    """Runs `main` of a module by the layers' references."""
    return run_module


@pytest.fixture(scope="session")
def same_numbers() -> Callable[[Module, Module], None]:
    """Asserts that two modules compute the same."""
    return check_same_numbers


@pytest.fixture(scope="session")
def canonical() -> Callable[[Module], str]:
    """The text of a module with values and constants numbered."""
    return canonical_text
