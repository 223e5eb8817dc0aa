"""The networks of `plait.testing`: published sizes, determinism, options."""

from __future__ import annotations

import math
from pathlib import Path

import onnx
import pytest
from onnx import numpy_helper

from plait.testing.networks import NETWORKS, build, save
from plait.testing.random_models import random_model

# Thousands of parameters in torchvision's tables of weights, which leave out mean and variance of BatchNorm.
PUBLISHED = {
    "resnet50": 25557,
    "mobilenetv2": 3505,
    "mobilenetv3": 5483,
    "squeezenet": 1235,
    "densenet121": 7979,
    "googlenet": 6625,
}


@pytest.mark.parametrize("name", PUBLISHED)
def test_parameters_are_as_published(name):
    model = build(name, image=32)
    statistics = {n for node in model.graph.node if node.op_type == "BatchNormalization" for n in node.input[3:5]}
    bounds = {n for node in model.graph.node if node.op_type == "Clip" for n in node.input[1:]}
    count = sum(math.prod(t.dims) for t in model.graph.initializer if t.name not in statistics | bounds)
    assert round(count / 1000) == PUBLISHED[name]


@pytest.mark.slow
def test_parameters_of_vgg16():
    count = sum(math.prod(t.dims) for t in build("vgg16").graph.initializer)
    assert round(count / 1000) == 138358


@pytest.mark.parametrize("name", NETWORKS)
def test_models_are_valid_and_deterministic(name):
    model = build(name, image=32, width=0.25)
    onnx.checker.check_model(model, full_check=True)
    assert model.SerializeToString() == build(name, image=32, width=0.25).SerializeToString()
    dims = [d.dim_value for d in model.graph.output[0].type.tensor_type.shape.dim]
    assert dims == [1, 1000] and model.opset_import[0].version == 17


def test_statistics_are_neither_zero_nor_one():
    model = build("mobilenetv2", image=32, width=0.25)
    weights = {t.name: numpy_helper.to_array(t) for t in model.graph.initializer}
    for node in model.graph.node:
        if node.op_type == "BatchNormalization":
            scale, shift, mean, variance = (weights[n] for n in node.input[1:])
            assert (shift != 0).all() and (mean != 0).all() and (variance > 0.5).all() and (scale != 1).all()


def test_save(tmp_path: Path):
    path = save("squeezenet", tmp_path / "new", image=32, width=0.25)
    assert path == tmp_path / "new" / "squeezenet.onnx" and len(onnx.load(path).graph.node) > 60


def test_image_that_is_too_small():
    with pytest.raises(ValueError, match="32 is the least"):
        build("vgg16", image=16)


def test_random_models_are_valid_deterministic_and_varied():
    models = [random_model(seed) for seed in range(30)]
    for seed, model in enumerate(models):
        onnx.checker.check_model(model, full_check=True)
        assert model.SerializeToString() == random_model(seed).SerializeToString()
    kinds = {node.op_type for model in models for node in model.graph.node}
    assert {"Conv", "BatchNormalization", "MaxPool", "AveragePool", "Add", "Concat", "Mul", "Gemm", "Softmax"} <= kinds
