"""Whether two modules compute the same: by the reference evaluator, on given or random inputs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import attrs
import numpy as np

from plait.backends.errors import RunError
from plait.backends.reference.evaluate import Data, evaluate
from plait.ir.diagnostics import IRError
from plait.ir.dtypes import DType
from plait.ir.module import Module
from plait.ir.values import Array, Value
from plait.passes.base import PassContext
from plait.passes.bind_dims import BindDims
from plait.testing.inputs import random_inputs, symbol_sizes


class NotEquivalent(AssertionError):
    """Two modules compute different results; the message says where it begins."""


class NotComputable(Exception):
    """The reference cannot run a module: it has layers that are not registered, or weights that are not at hand."""


def assert_equivalent(
    actual: Module,
    expected: Module,
    inputs: Mapping[str, Any] | None = None,
    seed: int = 0,
    tolerance: float | None = None,
    sizes: Mapping[str, int] | None = None,
) -> None:
    """Fail unless `main` of both modules has the same outputs, by name, for the same inputs.

    Floating-point results may differ by `tolerance * (1 + |expected|)`; all others must be equal. NaN equals NaN.

    Args:
        actual: the module under test.
        expected: the module that is right.
        inputs: arrays by the names of the arguments; random ones by default.
        seed: of random inputs.
        tolerance: by default that of `default_tolerance` for the type of each output.
        sizes: of dimension symbols, for random inputs.

    Raises:
        NotEquivalent: names the outputs that differ and the first value that does.
        NotComputable: there is no reference to compare with.
        RunError: P401, the inputs do not fit.
    """
    names = [a.name for a in expected.main.arguments]
    if [a.name for a in actual.main.arguments] != names:
        raise NotEquivalent(f"the arguments are {[a.name for a in actual.main.arguments]}, expected {names}")
    if actual.main.output_names != expected.main.output_names:
        raise NotEquivalent(f"the outputs are {actual.main.output_names}, expected {expected.main.output_names}")
    origin = "as given"
    if inputs is None:
        bound = symbol_sizes(expected.main, sizes)
        # A pass may have bound dimensions: its result says more about the shapes than the module before it.
        inputs = random_inputs(actual, seed, bound)
        # What symbols stand for is known here, even where no argument has it as a dimension of its own.
        left = {name: bound[name] for name in actual.main.symbols() if name in bound}
        actual, expected = _bind(actual, left), _bind(expected, left)
        origin = ", ".join([f"random, seed {seed}", *(f"{name} = {size}" for name, size in left.items())])
    wanted, got = _run(expected, inputs), _run(actual, inputs)
    found = [f"output {n!r}: {text}" for n in wanted if (text := difference(got[n], wanted[n], tolerance))]
    if found:
        first = _first_difference(actual, expected, inputs, tolerance)
        raise NotEquivalent("\n".join([*found, *first, f"inputs: {origin}"]))


def default_tolerance(dtype: np.dtype[Any]) -> float:
    """Four units in the last place of 1, and at least 1e-5, since layers may sum in another order."""
    if not DType.of(dtype).is_inexact:
        return 0.0
    if dtype.kind == "V":
        import ml_dtypes

        return 4 * float(ml_dtypes.finfo(dtype).eps)  # type: ignore[no-untyped-call]
    return max(1e-5, 4 * float(np.finfo(dtype).eps))


def difference(actual: Data, expected: Data, tolerance: float | None = None) -> str:
    """How a value differs from the expected one, in words; empty if it does not."""
    if _sort(actual) == _sort(expected) == "a tensor":
        return _array_difference(np.asarray(actual), np.asarray(expected), tolerance)
    if isinstance(expected, list) and isinstance(actual, list):
        if len(actual) != len(expected):
            return f"has {len(actual)} elements, expected {len(expected)}"
        found = (difference(a, b, tolerance) for a, b in zip(actual, expected, strict=True))
        return next((f"element {i}: {text}" for i, text in enumerate(found) if text), "")
    return "" if actual is expected is None else f"is {_sort(actual)}, expected {_sort(expected)}"


def _sort(data: Data) -> str:
    return "nothing" if data is None else "a sequence" if isinstance(data, list) else "a tensor"


def _array_difference(actual: Array, expected: Array, tolerance: float | None) -> str:
    if actual.dtype != expected.dtype or actual.shape != expected.shape:
        return f"is {actual.dtype}{list(actual.shape)}, expected {expected.dtype}{list(expected.shape)}"
    wrong, gap = _wrong(actual, expected, tolerance)
    if not wrong.any():
        return ""
    worst = np.unravel_index(np.argmax(np.where(wrong, gap, -1.0)), expected.shape)
    at = f" at {[int(i) for i in worst]}" if worst else ""
    return f"{int(wrong.sum())} of {wrong.size} elements differ, most{at}: {actual[worst]}, expected {expected[worst]}"


def _wrong(actual: Array, expected: Array, tolerance: float | None) -> tuple[Array, Array]:
    """Which elements differ, and by how much (infinitely where only one is a number)."""
    dtype = DType.of(expected.dtype)
    if not dtype.is_inexact:
        unequal: Array = np.asarray(actual != expected)
        return unequal, unequal.astype(np.float64)
    limit = default_tolerance(expected.dtype) if tolerance is None else tolerance
    wide = np.complex128 if dtype.is_complex else np.float64
    a, b = actual.astype(wide), expected.astype(wide)
    same = (a == b) | (np.isnan(a) & np.isnan(b))
    with np.errstate(all="ignore"):
        gap = np.where(same, 0.0, np.nan_to_num(np.abs(a - b), nan=np.inf, posinf=np.inf))
        # An infinity that stands alone is wrong, though it is within a tolerance that it made infinite.
        return ~same & ((gap > limit * (1 + np.abs(b))) | ~np.isfinite(gap)), gap


def _run(module: Module, inputs: Mapping[str, Any]) -> dict[str, Data]:
    try:
        return evaluate(module, inputs)
    except RunError as error:
        if isinstance(error.__cause__, NotImplementedError):
            raise NotComputable(str(error)) from error
        raise
    except IRError as error:
        raise NotComputable(str(error)) from error


def _bind(module: Module, sizes: Mapping[str, int]) -> Module:
    known = tuple((name, size) for name, size in sizes.items() if name in module.main.symbols())
    if not known:
        return module
    module = module.clone()
    BindDims(known).run(module, PassContext())
    return module


@attrs.define
class _Trace:
    """Every value that a run makes, by name."""

    values: dict[str, tuple[Value, Data]] = attrs.field(factory=dict)

    def __call__(self, value: Value, data: Data) -> None:
        self.values.setdefault(value.name, (value, data))


def _first_difference(
    actual: Module, expected: Module, inputs: Mapping[str, Any], tolerance: float | None
) -> list[str]:
    """The first value of `actual` that has the name of one in `expected` and other numbers.

    Passes keep names where they replace layers, hence this is where it begins, or soon after.
    """
    ours, theirs = _Trace(), _Trace()
    evaluate(actual, inputs, values=ours)
    evaluate(expected, inputs, values=theirs)
    for name, (value, data) in ours.values.items():
        known = theirs.values.get(name)
        if known is None or not known[0].type.same_logical(value.type):
            continue
        if text := difference(data, known[1], tolerance):
            return [f"it begins at {_describe(value)}: {text}"]
    return []


def _describe(value: Value) -> str:
    if value.owner is None:
        return f"%{value.name}"
    return value.owner.describe() + "".join(f" from {place}" for place in value.owner.locations[:1])
