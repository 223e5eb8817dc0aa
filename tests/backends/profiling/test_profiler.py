"""The profiler and its worker: the protocol, crashes, hangs, and nothing measured twice."""

from __future__ import annotations

import io
import os
import signal
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import attrs
import pytest

from plait.backends.errors import WorkerError
from plait.backends.profiling.database import ProfileDatabase
from plait.backends.profiling.job import Job, Result
from plait.backends.profiling.machine import this_machine
from plait.backends.profiling.profiler import WorkerProfiler
from plait.backends.profiling.worker import serve
from plait.backends.profiling.worker_client import WorkerProcess
from plait.backends.profiling.worker_frames import read_frame, write_frame
from plait.backends.profiling.worker_hello import Hello, this_hello

RELU = "ir 1\nnet @main(%x0: f32[64]) -> (%y0: f32[64]) {\n  %y0 = relu(%x0) : f32[64] via cpu/f32/nchw/vector\n}\n"
JOB = Job("relu", "cpu/f32/nchw/vector", "1", 1, RELU)
FAKE = """
import os, signal, sys, time
from plait.backends.profiling.worker_frames import read_frame, write_frame
from plait.backends.profiling.worker_hello import this_hello
source, sink = sys.stdin.buffer, sys.stdout.buffer
write_frame(sink, this_hello().to_json())
while (request := read_frame(source)) is not None:
    what, _, argument = request["job"]["signature"].partition(" ")
    with open(sys.argv[1], "a") as log:
        log.write(f"{os.getpid()} {what} {request['limit_ns']}\\n")
    if what == "ok":
        write_frame(sink, {"status": "ok", "samples": [int(argument)], "message": ""})
    elif what == "version":
        write_frame(sink, {"status": "ok", "samples": [int(request["job"]["version"])], "message": ""})
    elif what == "kill":
        os.kill(os.getpid(), getattr(signal, argument))
    elif what == "exit":
        sys.exit(int(argument))
    elif what == "hang":
        time.sleep(1000)
    elif what == "half":
        sink.write((50).to_bytes(4, "little") + b'{"status"')
        sink.flush()
        time.sleep(1000 if argument == "hang" else 0)
        sys.exit(4)
    elif what == "slow":
        body = b'{"status": "ok", "samples": [7], "message": ""}'
        for piece in (len(body).to_bytes(4, "little"), body[:9], body[9:]):
            sink.write(piece); sink.flush(); time.sleep(0.05)
    elif what == "last":
        write_frame(sink, {"status": "ok", "samples": [5], "message": ""})
        sys.exit(0)
"""


def job(what: str, routine: str = "cpu/f32/nchw/vector") -> Job:
    return attrs.evolve(JOB, signature=what, routine=routine)


@pytest.fixture
def database(tmp_path: Path) -> Iterator[ProfileDatabase]:
    with ProfileDatabase(tmp_path / "profile.sqlite") as opened:
        yield opened


@pytest.fixture
def log(tmp_path: Path) -> Path:
    (tmp_path / "log").touch()
    return tmp_path / "log"


def fake(database: ProfileDatabase, log: Path, timeout_s: float = 30) -> WorkerProfiler:
    return WorkerProfiler(database, timeout_s=timeout_s, command=(sys.executable, "-c", FAKE, str(log)))


def asked(log: Path) -> list[tuple[str, str]]:
    """What the workers were asked: (what, limit_ns)."""
    return [(what, best) for _, what, best in (line.split() for line in log.read_text().splitlines())]


def pids(log: Path) -> list[str]:
    return [line.split()[0] for line in log.read_text().splitlines()]


# --- frames ---


def test_frames() -> None:
    stream = io.BytesIO()
    for data in ({}, {"a": [1, 2], "ü": None}):
        write_frame(stream, data)
    assert stream.getvalue()[:6] == b"\x02\x00\x00\x00{}"
    stream.seek(0)
    assert [read_frame(stream), read_frame(stream), read_frame(stream)] == [{}, {"a": [1, 2], "ü": None}, None]


def test_cut_frames_are_the_end() -> None:
    stream = io.BytesIO()
    write_frame(stream, {"key": "value"})
    whole = stream.getvalue()
    assert [read_frame(io.BytesIO(whole[:n])) for n in range(len(whole))] == [None] * len(whole)


def test_sinks_that_take_a_part_are_written_on() -> None:
    class Narrow(io.RawIOBase):
        def __init__(self) -> None:
            self.data = b""

        def write(self, data: Any, /) -> int:
            self.data += bytes(data[:3])
            return min(3, len(data))

    sink = Narrow()
    write_frame(sink, {"key": "value"})
    assert read_frame(io.BytesIO(sink.data)) == {"key": "value"}


def test_serving_answers_every_job_and_outlives_errors() -> None:
    source, sink = io.BytesIO(), io.BytesIO()
    bad = attrs.evolve(JOB, module=RELU.replace("/vector", "/magic"))
    for request in (bad, attrs.evolve(JOB, module="nonsense"), JOB):
        write_frame(source, {"job": attrs.asdict(request), "limit_ns": None})
    source.seek(0)
    serve(source, sink)
    sink.seek(0)
    assert Hello.from_json(read_frame(sink) or {}) == this_hello()
    answers = [Result.from_json(a) for a in iter(lambda: read_frame(sink), None)]
    assert [a.status for a in answers] == ["failed", "failed", "ok"]
    assert "RoutineError" in answers[0].message and "P403" in answers[0].message
    assert "IRError" in answers[1].message


# --- measuring ---


def test_the_real_worker(database: ProfileDatabase) -> None:
    bad = attrs.evolve(JOB, routine="cpu/f32/nchw/magic", module=RELU.replace("/vector", "/magic"))
    results = WorkerProfiler(database).measure([JOB, bad])
    assert results[JOB].ok and results[JOB].cost_us > 0
    assert (results[bad].status, results[bad].samples) == ("failed", ())
    assert "not installed" in results[bad].message
    (session,) = database.sessions()
    assert len(session.references) == 2 and session.reference is not None and session.reference.gemm_us > 0


def test_what_is_measured_is_never_measured_again(database: ProfileDatabase, log: Path) -> None:
    jobs = [job("ok 5"), job("exit 3"), job("ok 7")]
    profiler = fake(database, log)
    first = profiler.measure(jobs)
    assert (profiler.measured, database.count(), len(asked(log))) == (3, 3, 3)
    seconds = profiler.seconds
    assert seconds > 0
    # Failures too; by this profiler and by any other on the same database.
    assert profiler.measure(jobs) == first == fake(database, log).measure(jobs)
    assert (profiler.measured, database.count(), len(asked(log))) == (3, 3, 3)
    assert profiler.seconds == seconds, "nobody has waited for the worker"


def test_no_worker_is_started_when_all_is_known(database: ProfileDatabase, log: Path) -> None:
    fake(database, log).measure([job("ok 5")])
    broken = WorkerProfiler(database, command=("/nonexistent",))
    assert broken.measure([job("ok 5")]) == {job("ok 5"): Result("ok", (5,))}
    assert broken.measured == 0
    with pytest.raises(WorkerError, match="cannot be started: No such file"):
        broken.measure([job("ok 6")])


def test_equal_jobs_are_measured_once(database: ProfileDatabase, log: Path) -> None:
    assert len(fake(database, log).measure([job("ok 5"), job("ok 5")])) == 1
    assert len(asked(log)) == 1


def test_progress_counts_what_is_measured(database: ProfileDatabase, log: Path) -> None:
    fake(database, log).measure([job("ok 5")])
    seen: list[tuple[int, int, str]] = []
    fake(database, log).measure(
        [job("ok 5"), job("ok 6"), job("ok 7")], lambda done, total, j: seen.append((done, total, j.signature))
    )
    assert seen == [(0, 2, "ok 6"), (1, 2, "ok 7")]


def test_the_best_known_time_of_a_layer_limits_the_others(database: ProfileDatabase, log: Path) -> None:
    fake(database, log).measure([job("ok 9", "cpu/f32/nchw/a")])
    fake(database, log).measure([job("ok 9", f"cpu/f32/nchw/{a}") for a in "abc"] + [job("ok 4", "cpu/f32/nchw/a")])
    again = [("ok", "27"), ("ok", "27")]
    assert asked(log) == [("ok", "None"), ("ok", "27"), ("ok", "27"), ("ok", "None"), *again]


def test_near_ties_are_measured_twice(database: ProfileDatabase, log: Path) -> None:
    def routine(ns: int, name: str) -> Job:
        return attrs.evolve(job("version", f"cpu/f32/nchw/{name}"), version=str(ns))

    j, k, m = jobs = [routine(1000, "a"), routine(1099, "b"), routine(1101, "c")]
    results = fake(database, log).measure(jobs)
    assert [len(results[r].samples) for r in (j, k, m)] == [2, 2, 1]
    assert database.find_all(jobs, this_machine()) == results


def test_one_worker_serves_many_jobs(database: ProfileDatabase, log: Path) -> None:
    fake(database, log).measure([job(f"ok {n}") for n in range(5)])
    assert len(set(pids(log))) == 1


# --- crashes and hangs ---


@pytest.mark.parametrize(
    "what, message",
    [
        ("kill SIGSEGV", "the worker ended with SIGSEGV"),
        ("kill SIGKILL", "the worker ended with SIGKILL"),
        ("exit 3", "the worker ended with exit status 3"),
        ("half exit", "the worker ended with exit status 4"),
    ],
)
def test_a_crash_is_a_result_and_the_rest_is_measured(
    database: ProfileDatabase, log: Path, what: str, message: str
) -> None:
    jobs = [job("ok 5"), job(what), job("ok 7")]
    results = fake(database, log).measure(jobs)
    assert [results[j] for j in jobs] == [Result("ok", (5,)), Result("crashed", (), message), Result("ok", (7,))]
    first, second, third = pids(log)
    assert first == second != third
    assert database.count() == 3


@pytest.mark.parametrize("what", ["hang", "half hang"])
def test_a_hang_is_a_result_and_the_worker_is_gone(database: ProfileDatabase, log: Path, what: str) -> None:
    jobs = [job("ok 5"), job(what), job("ok 7")]
    results = fake(database, log, timeout_s=1).measure(jobs)
    assert [results[j] for j in jobs] == [
        Result("ok", (5,)),
        Result("timeout", (), "no answer after 1 s"),
        Result("ok", (7,)),
    ]
    for pid in set(pids(log)):
        with pytest.raises(ProcessLookupError):
            os.kill(int(pid), 0)


def test_an_answer_in_pieces(database: ProfileDatabase, log: Path) -> None:
    assert fake(database, log).measure([job("slow")]) == {job("slow"): Result("ok", (7,))}


def test_a_worker_killed_in_the_middle_of_a_job(database: ProfileDatabase, log: Path) -> None:
    def kill() -> None:
        deadline = time.monotonic() + 20
        while not log.read_text() and time.monotonic() < deadline:
            time.sleep(0.01)
        os.kill(int(pids(log)[0]), signal.SIGKILL)

    killer = threading.Thread(target=kill)
    killer.start()
    results = fake(database, log).measure([job("hang"), job("ok 3")])
    killer.join()
    assert results == {
        job("hang"): Result("crashed", (), "the worker ended with SIGKILL"),
        job("ok 3"): Result("ok", (3,)),
    }


def test_a_worker_that_died_between_jobs_is_not_held_against_the_next(log: Path) -> None:
    with WorkerProcess((sys.executable, "-c", FAKE, str(log))) as worker:
        assert worker.run(job("last"), None, 30) == Result("ok", (5,))
        assert worker.process is not None
        worker.process.wait(30)
        assert worker.run(job("ok 6"), None, 30) == Result("ok", (6,))


def test_results_are_kept_when_a_run_is_interrupted(database: ProfileDatabase, log: Path) -> None:
    def stop(done: int, total: int, job: Job) -> None:
        if done == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fake(database, log).measure([job(f"ok {n}") for n in range(5)], stop)
    assert database.count() == 2
    (pid,) = set(pids(log))
    with pytest.raises(ProcessLookupError):
        os.kill(int(pid), 0)


@pytest.mark.parametrize(
    "code, reason",
    [("import sys; sys.exit(9)", "it ended with exit status 9"), ("import os; os.abort()", "it ended with SIGABRT")],
)
def test_a_worker_that_does_not_start_is_no_result(database: ProfileDatabase, code: str, reason: str) -> None:
    """Else every routine would be held to crash, for good."""
    with pytest.raises(WorkerError) as caught:
        WorkerProfiler(database, command=(sys.executable, "-c", code)).measure([JOB])
    (found,) = caught.value.diagnostics
    assert found.code == "P510" and found.message.endswith(f"` cannot be used: {reason}")
    assert database.count() == 0


def test_a_worker_that_never_gets_ready(database: ProfileDatabase, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("plait.backends.profiling.worker_client.START_S", 0.2)
    with pytest.raises(WorkerError, match=r"cannot be used: it is not ready after 0\.2 s"):
        WorkerProfiler(database, command=(sys.executable, "-c", "import time; time.sleep(100)")).measure([JOB])
    assert database.count() == 0
