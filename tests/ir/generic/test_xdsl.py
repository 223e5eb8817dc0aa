"""xDSL reads what is printed as generic text, and what it prints of that reads back as the same module."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from plait.ir import Module
from plait.ir.generic import print_generic
from plait.ir.text import parse_module

pytest.importorskip("xdsl", reason="xDSL is not installed: pip install 'plait[test]'")

Modules = list[tuple[str, Module]]
WeightsOf = Callable[[Module], Any]
SPLIT = "// -----\n"


def xdsl_opt(texts: list[str], folder: Path) -> list[str]:
    """What `xdsl-opt` prints of each text. One process reads all."""
    file = folder / "all.mlir"
    file.write_text(SPLIT.join(texts), encoding="utf-8")
    options = ["--allow-unregistered-dialect", "--split-input-file", "--print-op-generic", "--print-debuginfo"]
    done = subprocess.run(
        [sys.executable, "-m", "xdsl.tools.xdsl_opt", str(file), *options], capture_output=True, encoding="utf-8"
    )
    assert done.returncode == 0, done.stderr[-2000:]
    printed = done.stdout.split(SPLIT)
    assert len(printed) == len(texts)
    return printed


def check(modules: Modules, weights_of: WeightsOf, folder: Path) -> None:
    printed = xdsl_opt([print_generic(module) for _, module in modules], folder)
    for (name, module), text in zip(modules, printed, strict=True):
        again = parse_module(text, weights=weights_of(module), allow_unknown=True)
        if not _zeros_of_both_signs(module):
            assert again == module, name


def _zeros_of_both_signs(module: Module) -> bool:
    """xDSL 0.74 takes these for one number and prints it once."""
    for constant in module.constants.values():
        dtype = constant.type.dtype
        if dtype.is_inexact and constant.has_data and constant.type.elements > 1:
            wide = np.asarray(constant.data).astype(np.complex128 if dtype.is_complex else np.float64)
            if not np.any(wide) and len({str(v) for v in wide.reshape(-1)}) > 1:
                return True
    return False


def test_modules_of_the_tests_and_random_ones(some_modules: Modules, weights_of: WeightsOf, tmp_path: Path) -> None:
    check(some_modules, weights_of, tmp_path)


@pytest.mark.slow
def test_many_random_modules(more_modules: Modules, weights_of: WeightsOf, tmp_path: Path) -> None:
    check(more_modules, weights_of, tmp_path)


def test_texts_that_are_not_mlir_are_refused(tmp_path: Path) -> None:
    with pytest.raises(AssertionError, match="expected"):
        xdsl_opt(['"builtin.module"() ({ ^bb0: }) : () -> \n'], tmp_path)
