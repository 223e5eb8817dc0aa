"""Files whose weights stay in the mapped file: same results, same errors, no copies."""

from __future__ import annotations

import random

import numpy as np
import onnx
import pytest

from plait.frontends import ModelError
from plait.frontends.onnx import import_onnx
from plait.frontends.onnx.blobs import Blobs
from plait.ir.diagnostics import PlaitError
from plait.testing.networks import build
from plait.testing.onnx_check import example, node_model


@pytest.fixture(scope="module")
def squeezenet(tmp_path_factory):
    path = tmp_path_factory.mktemp("large") / "net.onnx"
    path.write_bytes(build("squeezenet", image=32).SerializeToString())
    return path


def test_same_module_as_from_the_proto(squeezenet):
    mapped, parsed = import_onnx(squeezenet).module, import_onnx(onnx.load(squeezenet)).module
    for ours, theirs in zip(mapped.constants.values(), parsed.constants.values(), strict=True):
        assert ours.name == theirs.name and ours.type == theirs.type and ours.data.flags.aligned
        np.testing.assert_array_equal(ours.data, theirs.data)


def test_aligned_weights_are_views_on_the_file(tmp_path):
    path = tmp_path / "net.onnx"
    views = 0
    model = node_model("Add", {"x": example(300, 1000)}, {"w": example(300, 1000)})
    for length in range(1, 5):  # each letter moves the data by one byte
        model.graph.name = "g" * length
        path.write_bytes(model.SerializeToString())
        (constant,) = import_onnx(path).module.constants.values()
        np.testing.assert_array_equal(constant.data, example(300, 1000))
        assert constant.data.flags.aligned and not constant.data.flags.writeable
        views += constant.data.base is not None
    assert views == 1


def test_tickets_stand_only_for_what_was_taken():
    blobs = Blobs()
    model = node_model("Add", {"x": example(999)}, {"w": example(999)})
    small = onnx.ModelProto.FromString(blobs.without_weights(memoryview(model.SerializeToString())))
    ticket = small.graph.initializer[0].raw_data
    assert len(ticket) == 24 and bytes(blobs.find(ticket)) == example(999).tobytes()
    for other in (b"", b"1234", bytes(24), ticket[:-1], ticket + b"1"):
        assert blobs.find(other) == other
    assert Blobs().find(ticket) == ticket
    small.graph.initializer[0].ClearField("raw_data")
    model.graph.initializer[0].ClearField("raw_data")
    assert small == model


def test_truncated_large_file(squeezenet, tmp_path):
    data = squeezenet.read_bytes()
    path = tmp_path / "cut.onnx"
    for end in (len(data) - 1, len(data) // 2, (1 << 20) + 1):
        path.write_bytes(data[:end])
        with pytest.raises(ModelError, match="truncated or damaged"):
            import_onnx(path)
    path.write_bytes(b"some text, over and over\n" * 50000)
    with pytest.raises(ModelError, match="is a text file"):
        import_onnx(path)


def test_changed_bytes(squeezenet, tmp_path):
    """Changes in the first and last bytes, where the structure is; nothing but our own errors comes out."""
    original = squeezenet.read_bytes()
    path = tmp_path / "changed.onnx"
    pick = random.Random(4)
    for _ in range(60):
        data = bytearray(original)
        for _ in range(pick.randrange(1, 4)):
            place = pick.randrange(8000)
            data[place if pick.random() < 0.5 else -1 - place] = pick.randrange(256)
        path.write_bytes(data)
        try:
            for constant in import_onnx(path).module.constants.values():
                assert constant.data.shape == constant.type.shape
        except PlaitError as error:
            assert str(path) in str(error)
