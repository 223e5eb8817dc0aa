"""The intermediate representation: types, values, layers, modules, their text form and their verifier.

This package imports no other part of Plait. Layers say *what* is computed; how (routine, layout, device) is annotation.
"""

from plait.ir.diagnostics import Diagnostic, IRError, Location, ShapeError, Span
from plait.ir.dims import Dim, Symbol
from plait.ir.layer import Layer, OpaqueLayer
from plait.ir.layout import Format, Layout
from plait.ir.module import Function, Module
from plait.ir.region import Region
from plait.ir.registry import known_layers, layer, layer_class
from plait.ir.types import DType, OptionalType, SequenceType, TensorType, Type
from plait.ir.values import Constant, Value
from plait.ir.verify import verify

__all__ = [
    "Constant",
    "DType",
    "Diagnostic",
    "Dim",
    "Format",
    "Function",
    "IRError",
    "Layer",
    "Layout",
    "Location",
    "Module",
    "OpaqueLayer",
    "OptionalType",
    "Region",
    "SequenceType",
    "ShapeError",
    "Span",
    "Symbol",
    "TensorType",
    "Type",
    "Value",
    "known_layers",
    "layer",
    "layer_class",
    "verify",
]
