"""Mixed modules: written as text, read and optimised again they are what they were."""

from __future__ import annotations

import random

import numpy as np
import pytest
from small_networks import FORK, GATED, network, samples_for

from plait.backends.reference import evaluate
from plait.ir.module import Module
from plait.ir.text import parse_module, print_module
from plait.passes.quantize.types import QuantizationError
from plait.tuning.api import optimized
from plait.tuning.precision.materialize import materialize
from plait.tuning.precision.twins import twins
from plait.tuning.quantize import QuantizeOptions, quantize_module

PLAIN = QuantizeOptions(method="minmax", report_samples=0)


def from_text(text: str, module: Module) -> Module:
    """The module of a text, with the weights of another."""
    found = parse_module(text)
    for name, constant in found.constants.items():
        if not constant.has_data:
            constant.supply(lambda data=module.constants[name].data: data)
    return found


def types_of(module: Module) -> list[tuple[str, str]]:
    return [(layer.op, str(layer.results[0].type.dtype)) for layer in module.main if layer.op != "cast"]


@pytest.mark.parametrize("text", [FORK, GATED])
@pytest.mark.parametrize("seed", range(4))
def test_chosen_precisions_stay(text: str, seed: int) -> None:
    module = network(text)
    samples = samples_for(module)
    found = twins(module, samples, PLAIN, ("qint8", "bfloat16"))
    draw = random.Random(seed)
    precisions = {n: draw.choice(("float32", *some)) for n, some in found.by_layer.items()}
    mixed = materialize(found.prepared, {n: p for n, p in precisions.items() if p != "float32"})
    again = optimized(from_text(print_module(mixed), mixed), "default")
    assert types_of(again) == types_of(mixed)
    for sample in samples():
        wanted, got = evaluate(mixed, dict(sample)), evaluate(again, dict(sample))
        for name in wanted:
            np.testing.assert_array_equal(wanted[name], got[name])


def test_what_was_to_stay_in_floats_stays() -> None:
    """An addition between convolutions on integers, which otherwise is a unit of its own."""
    text = """ir 1
net @main(%x: f32[1x16x6x6]) -> (%y: f32[1x16x6x6]) {
  %a = conv2d(%x, @w)
  %b = conv2d(%x, @v)
  %s = mul(%a, %b)
  %y = conv2d(%s, @w)
}"""
    module = network(text)
    kept = quantize_module(module, samples_for(module), QuantizeOptions(keep_float=("s",), report_samples=0)).module
    again = optimized(kept, "default")
    assert ("mul", "f32") in types_of(again)
    unmarked = from_text(print_module(kept).replace(", explicit = true", ""), kept)
    assert ("mul", "f32") not in types_of(optimized(unmarked, "default"))


def test_what_is_quantized_already_is_refused() -> None:
    module = network(FORK)
    samples = samples_for(module)
    done = quantize_module(module, samples, PLAIN).module
    for again in (quantize_module, twins):
        with pytest.raises(QuantizationError, match=r"P520.*quantized already: %.* is qu8"):
            again(done, samples)
