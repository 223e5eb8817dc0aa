"""A case on a routine, with all memory that it should not need full of NaN."""

from __future__ import annotations

import functools
import re
from collections.abc import Sequence

import apart
import numpy as np

from plait.backends import build
from plait.backends.partition import with_split
from plait.backends.program import Program, Segment
from plait.backends.routine import CUTS, Routine
from plait.ir.module import Module
from plait.ir.text.parser import parse_module
from plait.ir.values import Array, Constant
from plait.kernels_pyx import aligned_empty, poison, sanitized
from plait.testing.compare import relative_error
from plait.tuning.entries import option_for
from routine_cases.case import Case
from routine_cases.storage import from_storage, to_storage

if sanitized():
    build.assign_offsets = apart.assign_offsets

TOLERANCE = {"float32": 1e-5, "float64": 1e-5, "float16": 2.0**-10, "bfloat16": 2.0**-8}
"""By the type of a result. Of 16 bits the last bit is rounded once, of sums in float32."""


def alone(case: Case, routine: Routine, variant: str) -> Module:
    """The case as a module that runs on one routine, through the text of its profiling job."""
    job = option_for(case.layer, routine, variant, 1).job
    module = _read(case, re.sub(r"\s+via \S+", "", job.module))
    (layer,) = module.main
    layer.via = job.routine
    return module


@functools.lru_cache(maxsize=16)
def _read(case: Case, text: str) -> Module:
    """The module of a text without routine: most variants have it in common, and reading takes longer than running."""
    module = parse_module(text)
    constants = list(dict.fromkeys(v for v in case.layer.operands if isinstance(v, Constant)))
    (layer,) = module.main
    found = list(dict.fromkeys(v for v in layer.operands if isinstance(v, Constant)))
    for ours, theirs in zip(found, constants, strict=True):
        if ours._data is None:
            ours._load = functools.partial(np.copy, theirs.data)
        else:
            np.testing.assert_array_equal(ours.data, theirs.data)
    return module


def run_poisoned(program: Program, inputs: Sequence[Array]) -> list[Array]:
    """Run with an arena and outputs full of NaN."""
    outputs = program.allocate_outputs()
    for output in outputs:
        output.reshape(-1).view(np.uint8)[...] = 0xFF
    memory = aligned_empty((max(program.arena_bytes, 64),), np.uint8)
    memory[...] = 0xFF
    externals = [*inputs, *outputs]
    for begin, end in apart.gaps:
        poison(memory, begin, end)
    for part in program._order:
        if isinstance(part, Segment):
            program._plan.run(externals, memory, part.first, part.last)
        else:
            program._run_python(part, externals, memory)
    return outputs


def check_case(case: Case, wanted: Sequence[Array], routine: Routine, variant: str) -> str:
    """What is wrong with a routine on a case, or an empty string."""
    module = alone(case, routine, variant)
    first: list[Array] = []
    for threads in (1, 2):
        program = Program(module, threads)
        inputs = [to_storage(a, v.type) for a, v in zip(case.arguments, module.main.arguments, strict=True)]
        kept = [i.copy() for i in inputs]
        outputs = zip(run_poisoned(program, inputs), module.main.outputs, strict=True)
        found = [from_storage(o, v.type) for o, v in outputs]
        if any(a.tobytes() != b.tobytes() for a, b in zip(inputs, kept, strict=True)):
            return f"changes its input on {threads} threads"
        for i, (a, b) in enumerate(zip(found, wanted, strict=True)):
            if a.shape != b.shape or a.dtype != b.dtype:
                return f"result {i} is {a.dtype}{list(a.shape)}, not {b.dtype}{list(b.shape)}"
            if (error := relative_error(a, b)) > TOLERANCE.get(b.dtype.name, 0):
                return f"result {i} has relative error {error:.2e} on {threads} threads"
        if not first:
            first = found
        elif any(a.tobytes() != b.tobytes() for a, b in zip(first, found, strict=True)):
            return "1 and 2 threads give different bits"
    return ""


def ways(routine: Routine, case: Case) -> list[str]:
    """All variants, and the first one with its work cut in each way."""
    variants = list(routine.variants(case.layer))
    return variants + [with_split(variants[0], way) for way in CUTS if routine.partition is not None]
