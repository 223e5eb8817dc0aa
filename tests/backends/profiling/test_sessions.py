"""Sessions with their references, and which measurements count as fresh."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import attrs
import pytest

from plait.backends.profiling import database as module
from plait.backends.profiling.database import ProfileDatabase
from plait.backends.profiling.environment import this_environment
from plait.backends.profiling.freshness import DRIFT, Fresh
from plait.backends.profiling.job import Job, Result
from plait.backends.profiling.machine import Machine, this_machine
from plait.backends.profiling.measure import measure
from plait.backends.profiling.profiler import WorkerProfiler
from plait.backends.profiling.session import COPY, GEMM, Reference, Session, time_reference, typical

NORMAL, SLOW = Reference(100.0, 50.0), Reference(100.0, 60.0)


def test_what_follows_the_begin_of_a_session_is_in_it(path: Path, facts: Any) -> None:
    with ProfileDatabase(path) as database:
        database.add(facts.job, facts.here, facts.ok)
        assert database.begin(facts.here, facts.session()) == facts.session()
        database.add(facts.job, facts.here, attrs.evolve(facts.ok, error=0.5))
        database.add(facts.job, facts.sibling, facts.ok)
        rows = [(r.machine, r.session, r.environment, r.error) for r in database.rows()]
    assert sorted(rows, key=str) == sorted(
        [
            (facts.here.instance, "", "", None),
            (facts.here.instance, "5e55", "env-k1", 0.5),
            (facts.sibling.instance, "", "", None),
        ],
        key=str,
    )


def test_a_session_may_be_given(path: Path, facts: Any) -> None:
    with ProfileDatabase(path) as database:
        database.begin(facts.here, facts.session())
        database.add(facts.job, facts.here, facts.ok, session=facts.session("other"))
        assert [r.session for r in database.rows()] == ["other"]
        assert {s.session.id for s in database.sessions()} == {"5e55", "other"}


def test_a_session_of_this_process(path: Path, facts: Any) -> None:
    from plait.kernels_pyx import version_hash

    with ProfileDatabase(path) as database:
        started = database.begin(facts.here)
        (record,) = database.sessions(facts.here.instance)
    assert record.session == started and len(started.id) == 16
    assert (started.machine, started.kernels) == (facts.here.instance, version_hash())
    # Of another machine nothing is known but the kernels.
    assert (started.environment, started.governor) == ("", "")


def test_a_session_on_this_machine() -> None:
    here, environment = Session.start(), this_environment()
    assert (here.machine, here.environment) == (this_machine().instance, environment.fingerprint)
    assert (here.kernels, here.governor) == (environment.kernels, environment.governor)
    assert Session.start().id != here.id
    told = Session.start(environment=attrs.evolve(environment, governor="other"))
    assert told.governor == "other" and told.environment != here.environment


def test_references_lie_with_their_session(path: Path, facts: Any) -> None:
    with ProfileDatabase(path) as database:
        session = database.begin(facts.here, facts.session())
        database.add_reference(session, NORMAL)
        database.add_reference(session, SLOW)
        database.add_reference(session, None)
        database.begin(facts.sibling, facts.session("far", machine=facts.sibling))
        assert [s.references for s in database.sessions(facts.here.instance)] == [(NORMAL, SLOW)]
        assert [s.references for s in database.sessions(facts.sibling.instance)] == [()]
        (record,) = database.sessions(facts.here.instance)
        assert (record.reference, record.moved) == (Reference(100.0, 55.0), 1.2)


def test_drift_is_the_larger_factor_either_way() -> None:
    assert NORMAL.drift_from(SLOW) == SLOW.drift_from(NORMAL) == 1.2
    assert NORMAL.drift_from(NORMAL) == 1.0
    assert Reference(80.0, 50.0).drift_from(NORMAL) == 1.25
    assert Reference(0.0, 50.0).drift_from(NORMAL) == float("inf")


def test_the_typical_reference() -> None:
    assert typical([]) is None
    assert typical([Reference(1.0, 9.0), Reference(3.0, 7.0), Reference(2.0, 8.0)]) == Reference(2.0, 8.0)


def test_the_reference_jobs_can_be_measured() -> None:
    found = time_reference(measure)
    assert found is not None and found.gemm_us > 0 and found.copy_us > 0


@pytest.mark.parametrize("broken", [GEMM, COPY])
def test_without_times_there_is_no_reference(broken: Job) -> None:
    ok, crash = Result("ok", (2000,)), Result("crashed", (), "why")
    assert time_reference(lambda job: ok) == Reference(2.0, 2.0)
    assert time_reference(lambda job: crash if job is broken else ok) is None


# --- what is fresh ---


def found_with(fresh: Fresh, path: Path, facts: Any) -> Result | None:
    with ProfileDatabase(path) as database:
        return database.find(facts.job, facts.here, fresh)


def add(path: Path, facts: Any, *references: Reference, name: str = "5e55", kernels: str = "k1", ns: int = 7) -> None:
    """A session with these references and one measurement."""
    with ProfileDatabase(path) as database:
        session = database.begin(facts.here, facts.session(name, kernels=kernels))
        for reference in references:
            database.add_reference(session, reference)
        database.add(facts.job, facts.here, Result("ok", (ns,)))


def test_another_environment_is_stale(path: Path, facts: Any) -> None:
    add(path, facts)
    assert found_with(Fresh(environment="env-k1"), path, facts) == Result("ok", (7,))
    assert found_with(Fresh(environment="env-k2"), path, facts) is None
    assert found_with(Fresh(), path, facts) == Result("ok", (7,))


def test_files_without_sessions_are_taken_as_they_are(version_1: Path, facts: Any) -> None:
    fresh = Fresh(environment="any", drift=DRIFT, reference=NORMAL)
    assert found_with(fresh, version_1, facts) == facts.ok
    assert found_with(attrs.evolve(fresh, days=1), version_1, facts) is None


def test_failures_on_request(path: Path, facts: Any) -> None:
    with ProfileDatabase(path) as database:
        database.add(facts.job, facts.here, Result("crashed", (), "why"))
    assert found_with(Fresh(), path, facts) == Result("crashed", (), "why")
    assert found_with(Fresh(failures=False), path, facts) is None


def test_an_older_measurement_that_is_fresh_is_found(path: Path, facts: Any) -> None:
    add(path, facts, ns=7)
    add(path, facts, name="later", kernels="k2", ns=8)
    assert found_with(Fresh(environment="env-k1"), path, facts) == Result("ok", (7,))
    assert found_with(Fresh(), path, facts) == Result("ok", (8,))


@pytest.mark.parametrize(("age_days", "found"), [(0, True), (2.9, True), (3.1, False), (-0.5, True), (-30, False)])
def test_age(path: Path, facts: Any, monkeypatch: pytest.MonkeyPatch, age_days: float, found: bool) -> None:
    """Stamps of the far future are of a wrong clock: their age is not known."""
    now = time.time()
    monkeypatch.setattr(module.time, "time", lambda: now - age_days * 86400)
    add(path, facts)
    monkeypatch.setattr(module.time, "time", lambda: now)
    assert (found_with(Fresh(days=3), path, facts) is not None) == found


def test_sessions_on_a_slower_machine_are_in_doubt(path: Path, facts: Any) -> None:
    for number in range(3):
        add(path, facts, NORMAL, NORMAL, name=f"n{number}", ns=number)
    add(path, facts, SLOW, SLOW, name="slow", ns=9)
    assert found_with(Fresh(drift=DRIFT), path, facts) == Result("ok", (2,))
    assert found_with(Fresh(drift=1.3), path, facts) == Result("ok", (9,))
    assert found_with(Fresh(drift=DRIFT, reference=SLOW), path, facts) == Result("ok", (9,))


def test_sessions_during_which_the_machine_changed_are_in_doubt(path: Path, facts: Any) -> None:
    add(path, facts, NORMAL, SLOW)
    assert found_with(Fresh(drift=DRIFT), path, facts) is None


def test_references_of_other_kernels_are_not_compared(path: Path, facts: Any) -> None:
    for number in range(3):
        add(path, facts, NORMAL, name=f"n{number}")
    add(path, facts, SLOW, name="new", kernels="k2", ns=9)
    assert found_with(Fresh(drift=DRIFT), path, facts) == Result("ok", (9,))


def test_one_session_is_its_own_standard(path: Path, facts: Any) -> None:
    add(path, facts, NORMAL)
    assert found_with(Fresh(drift=DRIFT), path, facts) == Result("ok", (7,))


# --- the profiler ---


class Stub:
    """A worker that takes 5 µs for everything but `crash`, and remembers what it was asked."""

    def __init__(self, machine: Machine) -> None:
        self.machine = machine
        self.asked: list[str] = []

    def run(self, job: Job, limit_ns: int | None, timeout_s: float) -> Result:
        self.asked.append(job.signature)
        return Result("crashed", (), "why") if job.signature == "crash" else Result("ok", (5000,) * 3)

    def stop(self) -> None:
        raise AssertionError("it was given, and is not to be stopped")

    def interrupt(self) -> None:
        raise AssertionError


REFERENCES = [GEMM.signature, COPY.signature]


def test_the_profiler_times_references_around_what_it_measures(path: Path, facts: Any) -> None:
    stub, crash = Stub(facts.here), attrs.evolve(facts.job, signature="crash")
    with ProfileDatabase(path) as database:
        profiler = WorkerProfiler(database, worker=stub, reference=True)
        profiler.measure([facts.job, crash])
        (record,) = database.sessions()
        assert record.references == (Reference(5.0, 5.0),) * 2 and record.session.machine == facts.here.instance
        assert {row.session for row in database.rows()} == {record.session.id}
        assert stub.asked == [*REFERENCES, facts.job.signature, "crash", *REFERENCES]
        assert profiler.measured == 2
        profiler.measure([facts.job, crash])
        assert len(database.sessions()) == 1, "nothing was measured"


def test_samples_on_request_are_one_session(path: Path, facts: Any) -> None:
    stub = Stub(facts.here)
    with ProfileDatabase(path) as database:
        with WorkerProfiler(database, worker=stub, reference=True) as profiler:
            profiler.sample([facts.job], {})
            profiler.sample([facts.job], {})
        assert [len(s.references) for s in database.sessions()] == [2]
        with WorkerProfiler(database, worker=stub, reference=True):
            pass
        assert len(database.sessions()) == 1
        with pytest.raises(KeyboardInterrupt), WorkerProfiler(database, worker=stub, reference=True) as profiler:
            profiler.sample([facts.job], {})
            raise KeyboardInterrupt
        assert sorted(len(s.references) for s in database.sessions()) == [1, 2]


def test_workers_elsewhere_and_of_others_are_left_alone(path: Path, facts: Any) -> None:
    stub = Stub(facts.here)
    with ProfileDatabase(path) as database:
        WorkerProfiler(database, worker=stub).measure([facts.job])
        assert stub.asked == [facts.job.signature] and database.sessions() == []


def test_what_is_stale_is_measured_again(path: Path, facts: Any) -> None:
    crash = attrs.evolve(facts.job, signature="crash")
    with ProfileDatabase(path) as database:
        for fresh, asked in ((None, True), (None, False), (Fresh(failures=False), True)):
            stub = Stub(facts.here)
            profiler = WorkerProfiler(database, worker=stub, fresh=fresh)
            profiler.measure([facts.job, crash])
            assert ("crash" in stub.asked) == asked, fresh
            # Once in the life of a profiler.
            profiler.measure([crash])
            assert stub.asked.count("crash") == asked
        assert facts.job.signature not in stub.asked
        assert [row.status for row in database.rows()] == ["crashed", "crashed", "ok"]


def test_results_of_another_environment_are_not_known(path: Path, facts: Any) -> None:
    here, now = this_machine(), this_environment()
    with ProfileDatabase(path) as database:
        profiler = WorkerProfiler(database)
        database.add(facts.job, here, Result("ok", (1,)))
        assert profiler.known([facts.job]) == {facts.job: Result("ok", (1,))}, "of no known environment"
        for governor, known in (("other", (1,)), (now.governor, (3,))):
            environment = attrs.evolve(now, governor=governor)
            session = Session.start(here, environment)
            database.add(facts.job, here, Result("ok", (2 if governor == "other" else 3,)), session=session)
            assert profiler.known([facts.job]) == {facts.job: Result("ok", known)}
        elsewhere = WorkerProfiler(database, worker=Stub(here))
        assert elsewhere.known([facts.job]) == {facts.job: Result("ok", (3,))}
        assert elsewhere.fresh == Fresh() and profiler.fresh.environment == now.fingerprint
