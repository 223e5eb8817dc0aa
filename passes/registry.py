"""The registry of passes. It knows built-in passes by name and imports the file of one only when it is asked for.

Others add passes by `@register_pass`, or by an entry point of the group `plait.passes` (name = module:class).
"""

from __future__ import annotations

import inspect
import re
from typing import Any, TypeVar

from plait.ir.diagnostics import did_you_mean
from plait.ir.named_registry import Registry
from plait.ir.plugins import origin_of
from plait.passes.base import Pass, pass_error

_WORD = re.compile(r"[A-Za-z_][A-Za-z0-9_-]*")
_BUILTIN = {
    "bind-dims": "plait.passes.bind_dims:BindDims",
    "cancel-adapts": "plait.passes.cancel_adapts:CancelAdapts",
    "canonicalize": "plait.passes.canonicalize:Canonicalize",
    "convert-dtype": "plait.passes.convert_dtype:ConvertDtype",
    "cse": "plait.passes.cse:Cse",
    "dce": "plait.passes.dce:Dce",
    "fold-batchnorm": "plait.passes.fold_batchnorm:FoldBatchNorm",
    "fold-bias": "plait.passes.fold_bias:FoldBias",
    "fold-constants": "plait.passes.fold_constants:FoldConstants",
    "fold-pad": "plait.passes.fold_pad:FoldPad",
    "form-integer-layers": "plait.passes.form_integer_layers:FormIntegerLayers",
    "fuse-activation": "plait.passes.fuse_activation:FuseActivation",
    "fuse-residual": "plait.passes.fuse_residual:FuseResidual",
    "fuse-separable": "plait.passes.fuse_separable:FuseSeparable",
    "fuse-squeeze-excite": "plait.passes.fuse_squeeze_excite:FuseSqueezeExcite",
    "inline": "plait.passes.inline:Inline",
    "nest-concat": "plait.passes.nest_concat:NestConcat",
    "on": "plait.passes.on:On",
    "outline": "plait.passes.outline:Outline",
    "repeat": "plait.passes.repeat:Repeat",
    "rewrite": "plait.passes.rewrite:Rewrite",
    "simplify-clamps": "plait.passes.simplify_clamps:SimplifyClamps",
    "sink-layout": "plait.passes.sink_layout:SinkLayout",
    "store-weights": "plait.passes.store_weights:StoreWeights",
    "strip-locations": "plait.passes.strip_locations:StripLocations",
    "tabulate-bytes": "plait.passes.tabulate_bytes:TabulateBytes",
    "unsigned-activations": "plait.passes.unsigned_activations:UnsignedActivations",
}
P = TypeVar("P", bound=type[Pass])


def _problem(name: str, thing: Any) -> str:
    if not (isinstance(thing, type) and issubclass(thing, Pass)):
        return f"{thing!r} is not a pass"
    return "" if thing.name == name else f"the pass calls itself {thing.name!r}"


_registry: Registry[type[Pass]] = Registry("pass", "plait.passes", _BUILTIN, problem=_problem)


def register_pass(cls: P) -> P:
    """Class decorator: make a pass known by its `name`.

    Raises:
        PluginError: P602, the name is taken; the message names both owners.
        TypeError: the class is not what a pass must be.
        ValueError: the name cannot stand in a pipeline.
    """
    _check(cls)
    _registry.add(cls.name, cls, origin_of(cls))
    return cls


def _check(cls: Any) -> None:
    """What is easily forgotten, and would show much later as another error."""
    what = getattr(cls, "__name__", repr(cls))
    if not (isinstance(cls, type) and issubclass(cls, Pass)):
        raise TypeError(f"{what} is not a subclass of Pass")
    name = getattr(cls, "name", None)
    if not isinstance(name, str) or not _WORD.fullmatch(name):
        raise ValueError(f"{what} needs a name of letters, digits, _ and -, such as name = 'my-pass'; it has {name!r}")
    if "__attrs_attrs__" not in vars(cls) and set(inspect.get_annotations(cls)) - {"name", "preserves"}:
        raise TypeError(f"{what} is no attrs class: write @attrs.frozen between @register_pass and class")
    if cls.run is Pass.run:
        raise TypeError(f"{what} has no method run")


def known_passes() -> tuple[str, ...]:
    """Names of all passes, sorted. Imports none of them."""
    return tuple(sorted(_registry.names()))


def pass_named(name: str) -> type[Pass]:
    """The class of a pass.

    Raises:
        PassError: P201, no pass has this name.
        PluginError: the plug-in that has it cannot be loaded, or two parties have it.
    """
    cls = _registry.find(name)
    if cls is None:
        raise pass_error(f"unknown pass {name!r}", did_you_mean(name, known_passes()))
    return cls


def loadable_passes() -> dict[str, type[Pass]]:
    """All passes by name; those that cannot be loaded are reported as a warning."""
    return dict(sorted(_registry.all().items()))


def pass_owner(name: str) -> str:
    """Who gives a pass: `plait`, a distribution and its version, or a file."""
    return _registry.owner(name)
