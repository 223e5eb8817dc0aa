"""The far end: what comes of cut and damaged requests, beats while it works, and its end when nobody listens."""

from __future__ import annotations

import io
import random
import subprocess
import sys
import threading
from typing import Any

import attrs
import pytest

from plait.backends.profiling import worker
from plait.backends.profiling.job import Job, Result
from plait.backends.profiling.worker import serve
from plait.backends.profiling.worker_frames import read_frame, write_frame
from plait.backends.profiling.worker_hello import this_hello

JOB = Job("relu", "cpu/f32/nchw/vector", "1", 1, "not needed")


@pytest.fixture(autouse=True)
def nothing_is_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("plait.backends.profiling.measure.measure", lambda job, limit_ns: Result("ok", (1,)))


def requests(*bodies: dict[str, Any]) -> bytes:
    stream = io.BytesIO()
    for body in bodies:
        write_frame(stream, body)
    return stream.getvalue()


def served(data: bytes) -> tuple[int, list[dict[str, Any]]]:
    """Exit status, and the answers after the greeting."""
    sink = io.BytesIO()
    status = serve(io.BytesIO(data), sink)
    sink.seek(0)
    greeting, *answers = iter(lambda: read_frame(sink), None)
    assert greeting == read_frame(io.BytesIO(requests(this_hello().to_json())))
    return status, answers


def test_cut_requests_are_the_end() -> None:
    whole = requests({"job": attrs.asdict(JOB), "limit_ns": None})
    for size in (0, 1, 4, 9, len(whole) - 1):
        assert served(whole[:size]) == (0, [])
    assert served(whole)[1] == [{"status": "ok", "samples": [1], "message": ""}]


def test_garbage_is_answered_and_ends_it() -> None:
    good = requests({"job": attrs.asdict(JOB)})
    status, (first, second) = served(good + b"GET / HTTP/1.1\r\n" + good)
    assert (status, first["status"]) == (2, "ok")
    assert second == {"error": "what was read is no frame: it starts with b'GET '"}


def test_requests_that_are_none_are_answered_and_it_goes_on() -> None:
    strange: list[dict[str, Any]] = [
        {},
        {"job": 7},
        {"job": {"signature": "x"}},
        {"run": {}},
        {"run": None},
        {"job": None, "run": 1},
    ]
    status, answers = served(requests(*strange, {"job": attrs.asdict(JOB)}))
    assert status == 0
    assert [a["status"] for a in answers] == ["failed"] * len(strange) + ["ok"]
    assert "unexpected keyword" in served(requests({"job": {**attrs.asdict(JOB), "new": 1}}))[1][0]["message"]


def test_damaged_streams_never_raise() -> None:
    rng = random.Random(7)
    whole = requests({"job": attrs.asdict(JOB)}, {"nothing": 1}, {"run": {"module": "ir 1", "threads": 1}})
    statuses = set()
    for _ in range(150):
        data = bytearray(whole)
        for _ in range(rng.randint(1, 3)):
            data[rng.randrange(len(data))] = rng.randrange(256)
        statuses.add(served(bytes(data))[0])
    assert statuses == {0, 2}


def test_it_beats_while_it_works(monkeypatch: pytest.MonkeyPatch) -> None:
    beaten = threading.Event()

    class Sink(io.BytesIO):
        def write(self, data: Any, /) -> int:
            if b'"alive"' in bytes(data):
                beaten.set()
            return super().write(data)

    def measure(job: Job, limit_ns: int | None) -> Result:
        assert beaten.wait(60)
        return Result("ok", (1,))

    monkeypatch.setattr("plait.backends.profiling.measure.measure", measure)
    monkeypatch.setattr(worker, "BEAT_S", 0.01)
    sink = Sink()
    assert serve(io.BytesIO(requests({"job": attrs.asdict(JOB)})), sink) == 0
    sink.seek(0)
    _, *beats, last = iter(lambda: read_frame(sink), None)
    assert beats and all(b["alive"] > 0 for b in beats) and last["status"] == "ok"


def test_it_ends_when_nobody_listens_whatever_it_is_at() -> None:
    code = (
        "import threading; from plait.backends.profiling import measure, worker\n"
        "measure.measure = lambda job, limit: threading.Event().wait()\n"
        "worker.BEAT_S = 0.05\n"
        "worker.main()"
    )
    with subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdin is not None and process.stdout is not None
        assert read_frame(process.stdout) is not None
        write_frame(process.stdin, {"job": attrs.asdict(JOB)})
        process.stdout.close()
        assert process.wait(60) == 1
