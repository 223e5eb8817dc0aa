"""Errors of running, packages and routines."""

from __future__ import annotations

from plait.ir.diagnostics import PlaitError


class RunError(PlaitError):
    """A run-time input does not fit the model (P401)."""

    exit_code = 1


class PackageError(PlaitError):
    """A package is damaged, of an unsupported version, or lacks a plan for this machine (P402)."""

    exit_code = 1


class RoutineError(PlaitError):
    """No routine can run a layer (P403)."""

    exit_code = 5


class DescriptorError(PlaitError):
    """A routine descriptor is malformed or matches nothing (P404)."""

    exit_code = 2


class WorkerError(PlaitError):
    """A process that measures or runs for us cannot be used (P510)."""

    exit_code = 1
