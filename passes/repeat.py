"""Run a pipeline again and again, until it changes nothing.

    repeat{pipeline="canonicalize,cse,dce",max=10}

Each turn is observed and verified as the passes of any pipeline are.
"""

from __future__ import annotations

import attrs

from plait.ir.attributes import integer
from plait.ir.module import Module
from plait.passes.analyses.base import EVERYTHING
from plait.passes.base import Pass, PassContext
from plait.passes.pipeline import Pipeline, pipeline_option
from plait.passes.registry import register_pass


def _at_least_one(value: int) -> int:
    if integer(value) < 1:
        raise ValueError(f"wants at least 1, got {value}")
    return value


@register_pass
@attrs.frozen
class Repeat(Pass):
    """Run a pipeline to a fixed point. Options: `pipeline`, and `max`, how often at most (10)."""

    name = "repeat"
    # The passes within say for themselves what they preserve.
    preserves = EVERYTHING

    pipeline: Pipeline = attrs.field(converter=pipeline_option)
    max: int = attrs.field(default=10, converter=_at_least_one)

    def run(self, module: Module, context: PassContext) -> bool:
        for turn in range(self.max):
            if not context.run(self.pipeline, module):
                context.count("turns", turn + 1)
                return turn > 0
        context.count("turns", self.max)
        context.note(f"no fixed point after {self.max} turns")
        return True
