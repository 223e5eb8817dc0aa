"""Who measures what: groups of jobs that are leased to workers, and come back if a worker is lost."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Sequence

import attrs

from plait.backends.errors import WorkerError
from plait.backends.profiling.job import WHOLE, Job, Result


@attrs.frozen
class Group:
    """Jobs that are compared with each other, so that one machine measures them."""

    jobs: tuple[Job, ...]
    home: str = ""
    """The instance that measured some of the kind before."""
    lost: int = 0
    """How many workers were lost with it."""


def compared(job: Job) -> str:
    """What a job is compared with: those of its signature; plans with all others, as they take turns."""
    return WHOLE if job.state == WHOLE else job.signature


def grouped(jobs: Iterable[Job], homes: dict[str, str]) -> list[Group]:
    """Jobs by what they are compared with, in the order of their first ones."""
    found: dict[str, list[Job]] = {}
    for job in jobs:
        found.setdefault(compared(job), []).append(job)
    return [Group(tuple(members), homes.get(kind, "")) for kind, members in found.items()]


class Leases:
    """The groups that wait, those that are worked on, and the results so far. Safe to be used by many threads.

    Args:
        instances: the machines of the workers that take from here, one entry for each worker.
    """

    def __init__(self, groups: Iterable[Group], instances: Sequence[str]) -> None:
        self.results: dict[Job, Result] = {}
        self.failure: BaseException | None = None
        """Why there is no use in going on."""
        self._waiting = list(groups)
        self._running = 0
        self._there = list(instances)
        # More than workers that are gone can lose: the group itself must be what cannot be measured.
        self._tries = 2 * len(instances) + 1
        self._changed = threading.Condition()

    def take(self, instance: str) -> Group | None:
        """The next group for a worker; None if there is nothing left to do. Waits while others may give theirs back."""
        with self._changed:
            while self.failure is None and (self._waiting or self._running):
                for group in self._waiting:
                    if group.home in ("", instance) or group.home not in self._there:
                        self._waiting.remove(group)
                        self._running += 1
                        return group
                self._changed.wait()
            return None

    def finish(self, results: dict[Job, Result]) -> None:
        """The results of a group that was taken."""
        with self._changed:
            self.results |= results
            self._running -= 1
            self._changed.notify_all()

    def give_back(self, group: Group, error: WorkerError) -> None:
        """A worker was lost with a group: another one, or another try, may have it."""
        with self._changed:
            self._running -= 1
            if group.lost + 1 == self._tries:
                self.failure = self.failure or error
            self._waiting.append(attrs.evolve(group, lost=group.lost + 1))
            self._changed.notify_all()

    def leave(self, instance: str, error: WorkerError) -> None:
        """A worker takes no more."""
        with self._changed:
            self._there.remove(instance)
            if not self._there and self._waiting:
                self.failure = self.failure or error
            self._changed.notify_all()

    def fail(self, error: BaseException) -> None:
        """End it all."""
        with self._changed:
            self.failure = self.failure or error
            self._changed.notify_all()
