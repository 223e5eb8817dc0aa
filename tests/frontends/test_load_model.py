"""`load_model`: the content decides, then the suffix; ONNX is imported only when it is needed."""

from __future__ import annotations

import subprocess
import sys

import pytest

from plait.frontends import ModelError, load_model
from plait.frontends.onnx import import_onnx
from plait.ir.diagnostics import IRError, PlaitError
from plait.ir.text import save_ir
from plait.testing.onnx_check import example, graph_model, node_model


@pytest.fixture
def model():
    return node_model("Add", {"x": example(2, 30)}, {"w": example(30)})


@pytest.mark.parametrize("name", ["net.onnx", "net.bin", "net"])
def test_onnx(tmp_path, model, name):
    path = tmp_path / name
    path.write_bytes(model.SerializeToString())
    assert [layer.op for layer in load_model(str(path)).main] == ["add"]


@pytest.mark.parametrize("name", ["net.ir", "net.txt"])
def test_ir_text(tmp_path, model, name):
    module = import_onnx(model).module
    save_ir(module, tmp_path / name)
    assert load_model(tmp_path / name) == module


def test_ir_text_with_comments_first(tmp_path):
    path = tmp_path / "net.txt"
    path.write_text("\n// a comment\nir 1\nnet @main(%x: f32[2]) -> (%y: f32[2]) {\n  %y = relu(%x) : f32[2]\n}\n")
    assert len(load_model(path).main.body) == 1


def test_options_reach_the_reader(tmp_path):
    relu = node_model("Relu", {"x": example(2, 3)})
    model = graph_model(relu.graph.node, {"x": example(2, 3)}, {}, ["y"], shapes={"x": ("N", 3)})
    path = tmp_path / "net.onnx"
    path.write_bytes(model.SerializeToString())
    assert load_model(path, dims={"N": 4}).main.arguments[0].type.shape == (4, 3)


@pytest.mark.parametrize(
    ("name", "content", "error"), [("net.onnx", "hello there", ModelError), ("net.ir", "hello", IRError)]
)
def test_files_that_are_neither(tmp_path, name, content, error):
    path = tmp_path / name
    path.write_text(content)
    with pytest.raises(error) as caught:
        load_model(path)
    assert isinstance(caught.value, PlaitError) and str(path) in str(caught.value)
    with pytest.raises(ModelError, match="no such file"):
        load_model(tmp_path / "absent.onnx")


def test_importing_the_frontends_does_not_import_onnx():
    code = "import sys, plait.frontends; assert 'onnx' not in sys.modules and 'google.protobuf' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)
