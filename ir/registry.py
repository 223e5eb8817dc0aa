"""The registry of layers, and the specification that is derived from a layer's class.

    @layer("conv2d")
    @attrs.define(eq=False)
    class Conv2d(Layer):
        x: Value                                                 # operand
        bias: Value | None = None                                # optional operand
        stride: tuple[int, int] = attrs.field(default=(1, 1), converter=pair, kw_only=True)     # attribute

A field annotated `Value`, `Value | None` or `tuple[Value, ...]` is an operand, any other field of the subclass an
attribute.
"""

from __future__ import annotations

import functools
import importlib
import pkgutil
from collections.abc import Callable
from typing import Any, TypeVar

import attrs

from plait.ir.layer import Layer, OpaqueLayer, Return

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
class LayerSpec:
    """Everything that parser, printer, verifier and documentation need to know of a layer."""

    name: str
    cls: type[Layer] = attrs.field(repr=False)
    operands: tuple[OperandSpec, ...] = ()
    attributes: tuple[AttributeSpec, ...] = ()
    origin: str = ""

    @property
    def summary(self) -> str:
        """First paragraph of the docstring, on one line."""
        return " ".join((self.cls.__doc__ or "").strip().partition("\n\n")[0].split())


_registry: dict[str, LayerSpec] = {}
L = TypeVar("L", bound=type[Layer])


def layer(name: str) -> Callable[[L], L]:
    """Class decorator: register an attrs subclass of `Layer` under `name`.

    Raises:
        ValueError: the name is taken; the message names both owners.
    """

    def register(cls: L) -> L:
        spec = _spec(name, cls)
        if name in _registry and _registry[name].origin != spec.origin:
            raise ValueError(f"layer {name!r} is registered by both {_registry[name].origin} and {spec.origin}")
        cls.spec = spec
        _registry[name] = spec
        return cls

    return register


def known_layers() -> dict[str, LayerSpec]:
    """All registered layers by name, built-in ones included."""
    _load_builtin()
    return dict(sorted(_registry.items()))


def layer_class(name: str) -> type[Layer] | None:
    """The class registered under `name`, or None."""
    _load_builtin()
    spec = _registry.get(name)
    return spec.cls if spec else None


@functools.cache
def _load_builtin() -> None:
    package = importlib.import_module("plait.ir.layers")
    for module in pkgutil.iter_modules(package.__path__):
        importlib.import_module(f"plait.ir.layers.{module.name}")


def _spec(name: str, cls: type[Layer]) -> LayerSpec:
    operands: list[OperandSpec] = []
    attributes: list[AttributeSpec] = []
    for field in attrs.fields(cls):
        if field.name in _BASE_FIELDS:
            continue
        kind = _OPERANDS.get(str(field.type))
        if kind:
            operands.append(OperandSpec(field.name, kind == "optional", kind == "variadic"))
        else:
            required = field.default is attrs.NOTHING
            default = None if required else field.default
            if field.converter is not None and not required:
                default = field.converter(default)
            attributes.append(AttributeSpec(field.name, default, required, str(field.type)))
    if any(o.variadic for o in operands) and len(operands) > 1:
        raise TypeError(f"layer {name}: a repeated operand must be the only operand field")
    return LayerSpec(name, cls, tuple(operands), tuple(attributes), f"{cls.__module__}.{cls.__qualname__}")


OpaqueLayer.spec = LayerSpec("opaque", OpaqueLayer, (OperandSpec("args", variadic=True),))
Return.spec = LayerSpec("return", Return, (OperandSpec("values", variadic=True),))
