"""Shell completion of pass names and pipelines."""

from __future__ import annotations

import re

import click


def complete_pass(_: click.Context, __: click.Parameter, incomplete: str) -> list[str]:
    """Names of passes."""
    from plait.passes.registry import known_passes

    return [name for name in known_passes() if name.startswith(incomplete)]


def complete_pipeline(_: click.Context, __: click.Parameter, incomplete: str) -> list[str]:
    """The text so far with its last word completed to a pass or a named pipeline."""
    from plait.passes.pipeline import PIPELINES
    from plait.passes.registry import known_passes

    match = re.search(r"[A-Za-z0-9_\-]*\Z", incomplete)
    start = match.start() if match else len(incomplete)
    head, word = incomplete[:start], incomplete[start:]
    if head and not head.rstrip().endswith((",", '"')):
        return []
    return [head + name for name in (*known_passes(), *PIPELINES) if name.startswith(word)]
