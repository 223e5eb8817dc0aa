"""What is printed as generic text reads back as the same module, and prints as the same text."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import plait
from plait.ir import Module
from plait.ir.dtypes import DType, Quantized
from plait.ir.generic import print_generic
from plait.ir.generic.spelling import string, unescape
from plait.ir.generic.types import ELEMENTS, element_type_text
from plait.ir.literals import element
from plait.ir.text import load_ir, parse_module, print_module, save_ir
from plait.ir.types import TensorType
from plait.ir.values import Constant
from plait.testing.networks import save

Modules = list[tuple[str, Module]]
WeightsOf = Callable[[Module], Any]


def check(name: str, module: Module, weights_of: WeightsOf) -> None:
    text = print_generic(module)
    again = parse_module(text, weights=weights_of(module), allow_unknown=True)
    assert print_module(again) == print_module(module), name
    assert again == module, name
    assert print_generic(again) == text, name


def test_modules_of_the_tests_and_random_ones(some_modules: Modules, weights_of: WeightsOf) -> None:
    assert len(some_modules) > 450
    for name, module in some_modules:
        check(name, module, weights_of)


@pytest.mark.slow
def test_many_random_modules(more_modules: Modules, weights_of: WeightsOf) -> None:
    for name, module in more_modules:
        check(name, module, weights_of)


@pytest.mark.parametrize("network", ["mobilenetv2", "squeezenet", "googlenet"])
def test_networks(network: str, tmp_path: Path) -> None:
    module = plait.load(save(network, tmp_path, image=32, width=0.1))
    save_ir(module, tmp_path / "net.mlir", generic=True)
    again = load_ir(tmp_path / "net.mlir")
    assert again == module
    save_ir(again, tmp_path / "net.ir")
    assert plait.load(tmp_path / "net.ir") == plait.load(tmp_path / "net.mlir") == module


@pytest.mark.parametrize("dtype", [d for d in DType if d is not DType.STRING], ids=str)
def test_constants_of_every_type_are_exact(dtype: DType) -> None:
    numbers = [v for v in range(256) if dtype.bits >= 8 or v < 1 << dtype.bits]
    if dtype is DType.BOOL:
        data = np.array([True, False])
    elif dtype.size == 1:
        data = np.array(numbers, np.uint8).view(dtype.numpy)
    else:
        data = np.random.default_rng(1).bytes(64 * dtype.size)
        data = np.frombuffer(data, dtype.numpy)
    for part in np.array_split(data, max(1, len(data) // 8)):
        module = Module()
        module.adopt(Constant("c", part.reshape(1, -1), type=TensorType(dtype, (1, len(part)))))
        again = parse_module(print_generic(module)).constants["c"]
        assert again.type.dtype is dtype
        assert np.array_equal(again.data, part.reshape(1, -1), equal_nan=dtype.is_inexact)


@pytest.mark.parametrize(
    ("type", "value", "wanted"),
    [
        (TensorType(DType.F32, ()), 0.1, "dense<0.1> : tensor<f32>"),
        (TensorType(DType.F32, (2,)), -0.0, "dense<[-0.0, -0.0]> : tensor<2xf32>"),
        (TensorType(DType.F64, (1,)), 1e300, "dense<[1.0e+300]> : tensor<1xf64>"),
        (TensorType(DType.F32, (1,)), float("inf"), 'dense<"0x0000807F"> : tensor<1xf32>'),
        (TensorType(DType.F8E4M3FN, (1,)), 0.1, "dense<[0.1015625]> : tensor<1xf8E4M3FN>"),
        (TensorType(DType.U8, (1, 1)), 255, "dense<[[255]]> : tensor<1x1xui8>"),
        (TensorType(DType.BOOL, (1,)), True, "dense<[true]> : tensor<1xi1>"),
        (TensorType(DType.C64, (1,)), 1 - 2j, "dense<[(1.0, -2.0)]> : tensor<1xcomplex<f32>>"),
        (TensorType(DType.F32, (0, 3)), 0.0, "dense<> : tensor<0x3xf32>"),
        (TensorType(DType.STRING, (1,)), 'a"b', '["a\\"b"]'),
        (TensorType(Quantized(DType.I8, 0.5, 3), (1,)), -7, "dense<[-7]> : tensor<1xi8>"),
    ],
    ids=str,
)
def test_how_constants_are_written(type: TensorType, value: Any, wanted: str) -> None:
    data = np.empty(type.static_shape, type.dtype.numpy)
    data[...] = value if type.dtype.storage.is_complex else element(value, type.dtype.storage)
    module = Module()
    module.adopt(Constant("c", data, type=type))
    text = print_generic(module)
    assert f'%c = "plait.const"() <{{name = "c", value = {wanted}}}>' in text
    assert parse_module(text) == module


@pytest.mark.parametrize(
    ("dtype", "wanted"),
    [
        (Quantized(DType.I8, 0.0235, -12), "!quant.uniform<i8:f32, 0.0235:-12>"),
        (Quantized(DType.U4, 1e-06), "!quant.uniform<u4:f32, 1.0e-06>"),
        (Quantized(DType.I16, (0.5, 0.25), (0, 3), 1), "!quant.uniform<i16:f32:1, {0.5, 0.25:3}>"),
        (Quantized(DType.I8, (0.5, 0.25), 3, 1), '!plait.type<"q8<[0.5, 0.25]:3 axis 1>">'),
        (Quantized(DType.I8, 1e-40), '!plait.type<"q8<1e-40>">'),
    ],
    ids=str,
)
def test_quantized_types(dtype: Quantized, wanted: str) -> None:
    assert element_type_text(dtype) == wanted
    text = f"ir 1\nnet @main(%x: {dtype}[3x2]) -> (%x: {dtype}[3x2]) {{\n}}\n"
    module = parse_module(text)
    assert f"%x: tensor<3x2x{wanted}>" in print_generic(module)
    assert parse_module(print_generic(module)) == module


def test_every_plain_type_has_a_name() -> None:
    assert set(ELEMENTS) == set(DType)
    assert len(set(ELEMENTS.values())) == len(ELEMENTS)


@pytest.mark.parametrize("text", ["", "a", 'q"', "\\", "\n\t\0\x7f", "größe", "層\n", "😀", "\u2028", "\\0A"])
def test_strings(text: str) -> None:
    assert unescape(string(text)) == text
    assert "\n" not in string(text)


def test_attributes_whose_names_mlir_cannot_hold_and_named_operands_of_unknown_layers() -> None:
    text = (
        "ir 1\n"
        "net @main(%x: f32[2]) -> (%y: f32[2]) {\n"
        '  %y = acme(%x, bias = %x) {"" = 1, "ä\\n" = [a, {"" = 2}], plait.via = 3} : f32[2]\n'
        "}\n"
    ).replace(", plait.via = 3", ', "plait.via" = 3')
    module = parse_module(text, allow_unknown=True)
    assert print_module(parse_module(print_generic(module), allow_unknown=True)) == text


def test_what_is_left_out() -> None:
    text = 'ir 1\n// n\nnet @main(%x: f32[2]) -> (%y: f32[2]) {\n  // c\n  %y = relu(%x) loc "f":"n"\n}\n'
    module = parse_module(text)
    shown = print_generic(module, locations=False, comments=False)
    assert "loc(" not in shown and "comment" not in shown
    assert print_module(parse_module(shown)) == print_module(module, locations=False, comments=False)
