"""The registry of passes. It knows built-in passes by name and imports the file of one only when it is asked for.

Other packages add passes with `@register_pass`, or by an entry point of the group `plait.passes` (name = module:class).
"""

from __future__ import annotations

import functools
import importlib
import importlib.metadata
from collections.abc import Callable
from typing import TypeVar

from plait.ir.diagnostics import did_you_mean
from plait.passes.base import Pass, pass_error

GROUP = "plait.passes"

_BUILTIN = {
    "bind-dims": "plait.passes.specialize:BindDims",
    "cancel-adapts": "plait.passes.cancel_adapts:CancelAdapts",
    "canonicalize": "plait.passes.canonicalize:Canonicalize",
    "cse": "plait.passes.cse:Cse",
    "dce": "plait.passes.dce:Dce",
    "fold-batchnorm": "plait.passes.fold_batchnorm:FoldBatchNorm",
    "fold-bias": "plait.passes.fold_bias:FoldBias",
    "fold-constants": "plait.passes.fold_constants:FoldConstants",
    "fold-pad": "plait.passes.fold_pad:FoldPad",
    "fuse-activation": "plait.passes.fuse_activation:FuseActivation",
    "fuse-residual": "plait.passes.fuse_residual:FuseResidual",
    "nest-concat": "plait.passes.nest_concat:NestConcat",
    "strip-locations": "plait.passes.strip_locations:StripLocations",
    "repeat": "plait.passes.repeat:Repeat",
}
_loaded: dict[str, type[Pass]] = {}
P = TypeVar("P", bound=type[Pass])


def register_pass(cls: P) -> P:
    """Class decorator: make a pass known by its `name`.

    Raises:
        ValueError: the name is taken; the message names both owners.
    """
    owner = f"{cls.__module__}:{cls.__qualname__}"
    taken = _loaded.get(cls.name)
    other = f"{taken.__module__}:{taken.__qualname__}" if taken else _BUILTIN.get(cls.name, owner)
    if other != owner:
        raise ValueError(f"pass {cls.name!r} is registered by both {other} and {owner}")
    _loaded[cls.name] = cls
    return cls


def known_passes() -> tuple[str, ...]:
    """Names of all passes, sorted. Imports none of them."""
    return tuple(sorted({*_BUILTIN, *_loaded, *_entry_points()}))


def pass_named(name: str) -> type[Pass]:
    """The class of a pass.

    Raises:
        PassError: P201, no pass has this name.
    """
    if name not in _loaded:
        loader = _importer(_BUILTIN[name]) if name in _BUILTIN else _entry_points().get(name)
        if loader is None:
            raise pass_error(f"unknown pass {name!r}", did_you_mean(name, known_passes()))
        _loaded[name] = loader()
    return _loaded[name]


def _importer(target: str) -> Callable[[], type[Pass]]:
    def load() -> type[Pass]:
        module, _, attribute = target.partition(":")
        cls: type[Pass] = getattr(importlib.import_module(module), attribute)
        return cls

    return load


@functools.cache
def _entry_points() -> dict[str, Callable[[], type[Pass]]]:
    found: dict[str, Callable[[], type[Pass]]] = {}
    owners = dict(_BUILTIN)
    for point in importlib.metadata.entry_points(group=GROUP):
        if point.name in owners:
            raise ValueError(f"pass {point.name!r} is registered by both {owners[point.name]} and {point.value}")
        owners[point.name] = point.value
        found[point.name] = point.load
    return found
