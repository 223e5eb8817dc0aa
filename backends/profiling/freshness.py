"""Which measurements may still be used.

A measurement of another version of a routine is found by nobody: the version is part of the key. What else makes one
stale is up to who asks.
"""

from __future__ import annotations

import time
from collections.abc import Iterable

import attrs

from plait.backends.profiling.session import Reference, SessionRecord, typical

DRIFT = 1.05
"""Sessions whose reference is off by more than this factor are in doubt."""
_DAY_S = 86400.0


@attrs.frozen
class Fresh:
    """What a measurement must be, to be used and not taken again. Each condition that is None is left out.

    A condition that cannot be judged, as of files of version 1, which have no sessions, is met.
    """

    environment: str | None = None
    """`Environment.fingerprint`: kernels, governor, huge pages."""
    days: float | None = None
    """Not older than this. Time stamps more than a day ahead are of a wrong clock, and count as old."""
    drift: float | None = None
    """The reference of its session is off by this factor at most, such as `DRIFT`: from `reference`, and from before to
    after the session."""
    reference: Reference | None = None
    """How fast the machine is now (None: as fast as in the median of its sessions)."""
    failures: bool = True
    """Whether failures count; False: they are to be tried again."""

    def accepts(self, status: str, environment: str, session: str, taken: float, doubtful: frozenset[str]) -> bool:
        """Whether a measurement may be used.

        Args:
            doubtful: see `doubtful`.
        """
        if status != "ok" and not self.failures:
            return False
        if self.environment is not None and environment not in ("", self.environment):
            return False
        if self.days is not None and not -_DAY_S <= time.time() - taken <= self.days * _DAY_S:
            return False
        return session not in doubtful

    def doubtful(self, sessions: Iterable[SessionRecord]) -> frozenset[str]:
        """The sessions of one machine during which it was not as fast as it should be."""
        if self.drift is None:
            return frozenset()
        known = [(s, s.reference) for s in sessions]
        wanted: dict[str, Reference | None] = {}
        for kernels in {s.session.kernels for s, _ in known}:
            # Other kernels have other times.
            same = [r for s, r in known if r is not None and s.session.kernels == kernels]
            wanted[kernels] = self.reference or typical(same)
        found = set()
        for record, reference in known:
            standard = wanted[record.session.kernels]
            if reference is None or standard is None:
                continue
            if max(record.moved, reference.drift_from(standard)) > self.drift:
                found.add(record.session.id)
        return frozenset(found)
