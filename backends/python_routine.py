"""Routines that are Python functions: for trying out an algorithm, and for code that is reached from Python.

    @python_routine("cpu/f32/nchw/einsum", layer="matmul")
    def by_einsum(layer, a, b):
        return np.einsum("...mk,...kn->...mn", a, b)

A function gets at compiled code by `ctypes` or `cffi`: arrays are contiguous, `a.ctypes.data` is the address of the
first element.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, TypeVar

from plait.backends.descriptor import RoutinePath
from plait.backends.lowering import Lowering
from plait.backends.routine import Formats, Refusal, Routine, register_routine, uniform
from plait.ir.layer import Layer
from plait.ir.plugins import origin_of

F = TypeVar("F", bound=Callable[..., Any])


def python_routine(
    path: str,
    *,
    layer: str,
    refuse: Refusal | None = None,
    formats: Formats | None = None,
    version: str = "1",
) -> Callable[[F], F]:
    """Decorator: register `run(layer, *operands)` as a routine.

    `run` takes arrays as they are stored in the formats of the routine (row-major images for `nchw` and `row`, rank 4
    for `nhwc`, rank 5 for blocked layouts; constants row-major, None for an absent operand), does not change them, and
    returns an array in the format of the result, or a tuple of them. The first line of its docstring is the summary.

    Args:
        path: `device/dtype/layout/algorithm`; layers with values of another dtype are refused unless it is `any`.
        layer: the kind of layer.
        refuse: layer -> why it cannot be run, or None.
        formats: as in `Routine`; default: every image in the layout of the path.
        version: to be changed when results or speed change.

    Raises:
        DescriptorError: P404, the path is malformed.
        PluginError: P602, the path is taken for this layer.
    """
    parsed = RoutinePath.parse(path)

    def refusal(candidate: Layer) -> str | None:
        for value in (*candidate.operands, *candidate.results):
            if parsed.dtype not in ("any", value.type.dtype.value):
                return f"%{value.name} is {value.type.dtype}, not {parsed.dtype}"
        return refuse(candidate) if refuse is not None else None

    def register(run: F) -> F:
        def lower(candidate: Layer, lowering: Lowering, variant: str) -> None:
            lowering.python(candidate, functools.partial(run, candidate))

        summary = (run.__doc__ or "").strip().partition("\n")[0]
        layouts = formats or uniform(parsed.layout)
        register_routine(
            Routine(parsed, layer, layouts, lower, refusal, version=version, summary=summary, origin=origin_of(run))
        )
        return run

    return register
