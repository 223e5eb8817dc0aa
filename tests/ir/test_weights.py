"""Weights files: what is written reads back, and everything that can be wrong with one is P007."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from plait.ir import IRError, TensorType
from plait.ir.dtypes import element_type
from plait.ir.text import load_ir, parse_module, save_ir
from plait.ir.types import DType
from plait.ir.weights import read_weights, views, write_weights

TYPES = {
    "a": TensorType(DType.F32, (3, 2)),
    "b": TensorType(DType.I8, (5,)),
    "empty": TensorType(DType.F32, (0, 4)),
    "c": TensorType(DType.F64, ()),
    "h": TensorType(DType.BF16, (2,)),
    "t": TensorType(DType.BOOL, (2,)),
}
DATA = {name: (np.arange(t.elements) % 2).reshape(t.static_shape).astype(t.dtype.numpy) for name, t in TYPES.items()}


def write(folder: Path) -> tuple[Path, str]:
    path = folder / "w.safetensors"
    return path, write_weights(path, {n: (TYPES[n], DATA[n]) for n in TYPES})


def test_what_is_written_reads_back_mapped_and_aligned(tmp_path: Path) -> None:
    path, digest = write(tmp_path)
    loaders = read_weights(tmp_path, path.name, digest, TYPES)
    for name, load in loaders.items():
        array = load()
        assert array.dtype == DATA[name].dtype and np.array_equal(array, DATA[name])
        assert not array.flags.writeable
    size = int.from_bytes(path.read_bytes()[:8], "little")
    header = json.loads(path.read_bytes()[8 : 8 + size])
    assert (8 + size) % 64 == 0
    assert all(header[n]["data_offsets"][0] % 64 == 0 for n in TYPES)


def test_writing_is_reproducible(tmp_path: Path) -> None:
    (tmp_path / "1").mkdir()
    (tmp_path / "2").mkdir()
    (a, da), (b, db) = write(tmp_path / "1"), write(tmp_path / "2")
    assert da == db and a.read_bytes() == b.read_bytes()


@pytest.mark.parametrize("count", [1, 16, 17])
@pytest.mark.parametrize("dtype", [d.value for d in DType if d is not DType.STRING] + ["q4<0.5:1>", "qu8<0.5>"])
def test_every_element_type_reads_back_bit_by_bit(tmp_path: Path, dtype: str, count: int) -> None:
    found = element_type(dtype)
    size = count * found.size
    raw = np.random.default_rng(3).integers(0, 2 if found is DType.BOOL else 1 << min(found.bits, 8), size, np.uint8)
    data = raw.view(found.numpy)
    if (found.is_integer and found.bits < 8) or (found.storage.bits < 8 and not found.is_float):
        data = raw.view(np.int8).astype(found.numpy)
    path = tmp_path / "w.safetensors"
    type = TensorType(found, (count, 1))
    digest = write_weights(path, {"pad": (TensorType(DType.I8, (1,)), np.zeros(1, np.int8)), "w": (type, data)})
    loaded = read_weights(tmp_path, path.name, digest, {"w": type})["w"]()
    assert loaded.dtype == found.numpy and loaded.shape == (count, 1)
    assert loaded.tobytes() == data.tobytes()


def test_element_types_that_the_format_has_no_name_for_are_noted(tmp_path: Path) -> None:
    path = tmp_path / "w.safetensors"
    type = TensorType(DType.I4, (3,))
    write_weights(path, {"w": (type, np.array([1, -8, 7]).astype(type.dtype.numpy))})
    header = json.loads(path.read_bytes()[8 : 8 + int.from_bytes(path.read_bytes()[:8], "little")])
    assert header["w"]["dtype"] == "U8" and header["__metadata__"] == {"plait.dtype:w": "i4"}
    for wrong in (DType.U4, DType.U8):
        with pytest.raises(IRError, match=r"declared u.\[3\] but .* has U8 \[3\] of i4"):
            read_weights(tmp_path, path.name, "", {"w": TensorType(wrong, (3,))})
    with pytest.raises(IRError, match="strings cannot stand in a weights file"):
        read_weights(tmp_path, path.name, "", {"w": TensorType(DType.STRING, (3,))})


def test_large_constants_of_any_type_through_a_file(tmp_path: Path) -> None:
    module = parse_module("ir 1\nnet @main(%x: f32[2]) -> (%x: f32[2]) {}\n")
    for dtype in DType:
        values = [str(i) for i in range(40)] if dtype is DType.STRING else np.arange(40) % 2
        data = np.array(values, dtype=object) if dtype is DType.STRING else np.asarray(values).astype(dtype.numpy)
        module.add_constant(dtype.value, data)
    save_ir(module, tmp_path / "m.ir")
    text = (tmp_path / "m.ir").read_text()
    assert 'const @string : string[40] = ["0", "1"' in text and text.count(" = [") == 1
    assert load_ir(tmp_path / "m.ir") == module


def edit_header(change: Callable[[dict[str, object]], object]) -> Callable[[bytes], bytes]:
    def edit(data: bytes) -> bytes:
        size = int.from_bytes(data[:8], "little")
        header = json.loads(data[8 : 8 + size])
        change(header)
        text = json.dumps(header).encode()
        return len(text).to_bytes(8, "little") + text + data[8 + size :]

    return edit


def entry(name: str, **values: object) -> Callable[[bytes], bytes]:
    return edit_header(lambda header: header[name].update(values))  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda d: b"", "cannot read|not a safetensors"),
        (lambda d: d[:7], "not a safetensors"),
        (lambda d: d[:40], "not a safetensors"),
        (lambda d: d[:-1], "extent of .* is wrong"),
        (lambda d: b"\xff" * 8 + d[8:], "not a safetensors"),
        (lambda d: d[:8] + b"[" + d[9:], "not a safetensors"),
        (edit_header(lambda h: h.pop("a")), "has no tensor 'a'"),
        (edit_header(lambda h: h.update(a=3)), "not a safetensors"),
        (edit_header(lambda h: h.update(a={"dtype": "F32"})), "not a safetensors"),
        (edit_header(lambda h: h.update(__metadata__=3)), "not a safetensors"),
        (entry("a", dtype="F16"), "declared f32\\[3x2\\] but .* has F16"),
        (entry("a", shape=[2, 3]), r"has F32 \[2, 3\]"),
        (entry("a", data_offsets=[0, 20]), "extent of 'a' is wrong"),
        (entry("a", data_offsets=[-24, 0]), "extent of 'a' is wrong"),
        (entry("a", data_offsets=[1 << 40, (1 << 40) + 24]), "extent of 'a' is wrong"),
        (entry("a", data_offsets=["0", 24]), "not a safetensors"),
        (entry("a", data_offsets=[0, 1, 2]), "not a safetensors"),
    ],
)
def test_damaged_files(tmp_path: Path, damage: Callable[[bytes], bytes], message: str) -> None:
    path, _ = write(tmp_path)
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(IRError, match=message) as caught:
        read_weights(tmp_path, path.name, "", TYPES)
    assert caught.value.code == "P007"


def test_missing_and_changed_files(tmp_path: Path) -> None:
    path, digest = write(tmp_path)
    with pytest.raises(IRError, match=r"'gone\.safetensors' is missing"):
        read_weights(tmp_path, "gone.safetensors", "", TYPES)
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)
    with pytest.raises(IRError, match="does not have the hash"):
        read_weights(tmp_path, path.name, digest, TYPES)
    with pytest.raises(IRError, match="cannot read"):
        (tmp_path / "folder").mkdir()
        read_weights(tmp_path, "folder", "", TYPES)


@pytest.mark.parametrize("name", ["../w.safetensors", "sub/../../w.safetensors", "{absolute}"])
def test_files_outside_the_folder(tmp_path: Path, name: str) -> None:
    path, _ = write(tmp_path)
    (tmp_path / "inner").mkdir()
    with pytest.raises(IRError, match="is outside the folder"):
        read_weights(tmp_path / "inner", name.format(absolute=path), "", TYPES)


def test_links_do_not_lead_outside(tmp_path: Path) -> None:
    path, _ = write(tmp_path)
    inner = tmp_path / "inner"
    inner.mkdir()
    (inner / "link").symlink_to(path)
    with pytest.raises(IRError, match="is outside the folder"):
        read_weights(inner, "link", "", TYPES)


def test_unaligned_tensors_of_other_writers() -> None:
    header = json.dumps(
        {
            "__metadata__": {"format": "np"},
            "b": {"dtype": "I8", "shape": [1], "data_offsets": [0, 1]},
            "x": {"dtype": "F32", "shape": [2], "data_offsets": [1, 9]},
        }
    ).encode()
    data = len(header).to_bytes(8, "little") + header + b"\x05" + np.array([1.5, -2], np.float32).tobytes()
    loaded = views(memoryview(data), {"x": TensorType(DType.F32, (2,))}, "w")["x"]()
    assert loaded.tolist() == [1.5, -2] and float(loaded.sum()) == -0.5


TEXT = """ir 1
weights "w.safetensors" {
  @w : f32[5x4]
}
const @b : f32[5] = [1, 2, 3, 4, 5]
net @main(%x: f32[Nx4]) -> (%y: f32[Nx5]) {
  %y = fully_connected(%x, @w, @b) loc "m.onnx":"Gemm_0"
}
"""


def test_modules_on_disk(tmp_path: Path) -> None:
    data = np.arange(20, dtype=np.float32).reshape(5, 4)
    module = parse_module(TEXT, weights=lambda file, digest, declared: {"w": lambda: data})
    save_ir(module, tmp_path / "m.ir")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["m.ir", "m.safetensors"]
    again = load_ir(tmp_path / "m.ir")
    assert again == module and np.array_equal(again.constants["w"].data, data)
    text = (tmp_path / "m.ir").read_text()
    save_ir(again, tmp_path / "m.ir")
    assert (tmp_path / "m.ir").read_text() == text
    save_ir(again, tmp_path / "m.ir", locations=False)
    assert "loc" not in (tmp_path / "m.ir").read_text()


def test_weights_that_are_not_loaded_say_so() -> None:
    module = parse_module(TEXT)
    with pytest.raises(IRError, match=r"the data of @w were not loaded"):
        _ = module.constants["w"].data
