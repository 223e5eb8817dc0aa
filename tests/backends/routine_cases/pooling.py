"""Pooling, over windows and whole images."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from typing import Any

from routine_cases.case import CHANNELS, Case, arg, const, make


def _pool_cases(kind: str, options: Sequence[dict[str, Any]]) -> Iterator[Case]:
    windows: tuple[dict[str, Any], ...] = (
        {"kernel": (2, 2), "stride": (2, 2)},
        {"kernel": (3, 3), "stride": (2, 2), "pad": (1, 1, 1, 1)},
        {"kernel": (3, 3), "pad": (1, 1, 1, 1)},
        {"kernel": (3, 2), "stride": (1, 2), "pad": (0, 1, 2, 0)},
        {"kernel": (2, 3), "stride": (3, 2), "pad": (1, 0, 0, 2)},
        {"kernel": (3, 3), "dilation": (2, 2), "pad": (1, 2, 2, 1)},
        {"kernel": (2, 2), "stride": (2, 1), "dilation": (1, 3)},
        {"kernel": (1, 1), "stride": (3, 3)},
        {"kernel": (7, 7), "stride": (1, 1)},
        {"kernel": (5, 4), "stride": (4, 3), "pad": (2, 2, 2, 2)},
    )
    for i, (window, option) in enumerate(itertools.product(windows, options)):
        yield make(kind, [arg(1 + 2 * (i % 2), CHANNELS[i % len(CHANNELS)], 9, 11)], **window, **option)
    for channels in CHANNELS:
        yield make(kind, [arg(3, channels, 7, 8)], kernel=(3, 3), stride=(2, 2), pad=(1, 0, 1, 1), **options[-1])
    yield make(kind, [const(1, 3, 7, 8)], kernel=(3, 3))
    yield make(kind, [arg(1, 16, 1, 1)], kernel=(1, 1))


def max_pool2d() -> Iterator[Case]:
    yield from _pool_cases("max_pool2d", ({}, {"ceil": True}))


def avg_pool2d() -> Iterator[Case]:
    yield from _pool_cases("avg_pool2d", ({}, {"ceil": True}, {"count_pad": True}, {"ceil": True, "count_pad": True}))


def global_avg_pool() -> Iterator[Case]:
    for i, channels in enumerate(CHANNELS):
        for plane in ((1, 1), (3, 5), (7, 7), (13, 17)):
            yield make("global_avg_pool", [arg(1 + 2 * (i % 2), channels, *plane)])
    yield make("global_avg_pool", [const(1, 3, 4, 5)])


KINDS = {"max_pool2d": max_pool2d, "avg_pool2d": avg_pool2d, "global_avg_pool": global_avg_pool}
