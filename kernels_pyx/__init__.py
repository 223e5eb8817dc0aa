"""Kernels and the plans that run them.

This layer knows no IR: it knows buffers, integers and floats.  A kernel has a name (`f32_conv_nchw16c`) and fields
(`kernel_fields`); a `Plan` is a list of kernel calls over an arena, constants and external buffers, run in one call.

>>> import numpy as np
>>> plan = Plan()
>>> x, y = plan.add_external(12), plan.add_external(12, writable=True)
>>> plan.add("f32_act", x=x, y=y, outer=1, rows=1, row=3, act=Act.RELU, act_a=0, act_b=0)
0
>>> out = np.empty(3, np.float32)
>>> plan.run([np.array([-1, 0, 2], np.float32), out])
>>> out.tolist()
[0.0, 0.0, 2.0]
"""

import atexit
from enum import IntEnum

from plait.kernels_pyx._native import (
    Memory,
    Plan,
    Ref,
    aligned_empty,
    arena,
    available_isas,
    compiled_isas,
    external,
    isa_level,
    isas_with,
    kernel_fields,
    kernel_names,
    lookup,
    null,
    poison,
    sanitized,
    shutdown,
    version_hash,
)

__all__ = [
    "Act",
    "BinaryOp",
    "Memory",
    "Plan",
    "ReduceOp",
    "Ref",
    "Split",
    "UnaryFunction",
    "aligned_empty",
    "arena",
    "available_isas",
    "compiled_isas",
    "external",
    "isa_level",
    "isas_with",
    "kernel_fields",
    "kernel_names",
    "lookup",
    "null",
    "poison",
    "sanitized",
    "shutdown",
    "version_hash",
]


class Act(IntEnum):
    """The field `act` of a kernel: what is applied after bias and residual; `a`, `b` are `act_a`, `act_b`."""

    NONE = 0
    RELU = 1
    CLIP = 2  # min(max(x, a), b)
    HARD_SWISH = 3  # x * min(max(x / 6 + 1/2, 0), 1)
    HARD_SIGMOID = 4  # min(max(a * x + b, 0), 1)
    SIGMOID = 5
    SILU = 6
    LEAKY_RELU = 7  # a * x if x < 0 else x
    TANH = 8
    ELU = 9  # a * (exp(x) - 1) if x < 0 else x
    GELU = 10  # x / 2 * (1 + erf(x / sqrt(2)))


class UnaryFunction(IntEnum):
    """The field `function` of f32_unary."""

    EXP = 0
    SQRT = 1
    NEG = 2
    ABS = 3
    LOG = 4
    ERF = 5
    RECIPROCAL = 6
    FLOOR = 7
    CEIL = 8


class BinaryOp(IntEnum):
    """The field `op` of the f32_binary kernels."""

    ADD = 0
    SUB = 1
    MUL = 2
    DIV = 3
    MAX = 4
    MIN = 5
    POW = 6


class Split(IntEnum):
    """The field `split` of kernels that can cut their work in two ways: which parts of the result each thread makes."""

    AUTO = 0  # the kernel decides
    ROWS = 1  # image rows [h * t / n, h * (t + 1) / n) for thread t of n
    CHANNELS = 2  # blocks of channels, likewise


class ReduceOp(IntEnum):
    """The field `op` of f32_reduce."""

    SUM = 0
    MEAN = 1
    MAX = 2
    MIN = 3


atexit.register(shutdown)
