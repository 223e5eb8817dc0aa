"""What is shown while measurements go on."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import attrs
import pytest

from plait.backends.profiling.job import Job
from plait.cli import progress
from plait.cli.progress import Measuring, Show, describe, duration, measuring
from plait.tuning.forecast import Forecast
from plait.tuning.lazy import Standing

JOB = Job("relu", "cpu/f32/nchw/vector", "1", 1, "")
STANDING = Standing(3, 40, 312.5, 300.0, wanted=10, open=10)


@attrs.define
class Clock:
    now: float = 0.0

    def __call__(self) -> float:
        return self.now


def shown(live: bool, step_s: float, count: int = 100) -> str:
    """What a stream gets of so many measurements, one every `step_s`."""
    clock, stream = Clock(), io.StringIO()
    show = Show(stream, live, clock)
    told = Measuring(Forecast(clock), show)
    told.watch(STANDING)
    for done in range(count):
        told(done, count, JOB)
        clock.now += step_s
    show.close()
    return stream.getvalue()


def test_a_line_now_and_then() -> None:
    lines = shown(live=False, step_s=0.5).splitlines()
    # The first at once, then every ten seconds.
    assert len(lines) == 5
    assert lines[1].startswith("measured 20, about 84 to go, about 42 s; best plan 0.312 ms, at most 4.0% to gain")
    assert not any("\r" in line or "\x1b" in line for line in lines)


def test_a_terminal_has_one_line_that_is_rewritten() -> None:
    text = shown(live=True, step_s=0.0625)
    assert "\n" not in text
    updates = text.split("\r\x1b[2K")
    # Ten a second at most, and in the end nothing is left.
    assert len(updates) == 1 + 50 + 1 and updates[0] == updates[-1] == ""


def test_lines_fit_the_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "30")
    assert {len(line) for line in shown(live=True, step_s=1.0).split("\r\x1b[2K")} == {0, 29}


def test_what_is_not_known_is_not_said() -> None:
    forecast = Forecast(Clock())
    forecast(0, 12, JOB)
    assert describe(forecast) == "measured 0, 12 to go"
    forecast.watch(Standing(1, 0, float("inf"), 10.0, wanted=12, open=12))
    assert describe(forecast) == "measured 0, at most 13 to go"


@pytest.mark.parametrize(
    "seconds, text",
    [(0.0, "1 s"), (59.6, "60 s"), (99.4, "99 s"), (99.6, "2 min"), (5400.0, "90 min"), (7260.0, "2 h 1 min")],
)
def test_durations(seconds: float, text: str) -> None:
    assert duration(seconds) == text


def test_tune_shows_progress_unless_asked_not_to(plait: Callable[..., Any], tiny: Path) -> None:
    assert "to go" in plait("tune", tiny, "-o", "a.plait").err
    for quiet in ("--json", "--quiet"):
        Path("other.sqlite").unlink(missing_ok=True)
        outcome = plait("tune", tiny, "-o", "a.plait", quiet, "--db", "other.sqlite")
        assert outcome.code == 0 and "to go" not in outcome.err and "\r" not in outcome.err
    assert json.loads(plait("tune", tiny, "-o", "a.plait", "--json", "--quiet").out)["measured"] == 0


def test_nothing_is_left_of_a_line_after_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    stream = io.StringIO()
    monkeypatch.setattr(stream, "isatty", lambda: True)
    monkeypatch.setattr(progress.sys, "stderr", stream)
    monkeypatch.setenv("TERM", "xterm")
    with pytest.raises(ValueError), measuring() as told:
        told(0, 3, JOB)
        raise ValueError
    assert "measured 0, 3 to go" in stream.getvalue() and stream.getvalue().endswith("\r\x1b[2K")
