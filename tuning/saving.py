"""Saving tuned models as packages. What a package has already is neither packed nor written again."""

from __future__ import annotations

import json
from collections.abc import Callable
from importlib import metadata
from pathlib import Path
from typing import Any

import attrs

from plait.backends.errors import PackageError
from plait.backends.executable import Executable
from plait.backends.package import WEIGHTS, Package, open_package
from plait.backends.package_writer import Plan, save_package, text_in_package
from plait.backends.profiling.machine import DeviceKey, Machine
from plait.backends.stored import Stored, store
from plait.ir.diagnostics import IRError
from plait.ir.literals import is_inline
from plait.ir.module import Module
from plait.ir.weights import views
from plait.passes.support.constants import equal_content
from plait.tuning.report import TuningReport

_OF_A_RUN = ("measured", "profile_seconds", "solve_seconds", "race_seconds", "measure_seconds", "certificate")
"""What reports say of the tuning rather than of the plan."""


@attrs.frozen
class Saved:
    """What a package has now, and what lay there before."""

    plans: tuple[str, ...]
    """The device keys of all its plans."""
    unchanged: bool = False
    """It had this plan already, with the same report, and was left as it is."""
    replaced: bool = False
    """Something else than a package of this model lay there."""


@attrs.frozen(eq=False)
class ToSave:
    """A tuned module and what belongs to its plan. `executable` is asked for only if nobody has packed the weights."""

    module: Module
    report: TuningReport
    machine: Machine
    executable: Callable[[], Executable]
    packed: bool

    def write(self, path: Path) -> Saved:
        """Write the package atomically, unless there is nothing to write; plans of the same model in it are kept."""
        before, existed = _opened(path), path.exists()
        known = before if before is not None and self.is_in(before) else None
        if known is not None and self.is_current(known):
            return Saved(known.plans, unchanged=True)
        plans = {self.report.device: Plan(self.module, self.report.to_json(), self.program(known))}
        machines = {self.machine.kind[:8]: self.machine.description}
        if kept := _plans_of_same_model(before, self.module):
            assert before is not None
            machines = before.machines | machines
            for key, module in kept.items():
                plans.setdefault(key, Plan(module, before.report(key), before.stored(key) if self.packed else None))
        kinds = {parts.kind for key in plans if (parts := DeviceKey.parse(key)) is not None}
        machines = {kind: what for kind, what in machines.items() if kind in kinds}
        save_package(path, plans, producer=_producer(), machines=machines)
        return Saved(tuple(sorted(plans)), replaced=existed and not kept)

    def is_in(self, package: Package) -> bool:
        """Whether a package has this plan, with these weights."""
        key = self.report.device
        try:
            text = package.text(key) if key in package.plans else ""
            return text == text_in_package(self.module) and _has_weights(package, self.module)
        except (PackageError, IRError):
            return False

    def is_current(self, package: Package) -> bool:
        """Whether all else that a package has of this plan is what would be written."""
        key, machine = self.report.device, self.machine
        if package.manifest.get("producer") != _producer() or self.packed != self.has_program(package):
            return False
        if package.machines.get(machine.kind[:8]) != machine.description:
            return False
        try:
            return _of_the_plan(package.report(key)) == _of_the_plan(json.loads(json.dumps(self.report.to_json())))
        except PackageError:
            return False

    def has_program(self, package: Package) -> bool:
        """Whether a package has the plan's program, for these kernels."""
        try:
            return not package.why_no_program(self.report.device)
        except PackageError:
            return False

    def program(self, known: Package | None) -> Stored | None:
        """The program to store: that of a package with this plan, if it has one."""
        if not self.packed:
            return None
        if known is not None and self.has_program(known):
            return known.stored(self.report.device)
        return store(self.executable())


def _opened(path: Path) -> Package | None:
    try:
        return open_package(path)
    except PackageError:
        return None


def _of_the_plan(report: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in report.items() if name not in _OF_A_RUN}


def _has_weights(package: Package, module: Module) -> bool:
    """Whether a package with the text of a module has its weights, too."""
    constants = [c for c in module.constants.values() if not is_inline(c.type)]
    found = views(package.members[WEIGHTS].data, {c.name: c.type for c in constants}, WEIGHTS)
    return all(equal_content(c.data, found[c.name]()) for c in constants)


def _plans_of_same_model(package: Package | None, module: Module) -> dict[str, Module]:
    """The modules of all plans of a package; none if they are of another model."""
    if package is None:
        return {}
    try:
        modules = {key: package.module(key) for key in package.plans}
    except (PackageError, IRError):
        return {}
    return modules if all(_same_model(module, m) for m in modules.values()) else {}


def _same_model(a: Module, b: Module) -> bool:
    """Whether two plans have the same inputs, outputs and constants."""

    def interface(module: Module) -> object:
        main = module.main
        return [(v.name, v.type) for v in main.arguments], [
            (n, v.type) for n, v in zip(main.output_names, main.outputs, strict=True)
        ]

    if interface(a) != interface(b) or a.constants.keys() != b.constants.keys():
        return False
    return all(
        c.type == b.constants[n].type and equal_content(c.data, b.constants[n].data) for n, c in a.constants.items()
    )


def _producer() -> str:
    try:
        return f"plait {metadata.version('plait')}"
    except metadata.PackageNotFoundError:
        return "plait"
