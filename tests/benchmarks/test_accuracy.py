"""The benchmark of accuracy: its samples, its figures, and its comparison of files layer by layer."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from benchmarks.accuracy.agreement import Row, compared, outputs_of, references_of
from benchmarks.accuracy.files import Distance, FileRow
from benchmarks.accuracy.report import markdown
from plait.ir.text import parse_module

TEXT = """ir 1
const @w : f32[3x4] = [1.0, -0.5, 0.25, 2.0, 0.5, 1.0, -1.0, 0.125, 1.0, -2.0, 0.5, 0.75]
net @main(%x: f32[1x4]) -> (%y: f32[1x3]) {
  %y = fully_connected(%x, @w)
}"""


@pytest.fixture
def images(tmp_path: Path) -> Path:
    pytest.importorskip("PIL")
    from PIL import Image

    from benchmarks.accuracy.pictures import PAGE, SCENES

    assert PAGE in SCENES
    down, across = np.mgrid[:191, :384]
    for i, name in enumerate(SCENES):
        pixels = np.stack([down + 5 * i, across / 2, (down * across) / 400 + 20], axis=2)
        Image.fromarray(pixels.astype(np.uint8)).save(tmp_path / name)
    return tmp_path


def test_samples(images: Path) -> None:
    from benchmarks.accuracy.pictures import crops, lines, normalized, pages

    found = crops(images, 10, 32, 0)
    assert found.shape == (10, 32, 32, 3) and found.dtype == np.uint8
    np.testing.assert_array_equal(found, crops(images, 10, 32, 0))
    assert (found != crops(images, 10, 32, 1)).any(axis=(1, 2, 3)).all()
    turned = pages(images, 2, 28, 0)
    assert turned.shape == (8, 28, 28, 3)
    assert lines(images, 3, 16, 64, 0).shape == (6, 16, 64, 3)
    numbers = normalized(found, [127.0], [128.0])
    assert numbers.shape == (10, 3, 32, 32) and numbers[1, 2, 3, 4] == (float(found[1, 3, 4, 2]) - 127) / 128


def test_pages_are_turned(images: Path) -> None:
    from benchmarks.accuracy.pictures import pages

    turned = pages(images, 1, 28, 0).astype(np.float64)
    for turn in range(1, 4):
        distance = np.abs(np.rot90(turned[0], turn) - turned[turn]).mean()
        assert distance < 0.1 * np.abs(turned[0] - turned[turn]).mean()


def test_agreement() -> None:
    wanted = np.array([[1.0, 2.0, 0.0], [3.0, 1.0, 0.0]])
    row = compared("t", "b", wanted, wanted + np.array([[0.0, 0.0, 0.0], [-2.5, 0.0, 0.0]]), 1.0)
    assert (row.same, row.of, row.agreement) == (1, 2, 0.5)
    assert row.sqnr == pytest.approx(20 * np.log10(np.sqrt(15) / 2.5))
    assert compared("t", "b", wanted, wanted, 1.0).sqnr == np.inf


def test_outputs() -> None:
    module = parse_module(TEXT)
    x = np.random.default_rng(0).standard_normal((5, 4)).astype(np.float32)
    weight = module.constants["w"].data
    np.testing.assert_allclose(outputs_of(module, x), x @ weight.T, rtol=1e-5, atol=1e-6)
    assert references_of(module) == ()


def test_tables() -> None:
    rows = [Row("net", "plait", 9, 10, 20.0, 1.0, ("c",)), Row("net", "bounded", 10, 10, 30.0, 1.0, note="two floats")]
    files = [FileRow("f.onnx", 3, Distance(0.0, 0), Distance(0.25, 2), 4, Distance(1e-5, 1))]
    text = markdown(rows, files)
    assert "| plait | 9 of 10 | 0.900 | 20.0 | 1 |" in text
    assert "bounded: two floats" in text and "1 layers run in NumPy: c" in text
    assert "| f.onnx | 3 | 0 | 0 | 0.25 | 2 | 4 | 1e-05 | 1 |" in text


def test_layers_of_a_file_are_compared_alone(tmp_path: Path) -> None:
    pytest.importorskip("onnxruntime")
    onnx = pytest.importorskip("onnx")
    from benchmarks.accuracy import files, onnx_runtime
    from plait.testing.networks import build

    onnx.save(build("squeezenet", image=32, width=0.25), tmp_path / "net.onnx")
    samples = np.random.default_rng(0).standard_normal((4, 3, 32, 32)).astype(np.float32)
    path = onnx_runtime.quantize(tmp_path / "net.onnx", (1, 3, 32, 32), samples, tmp_path, onnx_runtime.Settings())
    row = files.row_of(path, samples, samples[:1])
    assert row.layers is not None and row.layers > 20
    assert row.layer is not None and row.layer.most <= 1 and row.layer.differing < 0.01
