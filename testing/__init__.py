"""For tests, benchmarks and users: networks to work on, random models, comparison of results, tests written as IR.

The names below are loaded when they are first used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from plait.testing.check_lines import CheckFailed, MalformedCheck, filecheck
    from plait.testing.equivalence import NotComputable, NotEquivalent, assert_equivalent
    from plait.testing.inputs import random_inputs

__all__ = [
    "CheckFailed",
    "MalformedCheck",
    "NotComputable",
    "NotEquivalent",
    "assert_equivalent",
    "filecheck",
    "random_inputs",
]

_HOMES = {
    "CheckFailed": "plait.testing.check_lines.report",
    "MalformedCheck": "plait.testing.check_lines.directives",
    "NotComputable": "plait.testing.equivalence",
    "NotEquivalent": "plait.testing.equivalence",
    "assert_equivalent": "plait.testing.equivalence",
    "filecheck": "plait.testing.check_lines.matcher",
    "random_inputs": "plait.testing.inputs",
}


def __getattr__(name: str) -> Any:
    import importlib

    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(_HOMES[name]), name)
