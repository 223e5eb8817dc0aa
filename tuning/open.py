"""Opening tuned models: which plan of a package is for this machine, and what if routines are not there."""

from __future__ import annotations

import math
import re
import warnings
from collections.abc import Sequence
from os import PathLike
from pathlib import Path

import attrs

from plait.backends.descriptor import RoutinePath
from plait.backends.errors import DescriptorError, PackageError, RoutineError
from plait.backends.package import Package, open_package
from plait.backends.profiling.machine import this_machine
from plait.backends.routine import applicable, data_operands, find_routine
from plait.backends.runner import Runner
from plait.ir.diagnostics import Diagnostic, join_names
from plait.ir.layer import Layer
from plait.ir.layers.elementwise import Adapt
from plait.ir.layout import Format
from plait.ir.module import Module
from plait.ir.text.files import load_ir
from plait.ir.values import Constant, Value
from plait.ir.verify import verify
from plait.tuning.api import PlaitWarning

_KEY = re.compile(r"(?P<isa>\w+-\w+)-(?P<kind>[0-9a-f]{8})-t(?P<threads>\d+)\Z")


@attrs.frozen(eq=False)
class Opened:
    """A plan that can run here: its module, key ("" for an `.ir` file) and threads, and what a user should know."""

    module: Module
    key: str
    threads: int
    warnings: tuple[str, ...] = ()


def is_package(path: str | PathLike[str]) -> bool:
    """Whether a file looks like a package (or other ZIP file)."""
    try:
        with open(path, "rb") as file:
            return file.read(4) == b"PK\x03\x04"
    except (OSError, ValueError):
        return False


def is_tuned(module: Module) -> bool:
    """Whether every layer has a routine."""
    return all(layer.via is not None for layer in module.main)


def open_tuned(path: str | PathLike[str], *, threads: int | None = None, strict: bool = False) -> Runner:
    """See `plait.open`."""
    opened = open_plan(path, threads=threads, strict=strict)
    for text in opened.warnings:
        warnings.warn(PlaitWarning(text), stacklevel=3)
    return Runner(opened.module, opened.threads)


def open_plan(path: str | PathLike[str], *, threads: int | None = None, strict: bool = False) -> Opened:
    """The plan that `plait.open` runs, with its warnings as texts."""
    if threads is not None and threads < 1:
        raise ValueError(f"threads is {threads}, but must be at least 1")
    path = Path(path)
    if path.suffix == ".ir":
        module = load_ir(path)
        bare = [layer for layer in module.main if layer.via is None]
        if bare:
            raise RoutineError(
                [
                    Diagnostic(
                        "P403", f"{layer.describe()} has no routine", layer.span, str(path), "tune the module first"
                    )
                    for layer in bare[:3]
                ]
            )
        return _with_fallbacks(module, "", threads or 1, (), str(path), strict)
    package = open_package(path)
    if not package.plans:
        raise PackageError(Diagnostic("P402", "the package has no plans", where=str(path)))
    ranked = rank_keys(package.plans, threads, _predictions(package))
    first = package.module(ranked[0])
    key, module = ranked[0], first
    if not strict and missing_routines(first):
        others = ((k, package.module(k)) for k in ranked[1:])
        key, module = next(((k, m) for k, m in others if not missing_routines(m)), (key, module))
    used = threads or _threads(key)
    notes = () if key == this_machine().device_key(used) else (_elsewhere(path, package, key, used),)
    return _with_fallbacks(module, key, used, notes, str(path), strict)


def rank_keys(keys: Sequence[str], threads: int | None, predicted: dict[str, float]) -> list[str]:
    """Device keys from the nearest to the farthest.

    This machine comes first, then its instruction set, then its device; among those, plans for nearly as many threads
    (None: those of least predicted time).
    """
    here = _KEY.match(this_machine().device_key(threads or 1))
    assert here is not None

    def distance(key: str) -> tuple[bool, bool, bool, float, float, str]:
        match = _KEY.match(key)
        if match is None:
            return True, True, True, math.inf, math.inf, key
        apart = 0.0 if threads is None else abs(math.log2(max(int(match["threads"]), 1) / threads))
        same_isa = match["isa"] == here["isa"]
        return (
            not same_isa or match["kind"] != here["kind"],
            not same_isa,
            match["isa"].partition("-")[0] != here["isa"].partition("-")[0],
            apart,
            predicted.get(key, math.inf),
            key,
        )

    return sorted(keys, key=distance)


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


def _threads(key: str) -> int:
    match = _KEY.match(key)
    return max(int(match["threads"]), 1) if match else 1


def _predictions(package: Package) -> dict[str, float]:
    found = {}
    for key in package.plans:
        try:
            found[key] = float(package.report(key)["predicted_us"])
        except (PackageError, KeyError, TypeError, ValueError):
            continue
    return found


def _elsewhere(path: Path, package: Package, key: str, threads: int) -> str:
    prefix = this_machine().device_key(1)[:-2]
    same = sorted(_threads(k) for k in package.plans if k.startswith(prefix))
    if key.startswith(prefix):
        return (
            f"{path} has no plan for {_count(threads)}, only for {', '.join(map(str, same))}; "
            f"using the one for {_count(_threads(key))} (tune with --threads {threads} to add one)"
        )
    if same:
        return f"the plan of {path} for this machine has routines that are not installed; using the plan {key}"
    return (
        f"{path} has no plan for this machine ({this_machine().device_key(threads)}), "
        f"only {join_names(list(package.plans))}; using {key} (tune here to add one)"
    )


def _count(threads: int) -> str:
    return "1 thread" if threads == 1 else f"{threads} threads"


# --- the reference in place of routines that are not there ---


def _with_fallbacks(module: Module, key: str, threads: int, notes: tuple[str, ...], where: str, strict: bool) -> Opened:
    missing = missing_routines(module)
    if missing and strict:
        raise RoutineError(
            [Diagnostic("P403", f"{layer.describe()}: {reason}", layer.span, where) for layer, reason in missing]
        )
    for layer, reason in missing:
        replacement = use_available(layer)
        notes = (*notes, f"{layer.describe()}: {reason}; using {replacement}")
    if missing:
        verify(module)
    return Opened(module, key, threads, notes)


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
    before = [r.type.format for r in layer.results]
    operands, results = routine.formats(layer)
    wanted = dict(zip(data_operands(layer), operands, strict=True))
    adapted = {value: _adapt(value, format, layer) for value, format in wanted.items() if value.type.format != format}
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
