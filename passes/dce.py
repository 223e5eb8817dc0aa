"""Remove what is computed in vain: layers whose results nothing uses, and constants that no layer reads.

Regions of layers are searched too, and an `if` yields only what is used of it.
"""

from __future__ import annotations

import attrs

from plait.ir.layer import Layer
from plait.ir.layers.control import Call, If
from plait.ir.module import Module
from plait.ir.region import Region
from plait.passes.base import Pass, PassContext
from plait.passes.options import words
from plait.passes.registry import register_pass


@register_pass
@attrs.frozen
class Dce(Pass):
    """Remove unused layers, constants and results of `if`. Arguments and outputs of functions stay.

    Option: `entries`, names of the functions that are called from outside; others that these do not call are removed.
    """

    name = "dce"

    entries: tuple[str, ...] = attrs.field(default=(), converter=words)

    def run(self, module: Module, context: PassContext) -> bool:
        layers = sum(_remove_unused(f.body) for f in module.functions.values())
        nets = remove_uncalled(module, self.entries) if self.entries else 0
        constants = module.drop_unused_constants()
        context.count("nets", nets)
        context.count("layers", layers)
        context.count("constants", constants)
        return nets + layers + constants > 0


def _remove_unused(region: Region) -> int:
    """Remove layers without readers, and results of `if` without; returns how many layers were removed or changed."""
    removed = 0
    # Backwards and inside before above, so that a layer is seen after all its readers.
    for layer in reversed(region):
        if not any(r.users for r in layer.results):
            region.remove(layer)
            removed += 1
            continue
        if isinstance(layer, If) and not all(r.users for r in layer.results):
            layer = _narrowed(layer)
            removed += 1
        removed += sum(_remove_unused(inner) for inner in reversed(layer.regions()))
    return removed


def _narrowed(layer: If) -> Layer:
    """Put an `if` that yields only what is used in the place of one that yields more."""
    assert layer.region is not None
    used = [i for i, r in enumerate(layer.results) if r.users]
    for region in layer.regions():
        region.outputs = [region.outputs[i] for i in used]
    kept = [layer.results[i] for i in used]
    new = attrs.evolve(layer, via=None, cost_us=None)
    layer.region.insert(new, layer, [r.name for r in kept], [r.type for r in kept])
    for old, value in zip(kept, new.results, strict=True):
        layer.region.replace_uses(old, value)
    layer.region.remove(layer)
    return new


def remove_uncalled(module: Module, entries: tuple[str, ...]) -> int:
    """Remove functions that no entry calls, directly or through others; returns how many. Unknown entries are passed
    over."""
    reached: set[str] = set()
    work = [name for name in entries if name in module.functions]
    while work:
        name = work.pop()
        if name not in reached:
            reached.add(name)
            calls = (layer for layer in module.functions[name].walk() if isinstance(layer, Call))
            work += [call.callee.name for call in calls if call.callee.name in module.functions]
    if not reached:
        return 0
    gone = [name for name in module.functions if name not in reached]
    for name in gone:
        function = module.functions.pop(name)
        function.body.outputs = ()
        for layer in reversed(function.body):
            function.body.remove(layer)
    return len(gone)
