"""Opening tuned models: which plan of a package is for this machine, and whether its stored program can run.

On the path to a stored program nothing heavy is imported (see `plait.backends.executable`): no IR is read.
"""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, NamedTuple

from plait.backends.executable import Executable, in_memory
from plait.backends.package import Package, open_package
from plait.backends.profiling.machine import DeviceKey, this_machine
from plait.backends.runner import Runner

if TYPE_CHECKING:
    from plait.ir.module import Module


class Opened(NamedTuple):
    """A plan that can run here, and what a user should know."""

    module: Module | Callable[[], Module]
    """Its IR, or a function that reads it where `executable` is there."""
    threads: int
    warnings: tuple[str, ...] = ()
    executable: Executable | None = None


def is_package(path: str | os.PathLike[str]) -> bool:
    """Whether a file looks like a package (or other ZIP file)."""
    try:
        with open(path, "rb") as file:
            return file.read(4) == b"PK\x03\x04"
    except (OSError, ValueError):
        return False


def is_tuned(module: Module) -> bool:
    """Whether every layer has a routine."""
    return all(layer.via is not None for layer in module.main)


def open_tuned(
    path: str | os.PathLike[str],
    *,
    threads: int | None = None,
    strict: bool = False,
    programs: bool = True,
    mapped: bool = True,
) -> Runner:
    """See `plait.open`."""
    path = os.fspath(path)
    opened = open_plan(path, threads=threads, strict=strict, programs=programs)
    if opened.warnings:
        import warnings

        from plait.tuning.api import PlaitWarning

        for text in opened.warnings:
            warnings.warn(PlaitWarning(text), stacklevel=3)
    if opened.executable is None:
        return Runner(opened.module, opened.threads)
    return _run_stored(path, opened, mapped)


def open_plan(path: str, *, threads: int | None = None, strict: bool = False, programs: bool = True) -> Opened:
    """The plan that `plait.open` runs, with its warnings as texts."""
    if threads is not None and threads < 1:
        raise ValueError(f"threads is {threads}, but must be at least 1")
    if path.endswith(".ir"):
        return _open_text(path, threads or 1, strict)
    package = open_package(path)
    if not package.plans:
        raise package.damaged("the package has no plans")
    here = f"cpu-{this_machine().isa}-{this_machine().kind_among(package.machines)}"
    ranked = rank_keys(package.plans, threads, _predictions(package), here)
    used = threads or _threads(ranked[0])
    if programs and used == _threads(ranked[0]) and (stored := package.program(ranked[0])) is not None:
        notes = () if ranked[0] == f"{here}-t{used}" else (_elsewhere(package, ranked[0], used, here),)
        return Opened(lambda: package.module(ranked[0]), used, notes, stored)
    return _open_ir(package, ranked, threads, strict, here)


def _open_text(path: str, threads: int, strict: bool) -> Opened:
    from pathlib import Path

    from plait.backends.errors import RoutineError
    from plait.ir.diagnostics import Diagnostic
    from plait.ir.text.files import load_ir
    from plait.tuning.fallbacks import with_fallbacks

    module = load_ir(Path(path))
    bare = [layer for layer in module.main if layer.via is None]
    if bare:
        raise RoutineError(
            [
                Diagnostic("P403", f"{layer.describe()} has no routine", layer.span, path, "tune the module first")
                for layer in bare[:3]
            ]
        )
    return Opened(module, threads, with_fallbacks(module, path, strict))


def _open_ir(package: Package, ranked: Sequence[str], threads: int | None, strict: bool, here: str) -> Opened:
    from plait.tuning.fallbacks import missing_routines, with_fallbacks

    key, module = ranked[0], package.module(ranked[0])
    if not strict and missing_routines(module):
        others = ((k, package.module(k)) for k in ranked[1:])
        key, module = next(((k, m) for k, m in others if not missing_routines(m)), (key, module))
    used = threads or _threads(key)
    notes = () if key == f"{here}-t{used}" else (_elsewhere(package, key, used, here),)
    return Opened(module, used, (*notes, *with_fallbacks(module, package.path, strict)))


def _run_stored(path: str, opened: Opened, mapped: bool) -> Runner:
    from plait.backends.package import package_error

    executable = opened.executable
    assert executable is not None
    try:
        return Runner(opened.module, executable=executable if mapped else in_memory(executable))
    except (TypeError, ValueError, OverflowError) as error:
        raise package_error(path, f"its program does not fit the kernels: {error}") from None


def rank_keys(
    keys: Sequence[str], threads: int | None, predicted: Callable[[str], float], here: str | None = None
) -> list[str]:
    """Device keys from the nearest to the farthest.

    This machine comes first, then its instruction set, then its device; among those, plans for nearly as many threads
    (None: those of least predicted time).

    Args:
        predicted: the predicted time of a plan; asked only where it decides.
        here: the device key of this machine without threads; found out by default.
    """
    machine = DeviceKey.parse(f"{here or this_machine().device_key(1)[:-3]}-t1")
    assert machine is not None

    def distance(key: str) -> tuple[bool, bool, bool, float]:
        parts = DeviceKey.parse(key)
        if parts is None:
            return True, True, True, math.inf
        apart = 0.0 if threads is None else abs(math.log2(max(parts.threads, 1) / threads))
        same_isa = parts.isa == machine.isa
        return (
            not same_isa or parts.kind != machine.kind,
            not same_isa,
            parts.isa.partition("-")[0] != machine.isa.partition("-")[0],
            apart,
        )

    ranked = sorted(keys, key=lambda key: (distance(key), key))
    nearest = [key for key in ranked if distance(key) == distance(ranked[0])]
    if len(nearest) == 1:
        return ranked
    return sorted(keys, key=lambda key: (distance(key), predicted(key), key))


def _threads(key: str) -> int:
    parts = DeviceKey.parse(key)
    return max(parts.threads, 1) if parts else 1


def _predictions(package: Package) -> Callable[[str], float]:
    def predicted(key: str) -> float:
        from plait.backends.errors import PackageError

        try:
            return float(package.report(key)["predicted_us"])
        except (PackageError, KeyError, TypeError, ValueError):
            return math.inf

    return predicted


def _elsewhere(package: Package, key: str, threads: int, here: str) -> str:
    path = package.path
    same = sorted(_threads(k) for k in package.plans if k.startswith(f"{here}-t"))
    if key.startswith(f"{here}-t"):
        return (
            f"{path} has no plan for {_count(threads)}, only for {', '.join(map(str, same))}; "
            f"using the one for {_count(_threads(key))} (tune with --threads {threads} to add one)"
        )
    if same:
        return f"the plan of {path} for this machine has routines that are not installed; using the plan {key}"
    from plait.ir.diagnostics import join_names

    return (
        f"{path} has no plan for this machine ({here}-t{threads}), "
        f"only {join_names(list(package.plans))}; using {key} (tune here to add one)"
    )


def _count(threads: int) -> str:
    return "1 thread" if threads == 1 else f"{threads} threads"
