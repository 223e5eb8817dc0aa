"""MLIR itself reads what is printed as generic text, where it is installed, and what it prints reads back."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from plait.ir import Module
from plait.ir.generic import print_generic
from plait.ir.layer import OpaqueLayer
from plait.ir.text import parse_module

MLIR_OPT = shutil.which("mlir-opt")
SPLIT = "// -----\n"


@pytest.mark.skipif(MLIR_OPT is None, reason="there is no mlir-opt on the path")
def test_mlir_opt(some_modules: list[tuple[str, Module]], weights_of: Callable[[Module], Any], tmp_path: Path) -> None:
    file = tmp_path / "all.mlir"
    file.write_text(SPLIT.join(print_generic(module) for _, module in some_modules), encoding="utf-8")
    form = ["--mlir-print-op-generic", "--mlir-print-debuginfo", "--mlir-print-local-scope"]
    done = subprocess.run(
        [str(MLIR_OPT), str(file), "--allow-unregistered-dialect", "--split-input-file", *form],
        capture_output=True,
        encoding="utf-8",
    )
    assert done.returncode == 0, done.stderr[-2000:]
    printed = done.stdout.split(SPLIT)
    for (name, module), text in zip(some_modules, printed, strict=True):
        again = parse_module(text, weights=weights_of(module), allow_unknown=True)
        if all(_is_sorted(layer.values) for layer in module.walk() if isinstance(layer, OpaqueLayer)):
            assert again == module, name


def _is_sorted(value: Any) -> bool:
    """MLIR sorts the names of dictionaries."""
    if isinstance(value, Mapping):
        return list(value) == sorted(value) and all(map(_is_sorted, value.values()))
    return all(map(_is_sorted, value)) if isinstance(value, tuple) else True
