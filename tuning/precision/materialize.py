"""From the precision of each layer to the module that computes so."""

from __future__ import annotations

from collections.abc import Mapping

from plait.ir.module import Module
from plait.ir.verify import verify
from plait.passes.base import PassContext
from plait.passes.dtypes.conversion import Conversion
from plait.passes.manager import PassManager
from plait.passes.pipeline import Pipeline
from plait.tuning.precision.prepared import Prepared, finish
from plait.tuning.precision.twins import FLOATS, QINT8


def materialize(prepared: Prepared, choice: Mapping[str, str]) -> Module:
    """A module in which these layers of `prepared.module` have these precisions, and all others compute in float32.

    Values leave and enter a precision by casts. Arguments and outputs keep their types.

    Args:
        choice: precision by the name of the first result of a layer, of layers that have such a twin.
    """
    integer = [name for name, precision in choice.items() if precision == QINT8]
    module = prepared.integer(integer).module if integer else prepared.prepared.clone()
    finish(module)
    for precision, dtype in FLOATS.items():
        chosen = {name for name, wanted in choice.items() if wanted == precision}
        if chosen:
            kept = lambda layer, chosen=chosen: layer.results[0].name not in chosen  # noqa: E731
            Conversion(module, PassContext(), dtype, kept).run(convert_io=False)
            PassManager(Pipeline.parse("cse,dce")).run(module)
    verify(module)
    return module
