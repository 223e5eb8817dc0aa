"""What an analysis is, and the cache that keeps them.

    ranges = context.analyses.get(ValueRanges, function)

An analysis describes a function or a module as it stood when it was asked for. The manager drops all analyses when a
pass reports a change, but for those that the class of the pass says it `preserves`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Container
from typing import Any, Final, Self, TypeVar, cast

import attrs

from plait.ir.module import Function, Module

Subject = Function | Module
A = TypeVar("A", bound="Analysis")


class Analysis:
    """Facts about a function or a module. Subclasses say of which in the annotation of `of`, and change nothing."""

    @classmethod
    def of(cls, subject: Any, analyses: Analyses) -> Self:
        """Compute the facts; other analyses that they rest on come from `analyses`."""
        raise NotImplementedError(cls.__name__)


@attrs.define
class Analyses:
    """The analyses that are true of a module, by class and subject."""

    computed: Counter[type[Analysis]] = attrs.field(factory=Counter)
    """How often each analysis was computed, cached answers not counted."""
    _found: dict[tuple[type[Analysis], int], tuple[Analysis, Subject]] = attrs.field(factory=dict)

    def get(self, cls: type[A], subject: Subject) -> A:
        """The facts of this class about a function or a module, computed unless they are known."""
        key = (cls, id(subject))
        if key not in self._found:
            self.computed[cls] += 1
            # The subject is kept beside them, so that no other object can get its id.
            self._found[key] = (cls.of(subject, self), subject)
        return cast("A", self._found[key][0])

    def has(self, cls: type[Analysis], subject: Subject) -> bool:
        """Whether the facts are known already."""
        return (cls, id(subject)) in self._found

    def invalidate(self, preserved: Container[type[Analysis]] = ()) -> None:
        """Forget all analyses but the preserved ones. For passes that look again after changes of their own."""
        self._found = {key: found for key, found in self._found.items() if key[0] in preserved}


class _Everything(Container[type[Analysis]]):
    def __contains__(self, _: object) -> bool:
        return True


EVERYTHING: Final[Container[type[Analysis]]] = _Everything()
"""For passes that change nothing that an analysis looks at, such as names and locations."""
