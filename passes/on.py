"""Run a pipeline on some of the functions only.

    on{nets=[main],pipeline="fuse-activation,dce"}

The passes see a module that has only these functions, and all constants; calls of other functions stay as they are.
Functions that they add join the module.
"""

from __future__ import annotations

from collections.abc import Sequence

import attrs

from plait.ir.attributes import SymbolRef
from plait.ir.diagnostics import did_you_mean
from plait.ir.module import Module
from plait.passes.analyses.base import EVERYTHING
from plait.passes.base import Pass, PassContext, pass_error
from plait.passes.pipeline import Pipeline, pipeline_option
from plait.passes.registry import register_pass


def _names(value: str | SymbolRef | Sequence[str | SymbolRef]) -> tuple[str, ...]:
    found = (value,) if isinstance(value, (str, SymbolRef)) else value
    if not isinstance(found, (tuple, list)) or not all(isinstance(n, (str, SymbolRef)) for n in found):
        raise TypeError(f"wants names of functions, such as [main], got {value!r}")
    if not found:
        raise ValueError("wants at least one function")
    return tuple(n.name if isinstance(n, SymbolRef) else n for n in found)


class _Part(Module):
    """Some functions of a module."""

    def __init__(self, whole: Module, names: Sequence[str]) -> None:
        super().__init__([whole.functions[name] for name in names])
        self.constants, self.weights_file = whole.constants, whole.weights_file
        self._whole = whole

    def constants_in_types(self) -> set[str]:
        """Those that types of the other functions name too."""
        return super().constants_in_types() | self._whole.constants_in_types()


@register_pass
@attrs.frozen
class On(Pass):
    """Run a pipeline on some functions. Options: `nets`, their names, and `pipeline`."""

    name = "on"
    # The passes within say for themselves what they preserve.
    preserves = EVERYTHING

    nets: tuple[str, ...] = attrs.field(converter=_names)
    pipeline: Pipeline = attrs.field(converter=pipeline_option)

    def run(self, module: Module, context: PassContext) -> bool:
        for name in self.nets:
            if name not in module.functions:
                known = f"there are {', '.join(module.functions)}" if module.functions else "there are none"
                raise pass_error(f"the module has no net @{name}", did_you_mean(name, module.functions) or known)
        part = _Part(module, self.nets)
        return context.run(self.pipeline, part, lambda: self._put_back(part, module))

    def _put_back(self, part: Module, module: Module) -> None:
        """Make the whole module what the passes made of the part."""
        module.constants = part.constants
        for name in self.nets:
            if name not in part.functions:
                module.functions.pop(name, None)
        for name, function in part.functions.items():
            if module.functions.setdefault(name, function) is not function and name not in self.nets:
                raise RuntimeError(f"a pass made a net @{name}, but the module has one already")
            module.functions[name] = function
