"""Routines: concrete implementations of layers, and the registry of them.

A routine states its formats, what it refuses (and why), its variants, and how it is lowered. Selection sees only
formats and costs.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import attrs

from plait.backends.aliasing import Alias
from plait.backends.descriptor import RoutinePath
from plait.backends.effort import Effort
from plait.backends.lowering import Lowering
from plait.backends.partition import Partition, parse_variant, with_split
from plait.ir.layer import Layer
from plait.ir.layout import ROW_WORD, Format
from plait.ir.named_registry import Registry
from plait.ir.plugins import owner
from plait.ir.registry import known_layers, layer_class
from plait.ir.types import DType, TensorType
from plait.ir.values import Constant, Value

REFERENCE = RoutinePath("cpu", "any", "nchw", "reference")
"""The routine that every layer has: its own NumPy semantics."""

CUTS = ("rows", "channels")
"""Ways to cut work among threads."""

# A routine is registered for one kind of layer and its functions take that class, which the registry cannot express.
Refusal = Callable[[Any], "str | None"]
Lower = Callable[[Any, Lowering, str], None]
Formats = Callable[[Any], "tuple[tuple[Format, ...], tuple[Format, ...]]"]
Aliases = Callable[[Any], "Iterable[Alias]"]


def refuse_value(value: Value) -> str | None:
    """Why no routine can take or yield a value, or None: programs hold elements of known size in one arena."""
    if not isinstance(value.type, TensorType):
        return f"%{value.name} is {value.type}, not a tensor"
    return f"%{value.name} has strings for elements" if value.type.dtype is DType.STRING else None


def _only_tensors(refuse: Refusal) -> Refusal:
    def refuse_values_first(layer: Layer) -> str | None:
        for value in (*layer.operands, *layer.results):
            if reason := refuse_value(value):
                return reason
        return refuse(layer)

    return refuse_values_first


@attrs.frozen(eq=False)
class Routine:
    """One implementation of one kind of layer.

    `formats(layer)` gives the formats of the operands that are not constants, in order, and of the results. Constants
    (weights) are packed by `lower` as the routine likes. `refuse` returns a reason or None. `variants` are settings of
    one algorithm (tile sizes): all are measured, only the best meets the others. `aliases` announces which values could
    lie inside others, so that `lower` has nothing to move: see `plait.backends.aliasing`. `partition` says how the work
    can be cut among threads: on several, each way is a variant of its own. `least(layer)` is for
    algorithms that do other work than the layer as it is defined: a bound on their time follows from it. `version`
    changes when results or speed may
    have changed; it is part of the profile key.
    """

    path: RoutinePath
    layer: str
    """The kind of layer: `conv2d`."""
    formats: Formats = attrs.field(repr=False)
    lower: Lower = attrs.field(repr=False)
    refuse: Refusal = attrs.field(default=lambda layer: None, repr=False, converter=_only_tensors)
    variants: Callable[[Layer], Sequence[str]] = attrs.field(default=lambda layer: ("",), repr=False)
    version: str = "1"
    summary: str = ""
    origin: str = ""
    aliases: Aliases = attrs.field(default=lambda layer: (), repr=False)
    partition: Partition | None = attrs.field(default=None, repr=False)
    least: Callable[[Any], Effort] | None = attrs.field(default=None, repr=False)

    @property
    def full_version(self) -> str:
        """The version together with a hash of the kernel sources: what a stored time was measured with."""
        from plait.kernels_pyx import version_hash

        return f"{self.version}-{version_hash()[:12]}"

    def variants_on(self, layer: Layer, threads: int) -> list[str]:
        """What is to be measured on so many threads: the variants, each cut in all ways that are offered."""
        ways = self.partition.offers(layer, threads) if self.partition is not None and threads > 1 else ()
        return [with_split(v, way) for v in self.variants(layer) for way in ways or ("",)]

    def has_variant(self, layer: Layer, variant: str) -> bool:
        """Whether a layer can be lowered with this variant, on any number of threads."""
        plain, way = parse_variant(variant)
        return plain in self.variants(layer) and (not way or (self.partition is not None and way in CUTS))

    def formats_of(self, layer: Layer, variant: str) -> tuple[tuple[Format, ...], tuple[Format, ...]]:
        """Formats of the operands that are not constants and of the results, split as the variant cuts its work."""
        operands, results = self.formats(layer)
        way = parse_variant(variant)[1]
        if not way or self.partition is None:
            return operands, results
        read, written = self.partition.splits(layer, way)
        return _split_by(operands, read), _split_by(results, written)

    def path_with(self, variant: str) -> RoutinePath:
        """The full path of one variant."""
        return attrs.evolve(self.path, variant=variant)


def _split_by(formats: tuple[Format, ...], splits: tuple[str, ...]) -> tuple[Format, ...]:
    return tuple(attrs.evolve(f, split=s) for f, s in zip(formats, splits, strict=True))


def _import_builtin() -> None:
    for module in ("plait.backends.cpu", "plait.backends.reference.routines"):
        importlib.import_module(module)


_registry: Registry[Routine] = Registry("routine", "plait.routines", prepare=_import_builtin, by_import=True)


def register_routine(routine: Routine) -> Routine:
    """Add a routine. See `plait.backends.python_routine` for one that is a Python function.

    Raises:
        PluginError: P602, the path is taken for this layer; the message names both owners.
    """
    _registry.add(_key(routine.layer, routine.path), routine, routine.origin)
    return routine


def known_routines(layer: str | None = None) -> list[Routine]:
    """All routines, or those of one kind of layer, in order of registration."""
    registered = _registry.loaded()
    for name in known_layers() if layer is None else (layer,):
        _add_reference(name)
    return [r for r in registered.values() if layer is None or r.layer == layer]


def find_routine(layer: str, path: RoutinePath) -> Routine | None:
    """The routine of a layer with this path (variant ignored), or None.

    Raises:
        PluginError: the plug-in that has it cannot be loaded, or two parties have it.
    """
    _registry.loaded()
    _add_reference(layer)
    return _registry.find(_key(layer, path))


def routine_owner(routine: Routine) -> str:
    """Who gives a routine: `plait`, a distribution and its version, or a file."""
    return owner(routine.origin)


def uniform(layout: str) -> Formats:
    """Formats of a routine that has every image in one layout and everything else row-major."""

    def formats(layer: Layer) -> tuple[tuple[Format, ...], tuple[Format, ...]]:
        return (
            tuple(format_in(v, layout) for v in data_operands(layer)),
            tuple(format_in(r, layout) for r in layer.results),
        )

    return formats


def format_in(value: Value, layout: str) -> Format:
    """The format of a value when images are in `layout`."""
    return Format(
        value.type.dtype.value,
        layout if value.type.rank == 4 and layout != ROW_WORD else "nchw" if value.type.rank == 4 else "",
    )


def data_operands(layer: Layer) -> list[Value]:
    """Operands whose format is subject to selection: those that are not constants."""
    return [v for v in layer.operands if not isinstance(v, Constant)]


def applicable(layer: Layer) -> Iterable[tuple[Routine, str | None]]:
    """Every routine of a layer's kind with its refusal, or None where it can run the layer."""
    for routine in known_routines(layer.op):
        yield routine, routine.refuse(layer)


def _key(layer: str, path: RoutinePath) -> str:
    return f"{path.base} of {layer}"


def _add_reference(layer: str) -> None:
    """Layers may be registered at any time, and each has its reference from then on."""
    if _key(layer, REFERENCE) not in _registry.loaded() and layer_class(layer) is not None:
        from plait.backends.reference.routines import register_reference

        register_reference(layer)
