"""Saving into packages: what is written, and when there is nothing to write."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import attrs
import numpy as np
import pytest

from plait.backends.build import build
from plait.backends.executable import Executable
from plait.backends.null import FixedCosts
from plait.backends.package import open_package
from plait.backends.package_writer import text_in_package
from plait.ir.module import Module
from plait.ir.text.parser import parse_module
from plait.tuning import Tuned, saving, tune
from plait.tuning.api import TunedModel
from plait.tuning.open import open_tuned

TEXT = """ir 1
weights "w.safetensors" {
  @w : f32[8x3x3x3]
}
net @main(%image: f32[1x3x6x5]) -> (%y: f32[1x8x4x3]) {
  %c = conv2d(%image, @w)
  %y = tanh(%c)
}
"""
COSTS: dict[str, float | None] = {"*": 50.0, "cpu/f32/nchw/gemm": 1.0, "adapt *": 5.0}


def tuned(weight: float = 1.0, costs: dict[str, float | None] = COSTS, threads: int = 1) -> TunedModel:
    module: Module = parse_module(TEXT)
    module.constants["w"].supply(lambda: np.full((8, 3, 3, 3), weight, np.float32))
    found = tune(module, FixedCosts(costs), threads=threads)
    return TunedModel(**{field.name: getattr(found, field.name) for field in attrs.fields(Tuned)})


def later(model: TunedModel, **changes: object) -> TunedModel:
    """The same plan, found another time."""
    run: dict[str, Any] = {"profile_seconds": 9.5, "measured": 0, **changes}
    return attrs.evolve(model, report=attrs.evolve(model.report, **run))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "a.plait"


@pytest.fixture
def builds(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Filled by a number for each time that weights are packed."""
    seen = list[int]()

    def counted(module: Module, threads: int) -> Executable:
        seen.append(threads)
        return build(module, threads)

    monkeypatch.setattr("plait.tuning.api.build", counted)
    return seen


def test_a_package_that_has_the_plan_is_left_as_it_is(path: Path, builds: list[int]) -> None:
    assert tuned().write(path) == saving.Saved((tuned().report.device,))
    before = path.stat()
    again = later(tuned()).write(path)
    assert again == saving.Saved((tuned().report.device,), unchanged=True)
    assert (path.stat().st_mtime_ns, path.stat().st_ino) == (before.st_mtime_ns, before.st_ino)
    assert builds == [1], "nothing was packed again"


def test_a_new_report_is_written_beside_the_program_that_is_there(path: Path, builds: list[int]) -> None:
    tuned().write(path)
    image = np.random.default_rng(0).standard_normal((1, 3, 6, 5)).astype(np.float32)
    wanted = open_tuned(path)(image)
    model = later(tuned(), measured_us=7.0)
    assert model.write(path) == saving.Saved((model.report.device,))
    assert builds == [1]
    package = open_package(path)
    package.verify()
    assert package.report(model.report.device)["measured_us"] == 7.0
    assert package.why_no_program(model.report.device) == ""
    np.testing.assert_array_equal(open_tuned(path)(image), wanted)


def test_other_plans_are_written(path: Path, builds: list[int]) -> None:
    tuned().write(path)
    other = tuned(costs={**COSTS, "cpu/f32/nchw/gemm": 60.0})
    assert not other.write(path).unchanged
    assert builds == [1, 1]
    package = open_package(path)
    assert package.text(other.report.device) == text_in_package(other.module)


def test_other_weights_replace_a_package(path: Path) -> None:
    tuned().write(path)
    assert tuned(weight=2.0).write(path).replaced
    assert not later(tuned(weight=2.0)).write(path).replaced
    (weights,) = open_package(path).module(tuned().report.device).constants.values()
    assert (weights.data == 2).all()


def test_with_and_without_packed_weights(path: Path, builds: list[int]) -> None:
    model = tuned()
    model.write(path, packed=False)
    assert builds == [] and later(model).write(path, packed=False).unchanged
    assert not later(model).write(path).unchanged and later(model).write(path).unchanged
    assert not later(model).write(path, packed=False).unchanged
    assert open_package(path).why_no_program(model.report.device) == "none is stored"


def test_plans_for_other_threads_stay(path: Path) -> None:
    first, second = tuned(), tuned(threads=2)
    first.write(path)
    keys = tuple(sorted((first.report.device, second.report.device)))
    assert second.write(path) == saving.Saved(keys)
    assert later(first).write(path) == saving.Saved(keys, unchanged=True)


@pytest.mark.parametrize("content", [b"", b"no package at all"])
def test_anything_else_is_replaced(path: Path, content: bytes) -> None:
    path.write_bytes(content)
    assert tuned().write(path).replaced
    assert not tuned().write(path).replaced


def test_damaged_packages_are_written_anew(path: Path) -> None:
    tuned().write(path)
    data = path.read_bytes()
    at = data.index(b"via cpu/f32/nchw/gemm")
    path.write_bytes(data[:at] + b"via cpu/f32/nchw/gemX" + data[at + 21 :])
    assert not later(tuned()).write(path).unchanged
    open_package(path).verify()
