"""Put the layers of a function in the place of its calls.

y = call(x) {callee = @f};  net @f(a) -> (b) { b = g(a) }     ->     y = g(x)

Calls within the functions are put in place as well; functions do not call themselves, so this ends. The functions
stay: `dce{entries=main}` removes those that nothing calls any more.
"""

from __future__ import annotations

import attrs

from plait.ir.layer import Layer
from plait.ir.layers.control import Call
from plait.ir.module import Module
from plait.passes.base import Pass, PassContext
from plait.passes.options import matches, words
from plait.passes.registry import register_pass
from plait.passes.support.splice import replace_by_values, splice


@register_pass
@attrs.frozen
class Inline(Pass):
    """Replace calls by the layers of what they call. Option: `nets`, names or patterns (`*`, `?`) of the functions to
    put in place (all)."""

    name = "inline"

    nets: tuple[str, ...] = attrs.field(default=("*",), converter=words)

    def run(self, module: Module, context: PassContext) -> bool:
        changed = False
        while calls := [layer for layer in module.walk() if self.wants(module, layer)]:
            for call in calls:
                assert isinstance(call, Call)
                values = splice(module.functions[call.callee.name].body, call, call.operands)
                replace_by_values(call, values)
                context.count("calls")
            changed = True
        return changed

    def wants(self, module: Module, layer: Layer) -> bool:
        """Whether a layer is a call to be replaced. Within `on` the function may be out of sight."""
        if not isinstance(layer, Call) or layer.callee.name not in module.functions:
            return False
        return matches(self.nets, layer.callee.name)
