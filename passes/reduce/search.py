"""The state of a reduction: the smallest failing module so far, what was asked already, and how much may be asked."""

from __future__ import annotations

import hashlib
from collections.abc import Callable

import attrs

from plait.ir.module import Module
from plait.ir.text.printer import print_module
from plait.ir.values import Array
from plait.passes.reduce.edit import Change, edited
from plait.passes.reduce.size import Size
from plait.passes.support.constants import content

Predicate = Callable[[Module], bool]
"""Whether a module still shows the failure. It gets a copy of its own, which it may change."""


@attrs.frozen
class Progress:
    """What a reduction tells after each check."""

    step: str
    """What is being reduced: `layers`, `shapes`, ..."""
    checks: int
    """How often the predicate was asked."""
    module: Module
    """The smallest failing module so far. Not to be changed."""
    size: Size
    improved: bool
    """Whether `module` is new."""


class OutOfChecks(Exception):
    """No more checks are allowed."""


class Search:
    """Goes down from module to smaller module. Steps of the reduction call `attempt` and `offer`."""

    def __init__(
        self,
        module: Module,
        still_fails: Predicate,
        *,
        max_checks: int | None = None,
        progress: Callable[[Progress], None] | None = None,
    ) -> None:
        self.best, self.size = module, Size.of(module)
        self.checks = 0
        self.step = "input"
        self._still_fails, self._max_checks, self._progress = still_fails, max_checks, progress
        self._known: dict[bytes, bool] = {}
        self._digests: dict[int, tuple[Array, bytes]] = {}

    def attempt(self, change: Change, base: Module | None = None) -> bool:
        """Change a copy of the best module (or of `base`); keep it if it is valid, smaller, and still fails.

        Raises:
            OutOfChecks: the failure would have to be checked once more than allowed.
        """
        candidate = edited(self.best if base is None else base, change)
        return candidate is not None and self.offer(candidate)

    def offer(self, candidate: Module) -> bool:
        """Keep a valid module if it is smaller than the best and still fails.

        Raises:
            OutOfChecks: as `attempt`.
        """
        size = Size.of(candidate)
        if not size < self.size or not self.fails(candidate):
            return False
        self.best, self.size = candidate, size
        self._report(improved=True)
        return True

    def fails(self, candidate: Module) -> bool:
        """Whether a module shows the failure; the same module is asked about once.

        Raises:
            OutOfChecks: as `attempt`.
        """
        key = self._digest(candidate)
        if key not in self._known:
            if self._max_checks is not None and self.checks >= self._max_checks:
                raise OutOfChecks
            self.checks += 1
            self._known[key] = bool(self._still_fails(candidate.clone()))
            if not self._known[key]:
                self._report(improved=False)
        return self._known[key]

    def _report(self, *, improved: bool) -> None:
        if self._progress is not None:
            self._progress(Progress(self.step, self.checks, self.best, self.size, improved))

    def _digest(self, module: Module) -> bytes:
        digest = hashlib.sha256(print_module(module).encode())
        for constant in module.constants.values():
            digest.update(self._data_digest(constant.data))
        return digest.digest()

    def _data_digest(self, data: Array) -> bytes:
        # Copies of a module share arrays, so large weights are read once. Arrays are kept so that ids stay their own.
        if id(data) not in self._digests:
            self._digests[id(data)] = data, hashlib.sha256(content(data)).digest()
        return self._digests[id(data)][1]
