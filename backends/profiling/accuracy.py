"""How far the results of a routine are from those of the reference, on random numbers of both signs."""

from __future__ import annotations

import functools

import attrs
import numpy as np

from plait.backends.profiling.data import data_of, fill_network
from plait.backends.profiling.job import Job
from plait.backends.program import Program
from plait.ir.dtypes import Quantized
from plait.ir.layer import Layer
from plait.ir.module import Module
from plait.ir.numbers import on_arrays
from plait.ir.text.parser import parse_module
from plait.ir.types import TensorType, Type
from plait.ir.values import Array, Constant

_LARGEST = 1e30
"""Stands for results that are not finite where they should be."""


def error_of(job: Job) -> float:
    """The error of the routine of a job on its layer: 2-norm of the difference by 2-norm of the reference, of several
    results the largest."""
    module = parse_module(job.module, "job", check=False)
    fill_network(module)
    (layer,) = module.main
    inputs = [_normal(v.type, seed) for seed, v in enumerate(module.main.arguments)]
    stored = [np.ascontiguousarray(v.type.layout.pack(x)) for x, v in zip(inputs, module.main.arguments, strict=True)]
    found = Program(module, job.threads).run(stored)
    scales = tuple(str(v.type.dtype) for v in (*layer.operands, *layer.results))
    wanted = _wanted(_Alone(job.signature, scales, module, layer))
    types = [v.type for v in module.main.outputs]
    errors = [
        difference(type.layout.unpack(actual, type.static_shape), right)[0]
        for type, actual, right in zip(types, found, wanted, strict=True)
    ]
    return min(max(errors, default=0.0), _LARGEST)


def difference(actual: Array, wanted: Array) -> tuple[float, float]:
    """2-norm of the difference by 2-norm of what is wanted, and the largest difference; infinite where one is not
    finite and the other is, or shapes differ."""
    if actual.shape != wanted.shape:
        return float("inf"), float("inf")
    a, b = actual.astype(np.float64), wanted.astype(np.float64)
    same = (a == b) | (np.isnan(a) & np.isnan(b))
    if same.all():
        return 0.0, 0.0
    if not np.isfinite(a[~same]).all() or not np.isfinite(b[~same]).all():
        return float("inf"), float("inf")
    gap = np.where(same, 0.0, np.where(same, 0.0, a) - np.where(same, 0.0, b))
    scale = float(np.linalg.norm(b[np.isfinite(b)]))
    return float(np.linalg.norm(gap)) / scale if scale else float("inf"), float(np.abs(gap).max())


@attrs.frozen
class _Alone:
    """A layer alone in a module; those of one signature and the same scales are equal, and so are their references."""

    signature: str
    scales: tuple[str, ...]
    module: Module = attrs.field(eq=False)
    layer: Layer = attrs.field(eq=False)


@functools.lru_cache(maxsize=4)
def _wanted(which: _Alone) -> tuple[Array, ...]:
    """What the reference gives; the routines of a layer are often measured one after the other."""
    layer = which.layer
    assert layer.region is not None
    images = {v: _normal(v.type, seed) for seed, v in enumerate(layer.region.arguments)}
    slots = [None if v is None else v.data if isinstance(v, Constant) else images[v] for v in layer.operand_slots()]
    return on_arrays(layer, lambda name: which.module.constants[name].data)(*slots)


def _normal(type: Type, seed: int) -> Array:
    """Random elements of a tensor; zeros of types that are neither floating-point numbers nor quantized."""
    if isinstance(type.dtype, Quantized):
        return data_of(TensorType(type.dtype, type.shape), seed)
    if not type.dtype.is_float:
        return np.zeros(type.static_shape, type.dtype.storage.numpy)
    array: Array = np.random.default_rng(seed).standard_normal(type.static_shape).astype(type.dtype.numpy)
    return array
