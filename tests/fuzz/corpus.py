"""What fuzzing begins with: texts of modules, pipelines and patterns, and the words of the language."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
_BLOCK = re.compile(r"^```(\w+)[^\n]*\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_QUOTED = re.compile(r'"((?:[^"\\]|\\.)+)"')


def modules() -> list[str]:
    """The cases of the `.ir` tests, the modules in the documentation, and random modules."""
    from plait.ir.generic import print_generic
    from plait.ir.text import print_module
    from plait.testing.ir_files import read_cases
    from plait.testing.random_modules import random_module

    found = []
    for path in sorted((ROOT / "tests").rglob("*.ir")):
        cases = read_cases(path.read_text(encoding="utf-8"), path.name)
        found += ["".join(case.source) for case in cases]
    found += [body for kind, body in _blocks() if kind == "ir"]
    found += [print_module(random_module(seed, layers=seed % 6)) for seed in range(100)]
    return found + [print_generic(random_module(seed, layers=seed % 6)) for seed in range(100, 150)]


def pipelines() -> list[str]:
    """Pipelines of the tests, every pass alone, and every named pipeline."""
    from plait.passes.pipeline import PIPELINES
    from plait.passes.registry import known_passes

    runs = re.compile(r"// RUN:[ \t]*(.*)")
    written = [m for p in sorted((ROOT / "tests").rglob("*.ir")) for m in runs.findall(p.read_text(encoding="utf-8"))]
    return list(dict.fromkeys([*written, *known_passes(), *PIPELINES, *PIPELINES.values()]))


def patterns() -> list[str]:
    """Pattern files in the tree and in the documentation."""
    files = sorted(p for suffix in ("*.pdl", "*.pattern") for p in ROOT.rglob(suffix) if "build" not in p.parts)
    texts = [p.read_text(encoding="utf-8") for p in files]
    return texts + [body for _, body in _blocks() if re.search(r"^\s*rewrite @", body, re.MULTILINE)]


def words() -> list[str]:
    """Tokens: those that the grammar spells out, and names of layers, attributes, passes, types."""
    from plait.ir.activation import KINDS
    from plait.ir.dtypes import DType
    from plait.ir.registry import known_layers
    from plait.passes.registry import known_passes

    grammars = [(ROOT / "ir" / form / "grammar.lark").read_text(encoding="utf-8") for form in ("text", "generic")]
    grammar = "".join(grammars)
    layers = known_layers()
    fields = {f.name for spec in layers.values() for f in (*spec.operands, *spec.attributes)}
    names = [*layers, *sorted(fields), *known_passes(), *KINDS, *(d.value for d in DType)]
    samples = ["%x", "@c", "[4]", "[NxCxH]", "[]", "// c\n", "nchw16c", "<d0, d1/4, d1%4>", "q8<0.5:3>", "seq<f32[4]>"]
    return list(dict.fromkeys([*_QUOTED.findall(grammar), *names, *samples, " ", "\n"]))


def _blocks() -> list[tuple[str, str]]:
    pages = sorted((ROOT / "docs").rglob("*.md"))
    return [block for page in pages for block in _BLOCK.findall(page.read_text(encoding="utf-8"))]
