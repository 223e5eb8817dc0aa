"""Floats to bytes and back, in one layout or together with a change of it."""

from __future__ import annotations

from typing import Any

from plait.backends.cpu.common import LOW_LAYOUTS, cpu, flat_rows, formats_between, image_fields, refuse_flat
from plait.backends.cpu.quantized.common import TURN, grid
from plait.backends.lowering import Lowering
from plait.ir.dtypes import DType, ElementType, Quantized
from plait.ir.layers.elementwise import Cast
from plait.ir.values import Value


def _is_bytes(dtype: ElementType) -> bool:
    return isinstance(dtype, Quantized) and dtype.bits == 8 and dtype.axis is None


def _refuse_quantize(layer: Cast) -> str | None:
    x, y = layer.x.type.dtype, layer.result.type.dtype
    return None if x is DType.F32 and _is_bytes(y) else f"converts f32 to bytes with one scale, not {x} to {y}"


def _refuse_dequantize(layer: Cast) -> str | None:
    x, y = layer.x.type.dtype, layer.result.type.dtype
    return None if y is DType.F32 and _is_bytes(x) else f"converts bytes with one scale to f32, not {x} to {y}"


def _stored(value: Value, lowering: Lowering) -> dict[str, Any]:
    """The fields `scale`, `zero` and `turn`: kernels see signed bytes as unsigned ones with the top bit turned."""
    found = grid(value, lowering)
    signed = found.storage.is_signed
    return {"scale": float(found.scale), "zero": int(found.zero) + TURN * signed, "turn": int(signed)}


def quantize_fields(value: Value, lowering: Lowering) -> dict[str, Any]:
    """Those, and the bounds of what is stored and what NaN becomes, which is the number 0 as it is stored."""
    fields = _stored(value, lowering)
    return {**fields, "low": 0, "high": 255, "nan": TURN if fields["turn"] else 0}


def _flat(kernel: str, layout: str) -> Any:
    def lower(layer: Cast, lowering: Lowering, variant: str) -> None:
        quantizes = kernel == "q8_quantize"
        fields = quantize_fields(layer.result, lowering) if quantizes else _stored(layer.x, lowering)
        places = {"x": lowering.place(layer.x), "y": lowering.place(layer.result)}
        lowering.call(kernel, **places, **flat_rows(layer.x.type, layout), **fields)

    lower.__qualname__ = kernel
    return lower


def _turned(kernel: str, source: str, target: str) -> Any:
    def lower(layer: Cast, lowering: Lowering, variant: str) -> None:
        quantizes = kernel == "quantize"
        fields = quantize_fields(layer.result, lowering) if quantizes else _stored(layer.x, lowering)
        places = {"x": lowering.place(layer.x), "y": lowering.place(layer.result)}
        lowering.call(f"q8_{kernel}_{source}_to_{target}", **places, **image_fields(layer.x.type), **fields)

    lower.__qualname__ = f"{kernel}_from_{source}"
    return lower


_FAMILIES = (("quantize", _refuse_quantize), ("dequantize", _refuse_dequantize))
for _kernel, _refuse in _FAMILIES:
    for _layout in LOW_LAYOUTS:
        cpu(
            "cast",
            _layout,
            _kernel,
            _flat(f"q8_{_kernel}", _layout),
            dtype="q8",
            refuse=_refuse,
            summary="f32 to bytes" if _kernel == "quantize" else "bytes to f32",
        )
    for _plain in ("nchw", "nhwc"):
        _source, _target = (_plain, "nchw16c") if _kernel == "quantize" else ("nchw16c", _plain)
        cpu(
            "cast",
            _target,
            f"{_kernel}_from_{_source}",
            _turned(_kernel, _source, _target),
            dtype="q8",
            refuse=refuse_flat(_refuse),
            formats=formats_between(_source, _target),
            summary=f"the same, from {_source} to {_target}",
        )
