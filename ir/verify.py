"""The verifier: structure (single definition, definition before use, known layers) and each layer's own rules.

All findings are returned; nothing stops at the first.
"""

from __future__ import annotations

from collections.abc import Sequence

from plait.ir.diagnostics import Diagnostic, IRError, ShapeError, did_you_mean
from plait.ir.layer import Layer, OpaqueLayer
from plait.ir.module import Function, Module
from plait.ir.registry import known_layers
from plait.ir.values import Constant, Value


def verify(module: Module, *, allow_unknown: bool = False) -> None:
    """Raise if the module is not valid.

    Args:
        allow_unknown: accept layers whose kind is not registered.

    Raises:
        IRError: with every finding.
    """
    if found := diagnose(module, allow_unknown=allow_unknown):
        raise IRError(found)


def diagnose(module: Module, *, allow_unknown: bool = False) -> list[Diagnostic]:
    """All findings, in the order of the text."""
    found: list[Diagnostic] = []
    for function in module.functions.values():
        found += _check_function(module, function, allow_unknown)
    return found


def _check_function(module: Module, function: Function, allow_unknown: bool) -> list[Diagnostic]:
    found: list[Diagnostic] = []
    defined: set[Value] = set(function.arguments)
    for layer in function.body:
        found += _check_operands(module, layer, layer.operands, defined)
        if isinstance(layer, OpaqueLayer):
            if not allow_unknown:
                found.append(
                    _finding("P101", layer, f"unknown layer {layer.kind!r}", did_you_mean(layer.kind, known_layers()))
                )
        else:
            found += check_layer(layer)
        for result in layer.results:
            if result.owner is not layer:
                found.append(_finding("P102", layer, f"result %{result.name} does not know its layer"))
            defined.add(result)
    for value in function.outputs:
        if value not in defined and not _is_constant_of(module, value):
            found.append(Diagnostic("P105", f"output %{value.name} is not defined in net @{function.name}"))
    return found


def _check_operands(module: Module, layer: Layer, operands: Sequence[Value], defined: set[Value]) -> list[Diagnostic]:
    found: list[Diagnostic] = []
    for value in operands:
        if layer not in value.users:
            found.append(_finding("P102", layer, f"{value!r} does not know that this layer uses it"))
        if isinstance(value, Constant):
            if not _is_constant_of(module, value):
                found.append(_finding("P003", layer, f"constant @{value.name} is not in the module"))
        elif value not in defined:
            found.append(_finding("P004", layer, f"%{value.name} is used before its definition"))
    return found


def check_layer(layer: Layer) -> list[Diagnostic]:
    """A layer's own rules: inference succeeds, and declared result types agree with it."""
    try:
        inferred = layer.result_types()
    except ShapeError as error:
        return [_finding("P104", layer, f"{layer.op}: {error}")]
    except (ValueError, IndexError, TypeError) as error:  # an operand of an unexpected rank
        return [_finding("P104", layer, f"{layer.op}: operands do not fit together ({error})")]
    if len(inferred) != len(layer.results):
        return [_finding("P103", layer, f"{layer.op} makes {len(inferred)} results, not {len(layer.results)}")]
    found = []
    for value, wanted in zip(layer.results, inferred, strict=True):
        if not value.type.same_logical(wanted):
            found.append(
                _finding(
                    "P103",
                    layer,
                    f"%{value.name} is declared {value.type} but {layer.op} gives {wanted}",
                    "correct the type after ':', or leave it out to have it inferred",
                )
            )
        elif value.type.layout.rank not in (None, value.type.rank):
            found.append(_finding("P106", layer, f"layout {value.type.layout} does not fit rank {value.type.rank}"))
    return found


def _is_constant_of(module: Module, value: Value) -> bool:
    return isinstance(value, Constant) and module.constants.get(value.name) is value


def _finding(code: str, layer: Layer, message: str, hint: str = "") -> Diagnostic:
    where = layer.describe() if layer.span is None else ""
    if layer.span is None and layer.locations:
        where += f" from {layer.locations[0]}"
    return Diagnostic(code, message, layer.span, where, hint)
