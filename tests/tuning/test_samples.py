"""Samples from files, folders, pictures and arrays."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from plait.backends.errors import RunError
from plait.ir.dtypes import Array
from plait.ir.module import Function
from plait.ir.text import parse_module
from plait.passes.quantize.types import QuantizationError
from plait.tuning.pictures import Pictures
from plait.tuning.samples import Given, samples_of


def function(inputs: str = "%x: f32[1x2x3]") -> Function:
    output = inputs.partition(",")[0].removeprefix("%x: ")
    return parse_module(f"ir 1\nnet @main({inputs}) -> (%y: {output}) {{\n  %y = relu(%x)\n}}").main


BATCH = np.arange(24, dtype=np.float32).reshape(4, 2, 3)


def arrays(given: Given, inputs: str = "%x: f32[1x2x3]") -> list[Array]:
    return [s["x"] for s in samples_of(function(inputs), given)()]


@pytest.mark.parametrize("name", ["s.npy", "s.npz"])
def test_a_file_holds_many_samples(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    if name.endswith("npy"):
        np.save(path, BATCH)
    else:
        np.savez(path, BATCH)
    np.testing.assert_array_equal(arrays(path), BATCH[:, None])


def test_a_folder_is_read_in_the_order_of_its_names(tmp_path: Path) -> None:
    np.save(tmp_path / "b.npy", BATCH[1])
    np.save(tmp_path / "a.npy", BATCH[:1].astype(np.float64))
    (tmp_path / "notes.txt").write_text("no sample")
    found = arrays(tmp_path)
    np.testing.assert_array_equal(found, BATCH[:2, None])
    assert found[0].dtype == np.float32


def test_samples_can_be_read_again() -> None:
    samples = samples_of(function(), iter([BATCH[0], {"x": BATCH[1]}]))
    assert [len(list(samples())) for _ in range(2)] == [2, 2]


def test_batches_of_a_network_with_a_batch() -> None:
    assert [a.shape for a in arrays(BATCH, "%x: f32[2x2x3]")] == [(2, 2, 3)] * 2


def test_several_inputs(tmp_path: Path) -> None:
    inputs = "%x: f32[1x2x3], %m: f32[1x3]"
    np.savez(tmp_path / "s.npz", x=BATCH, m=np.ones((4, 3), np.float32))
    found = list(samples_of(function(inputs), tmp_path)())
    assert [sorted(s) for s in found] == [["m", "x"]] * 4
    np.save(tmp_path / "t.npy", BATCH)
    with pytest.raises(QuantizationError, match="the network has several inputs: x, m"):
        list(samples_of(function(inputs), tmp_path / "t.npy")())
    np.savez(tmp_path / "u.npz", x=BATCH, m=np.ones((3, 3), np.float32))
    with pytest.raises(QuantizationError, match="different numbers of samples: 4 of x, 3 of m"):
        list(samples_of(function(inputs), tmp_path / "u.npz")())
    np.savez(tmp_path / "v.npz", x=BATCH)
    with pytest.raises(QuantizationError, match=r"v.npz.*P520.*no array for input 'm'"):
        list(samples_of(function(inputs), tmp_path / "v.npz")())


def test_random_samples_differ_and_repeat() -> None:
    first, second = (arrays(3) for _ in range(2))
    np.testing.assert_array_equal(first, second)
    assert len({a.tobytes() for a in first}) == 3


def test_what_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(QuantizationError, match="no such file or folder"):
        samples_of(function(), tmp_path / "gone.npz")
    with pytest.raises(QuantizationError, match="holds no samples"):
        samples_of(function(), tmp_path)
    (tmp_path / "bad.npy").write_bytes(b"\x93NUMPY\x01\x00")
    with pytest.raises(QuantizationError, match=r"cannot be read as an \.npy or \.npz file"):
        list(samples_of(function(), tmp_path)())
    np.save(tmp_path / "bad.npy", BATCH.astype(np.int32))
    with pytest.raises(RunError, match=r"bad.npy: error\[P401\].*must be f32"):
        list(samples_of(function(), tmp_path)())


@pytest.mark.parametrize("shape", ["1x3x4x6", "1x4x6x3", "1x1x4x6"])
def test_pictures(tmp_path: Path, shape: str) -> None:
    image = pytest.importorskip("PIL.Image")
    pixels = np.zeros((8, 32, 3), np.uint8)
    pixels[:, 5:27] = (10, 20, 30) if "3" in shape.split("x") else (20, 20, 20)
    image.fromarray(pixels).save(tmp_path / "p.png")
    samples = samples_of(function(f"%x: f32[{shape}]"), tmp_path, Pictures(10, 5))
    (sample,) = samples()
    dims = tuple(map(int, shape.split("x")))
    assert sample["x"].shape == dims and sample["x"].dtype == np.float32
    # The middle 8x12 are cut out, in which, and around which, there is one colour.
    wanted = [0, 2, 4] if 3 in dims else [2]
    found = np.moveaxis(sample["x"], dims.index(len(wanted), 1), -1)
    np.testing.assert_array_equal(found, np.broadcast_to(np.float32(wanted), found.shape))


def test_pictures_that_are_none(tmp_path: Path) -> None:
    pytest.importorskip("PIL.Image")
    (tmp_path / "p.png").write_bytes(b"no picture")
    with pytest.raises(QuantizationError, match="cannot be read as a picture"):
        list(samples_of(function("%x: f32[1x3x4x6]"), tmp_path)())
    with pytest.raises(QuantizationError, match="no picture"):
        list(samples_of(function(), tmp_path)())
