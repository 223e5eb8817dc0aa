"""The near end of workers: refused greetings, deadlines, machines that are gone, nets that are run."""

from __future__ import annotations

import json
import os
import sys
import threading
import time
from pathlib import Path
from typing import Any

import attrs
import numpy as np
import pytest

from plait.backends.errors import WorkerError
from plait.backends.profiling.job import Job, Result
from plait.backends.profiling.worker_check import try_worker
from plait.backends.profiling.worker_client import PipeBefore, WorkerProcess
from plait.backends.profiling.worker_hello import PROTOCOL, Hello, this_hello
from plait.ir.text.parser import parse_module

RELU = "ir 1\nnet @main(%x0: f32[64]) -> (%y0: f32[64]) {\n  %y0 = relu(%x0) : f32[64] via cpu/f32/nchw/vector\n}\n"
JOB = Job("relu", "cpu/f32/nchw/vector", "1", 1, RELU)
# Speaks without plait, so that it starts at once. Each file of the folder lets one more of it greet.
TOY = """
import json, os, struct, sys, time
def say(data):
    body = json.dumps(data).encode()
    os.write(1, struct.pack("<I", len(body)) + body)
def hear():
    size = struct.unpack("<I", sys.stdin.buffer.read(4))[0]
    return json.loads(sys.stdin.buffer.read(size))
greeting, folder = json.loads(sys.argv[1]), sys.argv[2]
lives = os.listdir(folder)
if not lives:
    sys.exit("no route to host")
os.remove(os.path.join(folder, lives[0]))
say(greeting)
exec(sys.argv[3])
"""
ANSWER = "while True: hear(); say({'status': 'ok', 'samples': [5], 'message': ''})"


@pytest.fixture
def lives(tmp_path: Path) -> Path:
    folder = tmp_path / "lives"
    folder.mkdir()
    for n in range(2):
        (folder / str(n)).touch()
    return folder


def toy(lives: Path, code: str = ANSWER, **greeting: Any) -> WorkerProcess:
    hello = {**this_hello().to_json(), **greeting}
    return WorkerProcess((sys.executable, "-c", TOY, json.dumps(hello), str(lives), code))


# --- greetings ---


def test_the_greeting_says_who_it_is(lives: Path) -> None:
    with toy(lives, cores=[5, 6]) as worker:
        assert worker.hello == attrs.evolve(this_hello(), cores=(5, 6))
        assert worker.machine == this_hello().machine
        assert worker.run(JOB, None, 30) == Result("ok", (5,))


@pytest.mark.parametrize(
    "greeting, reason",
    [
        ({"worker": PROTOCOL + 1}, f"it speaks version {PROTOCOL + 1} of the protocol, not {PROTOCOL}"),
        ({"plait": "0.0.9"}, r"it has plait 0\.0\.9, this is plait "),
        ({"kernels": "0123456789abcdef"}, r"it has other kernels \(0123456789ab, not "),
        ({"machine": {"model": "m"}}, "its greeting is damaged: "),
        ({"machine": [1]}, "its greeting is damaged: "),
        ({"machine": {**this_hello().machine._asdict(), "cores": "many"}}, "its greeting is damaged: "),
        ({"cores": None}, "its greeting is damaged: "),
    ],
)
def test_greetings_that_are_refused(lives: Path, greeting: dict[str, Any], reason: str) -> None:
    worker = toy(lives, **greeting)
    with pytest.raises(WorkerError, match=rf"error\[P510\]: the worker `.*` cannot be used: {reason}"):
        worker.run(JOB, None, 30)
    assert worker.process is None


def test_greetings_survive_json() -> None:
    assert Hello.from_json(json.loads(json.dumps(this_hello().to_json()))) == this_hello()
    with pytest.raises(WorkerError, match="it does not greet as a worker does"):
        Hello.from_json({"ready": True})


@pytest.mark.parametrize(
    "command, reason",
    [
        (("echo", "Welcome to board"), "what was read is no frame: it starts with b'Welc'"),
        (("sh", "-c", "echo 'no such host' >&2; exit 255"), "it ended with exit status 255: no such host"),
        (("true",), "it ended with exit status 0"),
        (("/nonexistent/plait", "worker"), "it cannot be started: No such file or directory"),
    ],
)
def test_commands_that_are_no_workers(command: tuple[str, ...], reason: str) -> None:
    with pytest.raises(WorkerError) as caught:
        _ = WorkerProcess(command).hello
    assert caught.value.diagnostics[0].message.endswith(f"cannot be used: {reason}")


# --- who is to blame ---


def test_a_crash_tells_the_last_words(lives: Path) -> None:
    code = "sys.stderr.write('before\\n'); sys.stderr.flush(); hear(); sys.exit('munmap_chunk(): invalid pointer')"
    with toy(lives, code) as worker:
        message = "the worker ended with exit status 1: munmap_chunk(): invalid pointer"
        assert worker.run(JOB, None, 30) == Result("crashed", (), message)


@pytest.mark.parametrize("code", ["hear(); sys.exit(1)", "hear(); time.sleep(1000)"])
def test_no_routine_is_blamed_if_the_machine_is_gone(lives: Path, code: str) -> None:
    (lives / "0").unlink()
    with toy(lives, code) as worker, pytest.raises(WorkerError, match="it ended with exit status 1: no route to host"):
        worker.run(JOB, None, 1)


# --- deadlines ---


def test_beats_do_not_make_a_job_longer(lives: Path) -> None:
    with toy(lives, "hear()\nwhile True: say({'alive': 1}); time.sleep(0.05)") as worker:
        assert worker.run(JOB, None, 0.5) == Result("timeout", (), "no answer after 0.5 s")


def test_an_answer_after_beats(lives: Path) -> None:
    with toy(
        lives, "hear(); say({'alive': 1}); say({'alive': 2}); say({'status': 'ok', 'samples': [3], 'message': ''})"
    ) as w:
        assert w.run(JOB, None, 30) == Result("ok", (3,))


def test_silence(lives: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("plait.backends.profiling.worker_client.SILENCE_S", 0.3)
    with toy(lives, "hear(); time.sleep(1000)") as worker:
        assert worker.run(JOB, None, 30) == Result("timeout", (), "silent for 0.3 s")


def test_a_worker_that_does_not_listen(lives: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("plait.backends.profiling.worker_client.SILENCE_S", 0.3)
    huge = attrs.evolve(JOB, module="x" * 3_000_000)
    with toy(lives, "time.sleep(1000)") as worker:
        assert worker.run(huge, None, 30).status == "timeout"


def test_time_counts_in_steps_so_that_a_stopped_process_has_no_timeouts(monkeypatch: pytest.MonkeyPatch) -> None:
    reader, writer = os.pipe()
    clock = iter(range(0, 10**6, 1000))
    monkeypatch.setattr(time, "monotonic", lambda: float(next(clock)))
    with os.fdopen(reader, "rb", buffering=0) as pipe, os.fdopen(writer, "wb", buffering=0) as other:
        other.write(b"late")
        before = PipeBefore(pipe, 2.5)
        assert before.read(4) == b"late"
        assert before.waited_s == 1


def test_interrupting_a_job(lives: Path) -> None:
    worker = toy(lives, "hear(); say({'alive': 1}); time.sleep(1000)")
    timer = threading.Timer(0.2, worker.interrupt)
    with worker:
        assert worker.hello
        timer.start()
        with pytest.raises(WorkerError):
            worker.run(JOB, None, 30)
        with pytest.raises(WorkerError):
            worker.run(JOB, None, 30)


def test_a_worker_that_says_why_it_ends(lives: Path) -> None:
    said = pytest.raises(WorkerError, match="it says: what was read is no frame")
    with toy(lives, "hear(); say({'error': 'what was read is no frame'})") as worker, said:
        worker.run(JOB, None, 30)


# --- the real worker ---


NET = """ir 1
weights "" {
  @w : f32[32]
}
const @c : f32[2] = [1.0, 2.0]
net @main(%a: f32[32], %b: f32[32]) -> (%sum: f32[32], %y: f32[32]) {
  %sum = add(%a, %b) : f32[32] via cpu/f32/nchw/vector
  %y = mul(%sum, @w) : f32[32] via cpu/f32/nchw/vector
}
"""


def test_the_real_worker_runs_nets_and_goes_on_after_errors() -> None:
    module = parse_module(NET)
    w, a, b = (np.arange(32, dtype=np.float32) + n for n in range(3))
    module.constants["w"].supply(lambda: w)
    with WorkerProcess() as worker:
        found = worker.execute(module, [a, b])
        assert list(found) == ["sum", "y"]
        assert np.array_equal(found["sum"], a + b) and np.array_equal(found["y"], (a + b) * w)
        with pytest.raises(WorkerError, match="2 inputs and 1 constants are wanted, 2 tensors came"):
            worker.execute(module, [a])
        with pytest.raises(WorkerError, match="RunError"):
            worker.execute(module, [a, b[:3]])
        module.constants["w"]._data = w[:5]
        with pytest.raises(WorkerError, match=r"@w is f32\[32\].*, but float32\(5,\) came"):
            worker.execute(module, [a, b])
        assert worker.ask({}, 30) == Result(
            "failed", (), "the request has neither `job` nor `run`, but nothing"
        ).to_json() | {"samples": []}
        pid = worker.process.pid if worker.process else None
        assert worker.run(JOB, None, 60).ok and worker.process and worker.process.pid == pid


def test_the_real_worker_refuses_garbage_and_ends() -> None:
    with WorkerProcess() as worker:
        assert worker.hello.machine == this_hello().machine
        assert worker.process is not None and worker.process.stdin is not None
        worker.process.stdin.write(b"Hello, worker!\n")
        with pytest.raises(WorkerError, match="it says: what was read is no frame: it starts with b'Hell'"):
            worker.run(JOB, None, 30)
        assert worker.end() == "exit status 2"


def test_trying_a_worker() -> None:
    trial = try_worker(WorkerProcess().command)
    assert trial.hello == this_hello() and trial.measured.ok and trial.start_s > 0 and trial.answer_us > 0
    assert trial.to_json()["instance"] == this_hello().machine.instance
