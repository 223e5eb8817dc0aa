"""Layers against the limits of an invented machine."""

from __future__ import annotations

import attrs
import pytest

from plait.backends.profiling.limits import Level, Limits
from plait.ir.layer import Layer
from plait.ir.text.parser import parse_module
from plait.tuning.roofline import peak, roofline

L1 = Level("L1", 1000, read=100.0, write=50.0, copy=80.0)
L2 = Level("L2", 5000, read=50.0, write=25.0, copy=40.0)
DRAM = Level("DRAM", None, read=10.0, write=5.0, copy=8.0)
MACHINE = Limits(1, "avx2", {"baseline": 10.0, "avx2": 100.0}, (L1, L2, DRAM), 3.0, 0.0, "", "")


def layer(text: str, arguments: str, constants: str = "") -> Layer:
    result = text.rpartition(" : ")[2]
    module = parse_module(f"ir 1\n{constants}net @main({arguments}) -> (%y: {result}) {{\n  %y = {text}\n}}\n", "t")
    (found,) = module.main
    return found


def product_layer() -> Layer:
    weights = f"const @w : f32[4x4] = [{', '.join('1' * 16)}]\n"
    return layer("fully_connected(%x, @w) : f32[1x4]", "%x: f32[1x4]", weights)


def test_a_layer_without_constants_works_in_the_level_that_holds_it() -> None:
    found = roofline(layer("relu(%x) : f32[100]", "%x: f32[100]"), 1.0, MACHINE, resident=10**6)
    assert found.bandwidth == pytest.approx(800 / 80e3)  # 400 bytes in, 400 out
    assert (found.level, found.bound) == ("L1", "L1")
    larger = roofline(layer("relu(%x) : f32[500]", "%x: f32[500]"), 1.0, MACHINE, resident=10**6)
    assert larger.bandwidth == pytest.approx(4000 / 40e3) and larger.level == "L2"


@pytest.mark.parametrize(("resident", "level", "read"), [(4000, "L2", 50e3), (10**6, "DRAM", 10e3)])
def test_constants_come_from_the_level_that_holds_all(resident: int, level: str, read: float) -> None:
    product = product_layer()
    found = roofline(product, 2.0, MACHINE, resident)
    assert found.bandwidth == pytest.approx((2 * 16 / 80e3 + 64 / read) / 2.0)  # 16 bytes in and out, 64 of weights
    assert found.level == level
    assert found.peak == pytest.approx(product.flops() / 2e3 / 100)


def test_the_bound_is_what_is_nearer() -> None:
    slow = attrs.evolve(MACHINE, gflops={"avx2": 0.001})
    assert roofline(product_layer(), 2.0, slow, 10**6).bound == "FMA"
    assert roofline(product_layer(), 2.0, MACHINE, 10**6).bound == "DRAM"


def test_products_of_bfloat16_and_bytes_have_peaks_of_their_own() -> None:
    narrow = layer("mul(%x, %x) : bf16[4]", "%x: bf16[4]")
    quantized = layer("mul(%x, %x) {to = qu8<0.5>} : qu8<0.5>[4]", "%x: qu8<0.1>[4]")
    known = attrs.evolve(MACHINE, bf16={"avx512vnni": 300.0, "avx2": 100.0}, gops={"avx2": 400.0})
    assert [peak(found, known) for found in (narrow, quantized, product_layer())] == [300.0, 400.0, 100.0]
    assert [peak(found, MACHINE) for found in (narrow, quantized)] == [100.0, 100.0], "none is known"
    assert roofline(narrow, 2.0, known, 0).peak == pytest.approx(narrow.flops() / 2e3 / 300)
