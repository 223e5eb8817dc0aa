"""The registry of layers, and the specification that is derived from a layer's class.

    @layer("conv2d")
    @attrs.define(eq=False)
    class Conv2d(Layer):
        x: Value                                                 # operand
        bias: Value | None = None                                # optional operand
        stride: tuple[int, int] = attrs.field(default=(1, 1), converter=pair, kw_only=True)     # attribute

A field annotated `Value`, `Value | None` or `tuple[Value, ...]` is an operand, one annotated `Region` a region, any
other field of the subclass an attribute. A trailing underscore of a region (`else_`) is not part of its
name in the text.
"""

from __future__ import annotations

import importlib
import inspect
import pkgutil
from collections.abc import Callable
from typing import Any, TypeVar

import attrs

from plait.ir.documentation import Documentation, documentation_of
from plait.ir.layer import Layer, OpaqueLayer, Return
from plait.ir.named_registry import Registry
from plait.ir.plugins import origin_of
from plait.ir.spelling import WORD

_OPERANDS = {"Value": "one", "Value | None": "optional", "tuple[Value, ...]": "variadic"}
_BASE_FIELDS = {a.name for a in attrs.fields(Layer)}


@attrs.frozen
class OperandSpec:
    """An operand field: its name and whether it may be absent or repeat."""

    name: str
    optional: bool = False
    variadic: bool = False


@attrs.frozen
class AttributeSpec:
    """An attribute field: its name, default, and converter from text values."""

    name: str
    default: Any = None
    required: bool = False
    type: str = ""


@attrs.frozen
class RegionSpec:
    """A region field: its name in the text and the field that holds it."""

    name: str
    field: str


@attrs.frozen
class LayerSpec:
    """Everything that parser, printer, verifier and documentation need to know of a layer."""

    name: str
    cls: type[Layer] = attrs.field(repr=False)
    operands: tuple[OperandSpec, ...] = ()
    attributes: tuple[AttributeSpec, ...] = ()
    regions: tuple[RegionSpec, ...] = ()
    origin: str = ""

    @property
    def summary(self) -> str:
        """First paragraph of the docstring, on one line."""
        return self.documentation.summary

    @property
    def documentation(self) -> Documentation:
        """The parts of the docstring; what it leaves out is that of the base class."""
        return documentation_of(self.cls, Layer, self.name)


def _import_builtin() -> None:
    package = importlib.import_module("plait.ir.layers")
    for module in pkgutil.iter_modules(package.__path__):
        importlib.import_module(f"plait.ir.layers.{module.name}")


_registry: Registry[LayerSpec] = Registry("layer", "plait.layers", prepare=_import_builtin, by_import=True)
L = TypeVar("L", bound=type[Layer])


def layer(name: str) -> Callable[[L], L]:
    """Class decorator: register an attrs subclass of `Layer` under `name`.

    Raises:
        PluginError: P602, the name is taken; the message names both owners.
        TypeError: the class is not what a layer must be.
        ValueError: the name cannot stand in the text.
    """

    def register(cls: L) -> L:
        _check(name, cls)
        spec = _spec(name, cls)
        _registry.add(name, spec, spec.origin)
        cls.spec = spec
        return cls

    return register


def known_layers() -> dict[str, LayerSpec]:
    """All registered layers by name, those of plug-ins included."""
    return dict(sorted(_registry.loaded().items()))


def layer_class(name: str) -> type[Layer] | None:
    """The class registered under `name`, or None.

    Raises:
        PluginError: the plug-in that has this name cannot be loaded, or two parties have it.
    """
    spec = _registry.find(name)
    return spec.cls if spec else None


def _check(name: str, cls: type[Layer]) -> None:
    """What is easily forgotten, and would show much later as another error."""
    if not WORD.match(name):
        raise ValueError(f"{name!r} cannot name a layer: letters, digits, _ and -, and no digit first")
    if "__attrs_attrs__" not in vars(cls) and inspect.get_annotations(cls):
        raise TypeError(f"{cls.__name__} is no attrs class: write @attrs.define(eq=False) between @layer and class")
    if cls.__hash__ is None:
        raise TypeError(f"{cls.__name__} compares by its fields, but layers have identity: @attrs.define(eq=False)")
    if cls.infer is Layer.infer and not cls.declares_types:
        raise TypeError(f"{cls.__name__} has no method infer, which gives the types of the results")


def _spec(name: str, cls: type[Layer]) -> LayerSpec:
    operands: list[OperandSpec] = []
    attributes: list[AttributeSpec] = []
    regions: list[RegionSpec] = []
    for field in attrs.fields(cls):
        if field.name in _BASE_FIELDS:
            continue
        annotation = _annotation(field.type)
        kind = _OPERANDS.get(annotation)
        if kind:
            operands.append(OperandSpec(field.name, kind == "optional", kind == "variadic"))
        elif annotation == "Region":
            regions.append(RegionSpec(field.name.rstrip("_"), field.name))
        else:
            required = field.default is attrs.NOTHING
            default = None if required else field.default
            if field.converter is not None and not required:
                default = field.converter(default)
            attributes.append(AttributeSpec(field.name, default, required, annotation))
    before = operands[:-1]
    if any(o.variadic for o in before) or (any(o.optional for o in before) and operands[-1].variadic):
        raise TypeError(f"layer {name}: a repeated operand must be the last one, after none that may be absent")
    return LayerSpec(name, cls, tuple(operands), tuple(attributes), tuple(regions), origin_of(cls))


def _annotation(type: Any) -> str:
    """An annotation as it was written, also in modules that do without `from __future__ import annotations`."""
    if isinstance(type, str):
        return type
    return inspect.formatannotation(type).replace("plait.ir.values.", "").replace("plait.ir.region.", "")


OpaqueLayer.spec = LayerSpec("opaque", OpaqueLayer, (OperandSpec("args", variadic=True),))
Return.spec = LayerSpec("return", Return, (OperandSpec("values", variadic=True),))
