"""The whole reduction: layers, then attributes, shapes and constants, again until nothing gives; names at the end.

Transformations that know the language, repeated to a fixed point, rather than removal of text: Regehr et al.,
"Test-Case Reduction for C Compiler Bugs", PLDI 2012.
"""

from __future__ import annotations

from collections.abc import Callable

import attrs

from plait.ir.module import Module
from plait.passes.reduce.attributes import reduce_attributes
from plait.passes.reduce.constants import reduce_constants
from plait.passes.reduce.labels import reduce_labels
from plait.passes.reduce.layers import reduce_layers
from plait.passes.reduce.regions import reduce_regions
from plait.passes.reduce.search import OutOfChecks, Predicate, Progress, Search
from plait.passes.reduce.shapes import reduce_shapes
from plait.passes.reduce.signatures import reduce_signatures
from plait.passes.reduce.size import Size

STEPS: dict[str, Callable[[Search], None]] = {
    "layers": reduce_layers,
    "regions": reduce_regions,
    "signatures": reduce_signatures,
    "attributes": reduce_attributes,
    "shapes": reduce_shapes,
    "constants": reduce_constants,
}
"""What is repeated in each round, in this order."""


@attrs.frozen
class Reduction:
    """The outcome of a reduction."""

    module: Module
    """A smallest module that fails: no step makes it smaller without losing the failure."""
    before: Size
    after: Size
    checks: int
    """How often the predicate was asked."""
    complete: bool
    """False if the allowed number of checks was used up before the end."""


def reduce_module(
    module: Module,
    still_fails: Predicate,
    *,
    max_checks: int | None = None,
    progress: Callable[[Progress], None] | None = None,
) -> Reduction:
    """Shrink a module that shows a failure to a minimal one that still does. The module itself is not changed.

        reduction = reduce_module(module, lambda m: not agrees_with_reference(m))
        print(reduction.module)

    Every candidate is a valid module. The same predicate gives always the same result.

    Args:
        still_fails: whether a module shows the failure. What it raises ends the reduction.
        max_checks: how often it may be asked at most, the first check of `module` included.
        progress: called after each check.

    Raises:
        ValueError: `still_fails` does not hold for the module, or `max_checks` is below 1.
    """
    if max_checks is not None and max_checks < 1:
        raise ValueError(f"max_checks must be at least 1, got {max_checks}")
    search = Search(module.clone(), still_fails, max_checks=max_checks, progress=progress)
    before = search.size
    if not search.fails(search.best):
        raise ValueError("the module does not show the failure: still_fails is false for it")
    complete = True
    try:
        _rounds(search)
    except OutOfChecks:
        complete = False
    return Reduction(search.best, before, search.size, search.checks, complete)


def _rounds(search: Search) -> None:
    before = None
    while before != search.size:
        before = search.size
        for name, step in STEPS.items():
            search.step = name
            step(search)
    search.step = "names"
    reduce_labels(search)
