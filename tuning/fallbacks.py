"""Routines that are not there: which layers want one, and the reference in its place."""

from __future__ import annotations

from plait.backends.descriptor import RoutinePath
from plait.backends.errors import DescriptorError, RoutineError
from plait.backends.routine import applicable, data_operands, find_routine
from plait.ir.diagnostics import Diagnostic
from plait.ir.layer import Layer
from plait.ir.layers.elementwise import Adapt
from plait.ir.layout import Format
from plait.ir.module import Module
from plait.ir.values import Constant, Value
from plait.ir.verify import verify


def missing_routines(module: Module) -> list[tuple[Layer, str]]:
    """Layers whose routine cannot run here, with the reason."""
    found = []
    for layer in module.main:
        if reason := _why_not(layer):
            found.append((layer, reason))
    return found


def _why_not(layer: Layer) -> str | None:
    if layer.via is None:
        return "it has no routine"
    try:
        routine = find_routine(layer.op, RoutinePath.parse(layer.via))
    except DescriptorError:
        return f"{layer.via!r} is no routine"
    if routine is None:
        return f"routine {layer.via} is not installed"
    refusal = routine.refuse(layer)
    return f"routine {layer.via} refuses it: {refusal}" if refusal else None


def with_fallbacks(module: Module, where: str, strict: bool) -> tuple[str, ...]:
    """Give every layer whose routine cannot run here one that can, in place; returns what a user should know.

    Raises:
        RoutineError: P403, under `strict`, or a layer cannot be run at all.
    """
    missing = missing_routines(module)
    if missing and strict:
        raise RoutineError(
            [Diagnostic("P403", f"{layer.describe()}: {reason}", layer.span, where) for layer, reason in missing]
        )
    notes = tuple(f"{layer.describe()}: {reason}; using {use_available(layer)}" for layer, reason in missing)
    if missing:
        verify(module)
    return notes


def use_available(layer: Layer) -> str:
    """Give an attached layer a routine that is always there: the reference, with adapts around it; returns its path.

    Raises:
        RoutineError: P403, there is no reference, or no conversion to or from its formats.
    """
    if isinstance(layer, Adapt):
        layer.via, layer.cost_us = _conversion(layer), None
        return layer.via
    routine = find_routine(layer.op, RoutinePath.parse("cpu/any/nchw/reference"))
    if routine is None or routine.refuse(layer) is not None:
        raise RoutineError(Diagnostic("P403", f"{layer.describe()} has no reference routine", layer.span))
    assert layer.region is not None
    before = [r.type.format.whole for r in layer.results]
    operands, results = routine.formats(layer)
    wanted = dict(zip(data_operands(layer), operands, strict=True))
    adapted = {
        value: _adapt(value, format, layer) for value, format in wanted.items() if value.type.format.whole != format
    }
    for field in layer.spec.operands:
        current = getattr(layer, field.name)
        if isinstance(current, tuple):
            operand: tuple[Value, ...] = current
            layer.region.set_operand(layer, field.name, tuple(adapted.get(v, v) for v in operand))
        elif current is not None and not isinstance(current, Constant):
            layer.region.set_operand(layer, field.name, adapted.get(current, current))
    for result, old, new in zip(layer.results, before, results, strict=True):
        if old == new:
            continue
        result.type = result.type.with_format(new)
        back = _adapt(result, old, layer.next)
        users = back.owner
        layer.region.replace_uses(result, back)
        assert users is not None
        layer.region.set_operand(users, "x", result)
    layer.via, layer.cost_us = str(routine.path), None
    return layer.via


def _adapt(value: Value, format: Format, before: Layer | None) -> Value:
    region = before.region if before is not None else (value.owner.region if value.owner is not None else None)
    assert region is not None
    layer = region.insert(
        Adapt(value), before, [f"{value.name}.{format.layout or format.dtype}"], [value.type.with_format(format)]
    )
    layer.via = _conversion(layer)
    return layer.result


def _conversion(adapt: Layer) -> str:
    routine = next((r for r, reason in applicable(adapt) if reason is None), None)
    if routine is None:
        raise RoutineError(
            Diagnostic(
                "P403",
                f"no routine converts %{adapt.operands[0].name} from "
                f"{adapt.operands[0].type.format} to {adapt.result.type.format}",
                adapt.span,
            )
        )
    return str(routine.path)
