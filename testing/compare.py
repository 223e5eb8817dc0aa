"""How far results are from a reference."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import attrs
import numpy as np
import numpy.typing as npt


def relative_error(actual: npt.ArrayLike, reference: npt.ArrayLike) -> float:
    """2-norm of the difference by 2-norm of the reference.

    Equal arrays give 0, whatever they hold. Different shapes, and elements of which only one is finite, give infinity.
    """
    a, b = (np.asarray(x).astype(np.float64) for x in (actual, reference))
    if a.shape != b.shape:
        return float("inf")
    same = (a == b) | (np.isnan(a) & np.isnan(b))
    if same.all():
        return 0.0
    if not np.isfinite(a[~same]).all() or not np.isfinite(b[~same]).all():
        return float("inf")
    difference = np.linalg.norm(a[~same] - b[~same])
    scale = np.linalg.norm(b[np.isfinite(b)])
    return float(difference / scale) if scale else float("inf")


@attrs.frozen
class Difference:
    """The comparison of one array with its reference."""

    name: str
    error: float
    largest: float
    """Largest absolute difference."""

    def __str__(self) -> str:
        return f"{self.name}: relative error {self.error:.2e}, largest difference {self.largest:.2e}"


def differences(actual: Mapping[str, Any], reference: Mapping[str, Any]) -> list[Difference]:
    """One entry for each name of the reference, in its order; a name that is absent differs infinitely."""
    found = []
    for name, wanted in reference.items():
        got = actual.get(name)
        error = float("inf") if got is None else relative_error(got, wanted)
        same_shape = got is not None and np.shape(got) == np.shape(wanted)
        gap = np.abs(np.subtract(got, wanted, dtype=np.float64)) if same_shape else np.array([np.inf])  # type: ignore[arg-type]
        found.append(Difference(name, error, float(np.max(gap, initial=0.0))))
    return found


def assert_close(actual: Mapping[str, Any], reference: Mapping[str, Any], tolerance: float = 1e-5) -> None:
    """Fail with the worst outputs if any is further from its reference than `tolerance` (relative error).

    Raises:
        AssertionError: names, errors and the tolerance.
    """
    bad = [d for d in differences(actual, reference) if not d.error <= tolerance]
    if bad:
        lines = "\n".join(f"  {d}" for d in sorted(bad, key=lambda d: -d.error)[:10])
        raise AssertionError(f"{len(bad)} of {len(reference)} arrays differ by more than {tolerance:g}:\n{lines}")
