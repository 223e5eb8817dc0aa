"""Plans end to end, in turns: what disturbs the machine for a while meets all of them."""

from __future__ import annotations

import random
import statistics
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

from benchmarks.support.serving import Server

Turns = dict[str, list[float]]
"""Milliseconds of each subject, one median for each round."""


@contextmanager
def stopping(servers: Mapping[str, Server]) -> Iterator[None]:
    """Stop the servers in the end."""
    try:
        yield
    finally:
        for server in servers.values():
            server.stop()


def take_turns(servers: Mapping[str, Server], rounds: int, seconds: float, seed: int = 0) -> Turns:
    """Each subject runs for `seconds` in each round, in an order of the round's own.

    Args:
        servers: by key of the subject, which they have open; one server may have several.
    """
    draw = random.Random(seed)
    found: Turns = {key: [] for key in servers}
    for _ in range(rounds):
        for key in draw.sample(list(servers), len(servers)):
            found[key].append(statistics.median(servers[key].burst(key, seconds)) / 1e6)
    return found


def ratio(times: Sequence[float], reference: Sequence[float]) -> float:
    """The median over rounds of one subject's time by another's."""
    return statistics.median(a / b for a, b in zip(times, reference, strict=True))
