"""Remove what is computed in vain: layers whose results nothing uses, and constants that no layer reads."""

from __future__ import annotations

import attrs

from plait.ir.module import Module
from plait.passes.base import Pass, PassContext
from plait.passes.registry import register_pass


@register_pass
@attrs.frozen
class Dce(Pass):
    """Remove unused layers and constants. Arguments and outputs of functions stay."""

    name = "dce"

    def run(self, module: Module, context: PassContext) -> bool:
        layers = 0
        for function in module.functions.values():
            # Backwards, so that a layer is seen after all its readers.
            for layer in reversed(function.body):
                if not any(r.users for r in layer.results):
                    function.body.remove(layer)
                    layers += 1
        constants = module.drop_unused_constants()
        context.count("layers", layers)
        context.count("constants", constants)
        return layers + constants > 0
