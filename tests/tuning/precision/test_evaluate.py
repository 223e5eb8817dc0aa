"""Losses of whole networks, against a computation by the reference."""

from __future__ import annotations

from functools import partial

import numpy as np
import pytest

import plait
from plait.backends.errors import RunError
from plait.backends.reference import evaluate
from plait.ir.dtypes import Array
from plait.ir.text import parse_module
from plait.passes.quantize.types import QuantizationError
from plait.tuning.precision.evaluate import measure_loss, outputs_of
from plait.tuning.precision.metrics import METRICS
from plait.tuning.samples import samples_of
from plait.tuning.untuned import untuned_module

TEXT = """ir 1
const @w : f32[4x3x1x1] = [1.0, -0.5, 0.25, 2.0, 0.5, 1.0, -1.0, 0.125, 1.0, -2.0, 0.5, 0.75]
net @main(%x: f32[1x3x4x4]) -> (%y: f32[1x4x4x4]) {
  %c = conv2d(%x, @w) {act = relu}
  %y = mul(%c, %c)
}"""
OTHER = TEXT.replace("0.125", "0.5")


def images(count: int = 3) -> Array:
    return np.random.default_rng(1).standard_normal((count, 3, 4, 4), dtype=np.float32)


def test_the_loss_is_that_of_the_reference_evaluator() -> None:
    reference, module = parse_module(TEXT), parse_module(OTHER)
    samples = samples_of(reference.main, images())
    done: list[int] = []
    loss = measure_loss(module, reference, samples, METRICS["sqnr"], progress=lambda n, what: done.append(n))
    exact, found = ([evaluate(m, s)["y"].astype(np.float64) for s in samples()] for m in (reference, module))
    noise = sum(np.sum((a - b) ** 2) for a, b in zip(exact, found, strict=True))
    assert loss == pytest.approx(noise / sum(np.sum(a**2) for a in exact), rel=1e-4) and loss > 0
    assert done == [1, 2, 3] * 2
    assert measure_loss(reference, reference, samples, METRICS["sqnr"]) == 0.0


def test_outputs_are_measured_once_and_modules_with_routines_run_as_they_are() -> None:
    reference = parse_module(TEXT)
    samples = samples_of(reference.main, images())
    known = outputs_of(reference, samples)
    tuned = untuned_module(parse_module(OTHER))
    assert all(layer.via for layer in tuned.main)
    measure = partial(measure_loss, reference=known, samples=samples, metric=METRICS["top1"])
    assert measure(tuned) == measure(parse_module(OTHER)) > 0
    assert measure(plait.Runner(tuned)) == measure(tuned)


def test_errors() -> None:
    module = parse_module(TEXT)
    with pytest.raises(QuantizationError, match=r"P520.*there are no samples"):
        outputs_of(module, samples_of(module.main, []))
    wrong = [{"x": np.ones((1, 3, 4, 5), np.float32)}]
    with pytest.raises(RunError, match="P401"):
        outputs_of(module, lambda: wrong)
    with pytest.raises(RunError, match="P401"):
        outputs_of(untuned_module(module), lambda: wrong)
