"""`quantize`, whole: generated networks keep their results, and what users can get wrong is told."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
import pytest

import plait
from plait.backends.errors import RunError
from plait.backends.reference import evaluate
from plait.frontends.onnx import import_onnx
from plait.ir.dtypes import Array
from plait.ir.module import Module
from plait.ir.text import parse_module
from plait.ir.verify import verify
from plait.passes.quantize.methods import METHODS
from plait.passes.quantize.types import QuantizationError
from plait.testing.networks import build
from plait.tuning.calibration import channels_of, parts
from plait.tuning.quantize import QuantizeOptions, quantize_module

LEAST = {"resnet50": 28.0, "mobilenetv3": 28.0, "googlenet": 25.0, "squeezenet": 25.0}
"""dB that networks of random weights keep."""


def network(name: str) -> Module:
    return import_onnx(build(name, image=32, width=0.25)).module


def images(count: int = 6, size: int = 32) -> Array:
    return np.random.default_rng(1).standard_normal((count, 3, size, size), dtype=np.float32)


@pytest.mark.parametrize("name", sorted(LEAST))
def test_networks_keep_their_results(name: str) -> None:
    module = network(name)
    found = plait.quantize(module, images())
    assert not found.report.floats
    assert found.report.output_sqnr is not None and found.report.output_sqnr > LEAST[name]
    unseen = np.random.default_rng(7).standard_normal((1, 3, 32, 32), dtype=np.float32)
    wanted, got = (evaluate(m, [unseen])["output"] for m in (module, found.module))
    assert 20 * np.log10(np.linalg.norm(wanted) / np.linalg.norm(got - wanted)) > LEAST[name] - 6


def test_the_result_is_the_same_each_time_and_can_be_read_again() -> None:
    options = QuantizeOptions(report_samples=0)
    texts = [str(plait.quantize(network("squeezenet"), images(3), options=options).module) for _ in range(2)]
    assert texts[0] == texts[1]
    again = parse_module(texts[0])
    assert str(again) == texts[0]


def test_a_quantized_network_passes_the_default_pipeline() -> None:
    found = plait.quantize(
        network("mobilenetv3"), images(2), options=QuantizeOptions(method="minmax", report_samples=0)
    )
    optimised = plait.optimize(found.module)
    verify(optimised)
    x = images(1)
    np.testing.assert_array_equal(evaluate(optimised, [x])["output"], evaluate(found.module, [x])["output"])


SMALL = """ir 1
const @w : f32[4x3x1x1] = [1.0, -0.5, 0.25, 2.0, 0.5, 1.0, -1.0, 0.125, 1.0, -2.0, 0.5, 0.75]
net @main(%x: f32[1x3x4x4]) -> (%y: f32[1x4x4x4]) {
  %c = conv2d(%x, @w) {act = hard_swish}
  %d = mul(%c, %c)
  %y = softmax(%d) {axis = 1}
}"""


def small() -> Module:
    return parse_module(SMALL)


def rows_of(keep: Iterable[str] = (), **options: Any) -> dict[str, str]:
    found = plait.quantize(small(), images(2, 4), options=QuantizeOptions(keep_float=tuple(keep), **options))
    verify(found.module)
    return {row.name: row.reason for row in found.report.layers}


def test_reasons_are_reported() -> None:
    softmax = "softmax has no rule for integers"
    assert rows_of() == {"c.pre": "", "c": "", "d": "", "y": softmax}
    assert rows_of(["mul"]) == {"c.pre": "", "c": "", "d": "it is to be kept", "y": softmax}
    assert rows_of(["%d"]) == rows_of(["mul"])


@pytest.mark.parametrize("method", sorted(METHODS))
@pytest.mark.parametrize("steps", [False, True])
def test_options(method: str, steps: bool) -> None:
    options = QuantizeOptions(method=method, equalize=steps, bias_correction=steps)
    found = plait.quantize(small(), images(20, 4), options=options)
    assert found.report.output_sqnr is not None and found.report.output_sqnr > (10 if method == "entropy" else 25)
    assert found.report.to_json()["method"] == method


def test_all_samples_count() -> None:
    """The largest number is in the last of them."""
    batch = images(5, 4)
    batch[4, 1, 2, 3] = 50
    module = small()
    samples = [{"x": batch[i : i + 1]} for i in range(5)]
    (x,) = module.main.arguments
    (d,) = [layer.result for layer in module.main if layer.op == "mul"]
    found = channels_of(module, [x, d], lambda: samples, lambda done, what: None)
    assert found[x].range.high == 50 and found[x].count == 5 * 16
    wanted = max(float(evaluate(module, [s["x"]], keep=["d"])["d"].max()) for s in samples)
    assert found[d].range.high == pytest.approx(wanted, rel=1e-5)


def test_values_are_observed_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = plait.quantize(small(), images(3, 4))
    monkeypatch.setattr("plait.tuning.calibration._AT_ONCE", 300)
    assert len(parts([r for layer in small().main for r in layer.results])) == 3
    assert str(plait.quantize(small(), images(3, 4)).module) == str(whole.module)


def test_networks_without_routines_are_observed_by_the_reference() -> None:
    module = parse_module(
        SMALL.replace(
            "%d = mul(%c, %c)",
            "%t = unary(%c) {fn = exp}\n  %s = sequence_construct(%t)\n  %i = sequence_length(%s)\n  %d = mul(%c, %c)",
        )
    )
    assert plait.quantize(module, images(2, 4)).report.integer


def test_nothing_to_quantize() -> None:
    module = parse_module("ir 1\nnet @main(%x: f32[4]) -> (%y: f32[4]) {\n  %y = relu(%x)\n}")
    with pytest.raises(QuantizationError, match=r"P520.*no layer can be quantized") as caught:
        plait.quantize(module, np.ones((2, 4), np.float32))
    assert caught.value.diagnostics[0].hint == "%y (relu): %x is in floats"


def test_patterns_must_match() -> None:
    with pytest.raises(QuantizationError, match="no layer is called 'conv3d'") as caught:
        rows_of(["mul", "conv3d"])
    assert caught.value.diagnostics[0].hint == "did you mean conv2d?"


def test_numbers_that_are_not_finite() -> None:
    batch = images(2, 4)
    batch[1, 0, 0, 0] = np.inf
    with pytest.raises(QuantizationError, match="%x holds numbers that are not finite"):
        plait.quantize(small(), batch)


def test_no_samples() -> None:
    with pytest.raises(QuantizationError, match="there are no samples"):
        quantize_module(small(), list)


def test_samples_must_fit() -> None:
    with pytest.raises(RunError, match=r"P401.*must have the shape"):
        plait.quantize(small(), images(2, 5))


def test_an_unknown_method() -> None:
    with pytest.raises(ValueError, match="unknown method 'mes'; did you mean mse"):
        QuantizeOptions(method="mes")
