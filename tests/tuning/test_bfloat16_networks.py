"""Whole networks on floats of 16 bits: each layer on a kernel, and results near those of the reference."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from plait.backends.program import Program
from plait.backends.reference import evaluate
from plait.frontends.onnx import import_onnx
from plait.passes.manager import run_pipeline
from plait.testing.compare import relative_error
from plait.testing.networks import save
from plait.tuning.untuned import untuned_module

NETWORKS = ("resnet50", "vgg16", "mobilenetv2", "mobilenetv3", "squeezenet")


@pytest.mark.parametrize(("dtype", "most"), [("bf16", 0.03), ("f16", 0.005)])
@pytest.mark.parametrize("network", NETWORKS)
def test_each_layer_has_a_kernel(network: str, dtype: str, most: float, tmp_path: Path) -> None:
    module = import_onnx(save(network, tmp_path, image=32, width=0.25)).module
    run_pipeline(f"to-{dtype}", module)
    tuned = untuned_module(module)
    slow = [layer.describe() for layer in tuned.main if "reference" in str(layer.via)]
    assert not slow
    own = {layer.op for layer in tuned.main if f"/{dtype}/" in str(layer.via)}
    assert {"conv2d", "cast"} <= own
    if dtype == "bf16":
        assert not [str(layer.via) for layer in tuned.main if "widened" in str(layer.via)], "detours"
    (argument,) = module.main.arguments
    x = np.random.default_rng(0).uniform(-1, 1, argument.type.static_shape).astype(np.float32)
    (wanted,) = evaluate(module, {argument.name: x}).values()
    (found,) = Program(tuned, 1).run([x])
    assert found.dtype == np.float32
    assert relative_error(found, wanted) < most


def test_direct_convolution_is_the_rule_of_thumb_on_bfloat16(tmp_path: Path) -> None:
    module = import_onnx(save("vgg16", tmp_path, image=32, width=0.25)).module
    run_pipeline("to-bf16", module)
    algorithms = {
        str(layer.via).split("/")[3].split("[")[0] for layer in untuned_module(module).main if layer.op == "conv2d"
    }
    assert algorithms <= {"direct", "stem_nchw"}


@pytest.mark.parametrize(("to", "routine"), [("bf16", "gemv_bf16"), ("f16", "gemv_f16"), ("q8", "gemv_q8")])
def test_weights_alone(to: str, routine: str, tmp_path: Path) -> None:
    module = import_onnx(save("vgg16", tmp_path, image=32, width=0.25)).module
    run_pipeline(f"default,store-weights{{to={to}}}", module)
    tuned = untuned_module(module)
    assert {str(f.via).rsplit("/", 1)[1] for f in tuned.main if f.op == "fully_connected"} == {routine}
    (argument,) = module.main.arguments
    x = np.random.default_rng(0).uniform(-1, 1, argument.type.static_shape).astype(np.float32)
    (wanted,) = evaluate(module, {argument.name: x}).values()
    (found,) = Program(tuned, 1).run([x])
    assert relative_error(found, wanted) < 1e-4
