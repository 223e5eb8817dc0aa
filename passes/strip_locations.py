"""Forget which nodes of the original model the layers stand for.

y = f(x) loc "model.onnx":"Conv_0"   ->   y = f(x)
"""

from __future__ import annotations

import attrs

from plait.ir.module import Module
from plait.passes.analyses.base import EVERYTHING
from plait.passes.base import Pass, PassContext
from plait.passes.registry import register_pass


@register_pass
@attrs.frozen
class StripLocations(Pass):
    """Remove the locations of all layers: for smaller files, and for models whose origin is to stay private."""

    name = "strip-locations"
    preserves = EVERYTHING

    def run(self, module: Module, context: PassContext) -> bool:
        located = [layer for layer in module.walk() if layer.locations]
        for layer in located:
            layer.locations = ()
        context.count("layers", len(located))
        return bool(located)
