"""Twins are the pieces of the network of which all is quantized, and the layers of the network in other floats."""

from __future__ import annotations

import functools

import numpy as np
import pytest

from plait.backends.reference import evaluate
from plait.frontends.onnx import import_onnx
from plait.ir.dtypes import Array
from plait.ir.module import Module
from plait.ir.text import parse_module
from plait.ir.values import Value
from plait.ir.verify import verify
from plait.testing.networks import build
from plait.tuning.api import optimized
from plait.tuning.calibration import Samples
from plait.tuning.precision.twins import Twins, twins
from plait.tuning.quantize import QuantizeOptions
from plait.tuning.quantize_report import numbers

NETWORKS = ("mobilenetv3", "squeezenet", "resnet50")


def network(name: str) -> Module:
    return import_onnx(build(name, image=32, width=0.125)).module


def samples_for(module: Module, count: int = 2) -> Samples:
    rng = np.random.default_rng(5)
    found = [
        {a.name: rng.standard_normal(a.type.static_shape, dtype=np.float32) for a in module.main.arguments}  # type: ignore[attr-defined]
        for _ in range(count)
    ]
    return lambda: found


@functools.cache
def twins_of(name: str) -> Twins:
    module = network(name)
    return twins(module, samples_for(module), QuantizeOptions(method="minmax"), ("qint8", "bfloat16"))


def values_of(module: Module, sample: dict[str, Array]) -> dict[Value, Array]:
    found: dict[Value, Array] = {}
    evaluate(module, sample, values=found.__setitem__)
    found.update((a, sample[a.name]) for a in module.main.arguments)
    return found


@pytest.mark.parametrize("name", NETWORKS)
def test_the_module_is_the_optimised_network(name: str) -> None:
    found = twins_of(name)
    wanted = optimized(network(name), "default")
    assert [(v.name, v.type) for v in found.module.main.body.values()] == [
        (v.name, v.type) for v in wanted.main.body.values()
    ]
    assert set(found.by_layer) == {layer.results[0].name for layer in wanted.main}


@pytest.mark.parametrize("name", NETWORKS)
def test_equalised_weights_give_the_same_numbers(name: str) -> None:
    module = network(name)
    sample = next(iter(samples_for(module)()))
    wanted, got = (evaluate(m, sample)["output"] for m in (module, twins_of(name).module))
    np.testing.assert_allclose(got, wanted, rtol=1e-3, atol=1e-4 * float(np.abs(wanted).max()))


@pytest.mark.parametrize("name", NETWORKS)
def test_integer_twins_are_pieces_of_the_quantized_network(name: str) -> None:
    found = twins_of(name)
    prepared = found.prepared
    chosen = [name for name, twins in found.by_layer.items() if "qint8" in twins]
    assert len(chosen) > 0.9 * len(found.by_layer)
    whole = prepared.integer(chosen)
    verify(whole.module)
    (sample,) = samples_for(prepared.prepared, 1)()
    values = values_of(whole.module, dict(sample))
    by_name = {v.name: numbers(whole.module, new, values[new]) for v, new in whole.stored.items() if new in values}
    for layer in chosen:
        twin = found.by_layer[layer]["qint8"]
        verify(twin.module)
        got = evaluate(twin.module, {a.name: by_name[a.name] for a in twin.module.main.arguments})
        for output in twin.module.main.output_names:
            np.testing.assert_array_equal(got[output], by_name[output], err_msg=f"{layer} {output}")


def test_layers_of_several_parts() -> None:
    found = twins_of("mobilenetv3")
    parts = {
        layer.op: [part.op for part in found.by_layer[layer.results[0].name]["qint8"].inner.main]
        for layer in found.module.main
    }
    assert parts["squeeze_excite"] == ["global_avg_pool", "conv2d", "conv2d", "hard_sigmoid", "mul"]
    assert parts["separable_conv2d"][:1] == ["conv2d"] and parts["separable_conv2d"].count("conv2d") == 2


def test_twins_of_other_floats() -> None:
    found = twins_of("mobilenetv3")
    layer = next(layer for layer in found.module.main if layer.op == "conv2d")
    twin = found.by_layer[layer.results[0].name]["bfloat16"]
    verify(twin.module)
    assert [part.op for part in twin.module.main] == ["cast", "conv2d", "cast"]
    assert [str(v.type.dtype) for v in twin.inner.main.body.values()] == ["bf16", "bf16"]
    assert [str(a.type.dtype) for a in twin.module.main.arguments] == ["f32"]
    assert twin.module.main.output_names == [layer.results[0].name]


def test_layers_without_twins_have_reasons() -> None:
    module = parse_module("""ir 1
const @w : f32[4x3x1x1] = [1.0, -0.5, 0.25, 2.0, 0.5, 1.0, -1.0, 0.125, 1.0, -2.0, 0.5, 0.75]
net @main(%x: f32[1x3x4x4]) -> (%y: f32[1x4x4x4]) {
  %a = add(%x, %x)
  %c = conv2d(%a, @w) {act = hard_swish}
  %y = softmax(%c) {axis = 1}
}""")
    found = twins(module, samples_for(module), None, ("qint8", "float32"))
    assert {name: list(twins) for name, twins in found.by_layer.items()} == {"a": ["qint8"], "c": ["qint8"], "y": []}
    assert found.reasons["y"] == {"qint8": "softmax has no rule for integers"}
    assert found.usual("qint8") == {"c"}  # %a would read floats
    kept = twins(module, samples_for(module), QuantizeOptions(keep_float=("c",)), ("qint8",))
    assert kept.reasons["c"] == {"qint8": "it is to be kept"}


def test_values_of_one_name_are_told_apart() -> None:
    module = network("squeezenet")
    for layer in module.main:
        layer.results[0].name = "v"
    found = twins(module, samples_for(module), QuantizeOptions(method="minmax"))
    assert len(found.by_layer) == len(list(found.module.main))
    assert all("qint8" in twins for twins in found.by_layer.values())
