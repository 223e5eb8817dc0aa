"""Give every computation one spelling, so that later passes and routines need to know only that one.

The equations stand in `plait.passes.canonical`: activations spelled as arithmetic, layers that do nothing, means over
planes, products with constant matrices, scale and shift for each channel.
"""

from __future__ import annotations

import attrs

from plait.ir.module import Module
from plait.passes.base import Pass, PassContext
from plait.passes.canonical import activations, identities, linear, pooling
from plait.passes.registry import register_pass
from plait.passes.rewriting import rewrite_module

RULES = (*identities.RULES, *activations.RULES, *pooling.RULES, *linear.RULES)


@register_pass
@attrs.frozen
class Canonicalize(Pass):
    """Rewrite all spellings of a computation to one, and remove layers that do nothing."""

    name = "canonicalize"

    def run(self, module: Module, context: PassContext) -> bool:
        return rewrite_module(module, RULES, context)
