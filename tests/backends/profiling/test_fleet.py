"""Fleets: classes of machines, workers that are lost, executors of every sort, and the same results as one worker."""

from __future__ import annotations

import json
import os
import shlex
import signal
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import Executor, ProcessPoolExecutor, ThreadPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import attrs
import pytest

from plait.backends.errors import WorkerError
from plait.backends.profiling.database import ProfileDatabase
from plait.backends.profiling.fleet import FleetProfiler, fleet
from plait.backends.profiling.fleet_workers import Answer, ExecutorWorker, greet, run_job
from plait.backends.profiling.job import Job, Result
from plait.backends.profiling.machine import Machine, this_machine
from plait.backends.profiling.profiler import Profiler, WorkerProfiler
from plait.backends.profiling.worker_client import WorkerProcess
from plait.backends.profiling.worker_hello import this_hello

FAKE = str(Path(__file__).parent / "data" / "fake_worker.py")
RELU = "ir 1\nnet @main(%x0: f32[64]) -> (%y0: f32[64]) {\n  %y0 = relu(%x0) : f32[64] via cpu/f32/nchw/vector\n}\n"


def job(what: str, routine: str = "a") -> Job:
    return Job(what, f"cpu/f32/nchw/{routine}", "1", 1, "")


@attrs.frozen
class Lab:
    """Machines, and what they were asked."""

    folder: Path

    @property
    def log(self) -> Path:
        return self.folder / "log"

    def machine(self, host: str) -> Machine:
        """Hosts of one class have names that begin with the same letter."""
        return Machine(f"model {host[0]}", "avx2", 2, "L1D=32K", host, "Linux")

    def command(self, host: str) -> tuple[str, ...]:
        greeting = attrs.evolve(this_hello(), machine=self.machine(host)).to_json()
        return (sys.executable, "-S", FAKE, json.dumps(greeting), str(self.log))

    def workers(self, *hosts: str) -> list[WorkerProcess]:
        return [WorkerProcess(self.command(host)) for host in hosts]

    def asked(self) -> list[tuple[str, str]]:
        """(host, signature) of every request."""
        return [(host, what) for host, _, what in (row.split(maxsplit=2) for row in self.log.read_text().splitlines())]


@pytest.fixture
def lab(tmp_path: Path) -> Lab:
    (tmp_path / "log").touch()
    return Lab(tmp_path)


@pytest.fixture
def database(tmp_path: Path) -> Iterator[ProfileDatabase]:
    with ProfileDatabase(tmp_path / "profile.sqlite") as opened:
        yield opened


JOBS = [job(f"ok {n}", routine) for n in (50, 60, 70, 80) for routine in "abc"]


# --- spreading ---


def test_a_fleet_gives_what_one_worker_gives(database: ProfileDatabase, lab: Lab, tmp_path: Path) -> None:
    jobs = [*JOBS, job("kill"), job("ok 9")]
    with ProfileDatabase(tmp_path / "other.sqlite") as other:
        (one,) = lab.workers("b1")
        alone = WorkerProfiler(other, worker=one)
        wanted = alone.measure(jobs)
        one.stop()
    with FleetProfiler(database, lab.workers("b1", "b2"), kind=lab.machine("b").kind) as several:
        profiler: Profiler = several
        assert profiler.measure(jobs) == wanted
        assert several.measured == alone.measured == len(jobs)
        assert several.known(jobs) == wanted
        # Nothing is measured again, and jobs that are known have no progress.
        before = lab.asked()
        assert several.measure(jobs, lambda *_: pytest.fail("nothing is to be done")) == wanted
        assert lab.asked() == before


def test_a_layer_is_measured_by_one_machine_and_each_machine_has_its_rows(database: ProfileDatabase, lab: Lab) -> None:
    with FleetProfiler(database, lab.workers("b1", "b2")) as both:
        both.measure(JOBS)
        both.sample(JOBS, {})
    by_signature: dict[str, set[str]] = {}
    for host, what in lab.asked():
        by_signature.setdefault(what, set()).add(host)
    assert all(len(hosts) == 1 for hosts in by_signature.values())
    for signature, (host,) in by_signature.items():
        wanted = [j for j in JOBS if j.signature == signature]
        assert set(database.find_all(wanted, lab.machine(host))) == set(wanted)
        other = lab.machine("b1" if host == "b2" else "b2")
        assert not database.find_all(wanted, other)


def test_what_a_machine_measured_before_goes_to_it_again(database: ProfileDatabase, lab: Lab) -> None:
    for host, signature in (("b2", "ok 50"), ("b1", "ok 60")):
        (worker,) = lab.workers(host)
        with FleetProfiler(database, [worker]) as one:
            one.measure([job(signature)])
    lab.log.write_text("")
    with FleetProfiler(database, lab.workers("b1", "b2")) as both:
        again = both.sample([job("ok 50"), job("ok 60")], {})
        both.run(job("ok 60"))
    assert sorted(lab.asked()) == [("b1", "ok 60"), ("b1", "ok 60"), ("b2", "ok 50")]
    assert [len(again[job(s)].samples) for s in ("ok 50", "ok 60")] == [2, 2]


def test_progress_counts_over_all_workers(database: ProfileDatabase, lab: Lab) -> None:
    seen: list[tuple[int, int]] = []
    with FleetProfiler(database, lab.workers("b1", "b2")) as both:
        both.measure(JOBS, lambda done, total, job: seen.append((done, total)))
    # All of them are near ties, which are measured twice.
    assert seen == [(n, max(len(JOBS), n + 1)) for n in range(2 * len(JOBS))]


def test_times_of_other_machines_of_the_class(database: ProfileDatabase, lab: Lab) -> None:
    for host, ns in (("b7", 3000), ("b8", 2000), ("c1", 1000)):
        database.add(job("ok 5"), lab.machine(host), Result("ok", (ns,)))
    database.add(job("ok 6"), lab.machine("b7"), Result("crashed"))
    with FleetProfiler(database, lab.workers("b1")) as one:
        assert one.elsewhere([job("ok 5"), job("ok 6"), job("ok 7")]) == {job("ok 5"): 2.0}


# --- classes of machines ---


def test_each_class_has_its_own_results(database: ProfileDatabase, lab: Lab) -> None:
    with FleetProfiler(database, lab.workers("b1", "c1", "b2"), kind=lab.machine("c").kind[:6]) as mixed:
        assert mixed.machine == lab.machine("c1")
        assert list(mixed.kinds) == [lab.machine("b").kind, lab.machine("c").kind]
        mixed.measure(JOBS[:3])
        assert {host for host, _ in lab.asked()} == {"c1"}
        found = mixed.measure_all(JOBS)
        assert found == {kind: {j: found[kind][j] for j in JOBS} for kind in mixed.kinds}
    counts = {what: {h[0] for h, w in lab.asked() if w == what} for _, what in lab.asked()}
    assert all(classes == {"b", "c"} for classes in counts.values())


def test_it_must_be_clear_which_class_is_meant(database: ProfileDatabase, lab: Lab) -> None:
    with pytest.raises(WorkerError, match="its workers are of 2 classes of machines") as caught:
        FleetProfiler(database, lab.workers("b1", "c1"))
    assert f"{lab.machine('b').kind[:8]}: model b; avx2" in caught.value.diagnostics[0].hint
    with pytest.raises(WorkerError, match="its workers are of no class of machines 'zz'"):
        FleetProfiler(database, lab.workers("b1"), kind="zz")
    with pytest.raises(WorkerError, match="it has no workers"):
        FleetProfiler(database, [])


def test_this_machine_is_meant_if_it_is_there(database: ProfileDatabase, lab: Lab) -> None:
    here = (sys.executable, "-S", FAKE, json.dumps(this_hello().to_json()), str(lab.log))
    with FleetProfiler(database, [*lab.workers("b1"), WorkerProcess(here)]) as mixed:
        assert mixed.kind == this_machine().kind and mixed.machine == this_machine()


# --- losses ---


def test_a_killed_worker_loses_no_more_than_a_try(database: ProfileDatabase, lab: Lab) -> None:
    trap = lab.folder / "trap"
    trap.touch()
    with FleetProfiler(database, lab.workers("b1", "b2")) as both:
        found = both.measure([*JOBS, job(f"kill-once {trap}"), job("kill")])
    assert found[job(f"kill-once {trap}")] == Result("ok", (7,))
    assert found[job("kill")] == Result("crashed", (), "the worker ended with SIGKILL")
    assert all(found[j].ok for j in JOBS)
    assert [what for _, what in lab.asked()].count("kill") == 2


def test_what_a_lost_machine_had_is_measured_by_another(database: ProfileDatabase, lab: Lab) -> None:
    with FleetProfiler(database, lab.workers("b1", "b2")) as both:
        found = both.measure([job("gone b1"), *JOBS])
        assert found[job("gone b1")].ok and all(found[j].ok for j in JOBS)
        if ("b1", "gone b1") in lab.asked():
            assert "no route to host" in str(both.lost[0])
        assert both.measure([job("ok 99")])[job("ok 99")].ok


def test_when_nobody_is_left_it_says_so_and_keeps_what_is_measured(database: ProfileDatabase, lab: Lab) -> None:
    with FleetProfiler(database, lab.workers("b1")) as one:
        with pytest.raises(WorkerError, match="no route to host"):
            one.measure([*JOBS, job("gone b1"), job("ok 1")])
        assert set(one.known(JOBS)) == set(JOBS) and len(one.lost) == 1
        for again in (lambda: one.measure([job("ok 2")]), lambda: one.run(job("ok 2"))):
            with pytest.raises(WorkerError, match="no route to host"):
                again()


def test_a_hang_is_a_result(database: ProfileDatabase, lab: Lab) -> None:
    with FleetProfiler(database, lab.workers("b1", "b2"), timeout_s=1) as both:
        found = both.measure([job("hang"), *JOBS])
    assert found.pop(job("hang")) == Result("timeout", (), "no answer after 1 s")
    assert all(result.ok for result in found.values())


def test_interrupting_ends_what_runs_and_keeps_what_is_done(database: ProfileDatabase, lab: Lab) -> None:
    def interrupt() -> None:
        while ("b1", "hang") not in lab.asked() or ("b1", "ok 50") not in lab.asked():
            threading.Event().wait(0.01)
        os.kill(os.getpid(), signal.SIGINT)

    with FleetProfiler(database, lab.workers("b1")) as one:
        thread = threading.Thread(target=interrupt)
        thread.start()
        with pytest.raises(KeyboardInterrupt):
            one.measure([job("ok 50"), job("hang"), job("ok 60")])
        thread.join()
        assert set(one.known([job("ok 50"), job("hang"), job("ok 60")])) == {job("ok 50")}
        # And it can be used again.
        assert one.measure([job("ok 60")])[job("ok 60")].ok


def test_an_error_in_progress_comes_out(database: ProfileDatabase, lab: Lab) -> None:
    def stop(done: int, total: int, job: Job) -> None:
        raise RuntimeError("enough")

    with FleetProfiler(database, lab.workers("b1", "b2")) as both, pytest.raises(RuntimeError, match="enough"):
        both.measure(JOBS, stop)


# --- command lines ---


def test_a_fleet_of_command_lines(database: ProfileDatabase, lab: Lab, tmp_path: Path) -> None:
    """One of them looks as if it came from another machine, as by ssh: another home, another processor."""
    ssh = tmp_path / "ssh"
    ssh.write_text(
        "#!/bin/sh\n# ssh HOST COMMAND...\nshift\n"
        f"export HOME={shlex.quote(str(tmp_path))} PLAIT_MAX_ISA=baseline PLAIT_TEST_HOST=board\n"
        f"exec {shlex.quote(sys.executable)} -c '\n"
        "import os, platform\n"
        'platform.node = lambda: os.environ["PLAIT_TEST_HOST"]\n'
        "from plait.cli.main import main\n"
        "main()\n"
        '\' "$@"\n'
    )
    ssh.chmod(0o755)
    measured = Job("relu", "cpu/f32/nchw/vector", "1", 1, RELU)
    lines = [shlex.join([sys.executable, "-m", "plait", "worker"]), shlex.join([str(ssh), "board", "worker"])]
    with fleet(database, lines) as mixed:
        results = mixed.measure_all([measured])
        machines = mixed.kinds
    assert len(machines) == 2 and mixed.machine == this_machine()
    board = next(m for m in machines.values() if m != this_machine())
    assert (board.host, board.isa) == ("board", "baseline")
    for kind, machine in machines.items():
        assert results[kind][measured].ok
        assert database.find_all([measured], machine) == {measured: results[kind][measured]}


@pytest.mark.parametrize(
    "line, reason", [("sh -c '", "cannot be read: No closing quotation"), (" ", "a command line is empty")]
)
def test_command_lines_that_are_none(database: ProfileDatabase, line: str, reason: str) -> None:
    with pytest.raises(WorkerError, match=reason):
        fleet(database, [line])


# --- executors ---


def executors() -> list[Any]:
    return [
        pytest.param(lambda: ThreadPoolExecutor(2), id="threads"),
        pytest.param(lambda: ProcessPoolExecutor(1, mp_context=get_context("spawn")), id="processes"),
    ]


@pytest.mark.parametrize("make", executors())
def test_any_executor_can_drive_workers(database: ProfileDatabase, lab: Lab, make: Any) -> None:
    jobs = [*JOBS, job("kill"), job("ok 9")]
    with make() as executor:
        workers = [ExecutorWorker(executor, lab.command("b1")) for _ in range(2)]
        with FleetProfiler(database, workers) as several:
            found = several.measure(jobs)
        assert executor.submit(greet, lab.command("b1")).result() == lab.machine("b1")
        assert executor.submit(run_job, lab.command("b1"), job("ok 5")).result() == Answer(
            lab.machine("b1"), Result("ok", (5,))
        )
        # Errors come through processes, too.
        with pytest.raises(WorkerError, match="`/nonexistent/plait` cannot be used: it cannot be started"):
            FleetProfiler(database, [ExecutorWorker(executor, ("/nonexistent/plait",))])
    assert found.pop(job("kill")) == Result("crashed", (), "the worker ended with SIGKILL")
    assert {j: r.samples[0] for j, r in found.items()} == {j: int(j.signature.split()[1]) for j in found}
    assert database.find_all(jobs, lab.machine("b1")).keys() == set(jobs)


def test_jobs_of_one_process_do_not_run_at_the_same_time(lab: Lab) -> None:
    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(lambda n: run_job(lab.command("d1"), job(f"ok {n}")), range(8)))
    assert [a.result.samples for a in answers] == [(n,) for n in range(8)]
    assert len({row.split()[1] for row in lab.log.read_text().splitlines()}) == 1


class Losing(Executor):
    """Loses its first jobs, as clusters do."""

    def __init__(self, losses: int) -> None:
        self.losses, self.pool = losses, ThreadPoolExecutor(1)

    def submit(self, function: Any, /, *arguments: Any, **named: Any) -> Any:
        if function is run_job and self.losses:
            self.losses -= 1
            return self.pool.submit(self._lose)
        return self.pool.submit(function, *arguments, **named)

    def _lose(self) -> None:
        raise RuntimeError("worker killed")


def test_a_job_that_an_executor_lost_is_submitted_again(database: ProfileDatabase, lab: Lab) -> None:
    executor = Losing(1)
    with FleetProfiler(database, [ExecutorWorker(executor, lab.command("b1"))]) as one:
        assert all(r.ok for r in one.measure(JOBS).values())
        executor.losses = 2
        with pytest.raises(WorkerError, match="it lost a job: RuntimeError: worker killed"):
            one.measure([job("ok 1")])
    executor.pool.shutdown()


class Wandering(Executor):
    """Each job on another machine."""

    def __init__(self, commands: list[tuple[str, ...]]) -> None:
        self.commands, self.pool = commands, ThreadPoolExecutor(1)

    def submit(self, function: Any, /, *arguments: Any, **named: Any) -> Any:
        self.commands.append(self.commands.pop(0))
        return self.pool.submit(function, self.commands[0], *arguments[1:])


def test_rows_go_to_the_machine_that_answered(database: ProfileDatabase, lab: Lab) -> None:
    executor = Wandering([lab.command("b1"), lab.command("b2")])
    with FleetProfiler(database, [ExecutorWorker(executor)]) as one:
        one.measure([job("ok 50"), job("ok 60")])
    executor.pool.shutdown()
    rows = [set(database.find_all([job("ok 50"), job("ok 60")], lab.machine(host))) for host in ("b1", "b2")]
    assert rows == [{job("ok 50")}, {job("ok 60")}]


def test_an_executor_of_two_classes_is_refused(database: ProfileDatabase, lab: Lab) -> None:
    executor = Wandering([lab.command("b1"), lab.command("c1")])
    refused = pytest.raises(WorkerError, match="its machines are of two classes")
    with FleetProfiler(database, [ExecutorWorker(executor)]) as one, refused:
        one.measure([job("ok 50"), job("ok 60"), job("ok 70"), job("ok 80")])
    executor.pool.shutdown()
