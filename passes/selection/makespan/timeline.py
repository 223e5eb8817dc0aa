"""What each device does when: a plan on one queue per device.

Rules:

* A layer runs on the device of its first output's format; without outputs, of its first input's.
* A conversion within a device runs there.  Between devices it is a *transfer*: ``both`` devices are busy for as long
  as it takes, or ``neither`` is, as with an engine of its own.
* Tasks have the order of the schedule; a conversion stands right before the first layer that needs what it makes.  The
  task that can start earliest is started, of equals the first in this order (list scheduling): a device that is free
  takes the first task whose operands are there.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal, TypeAlias

import attrs

from plait.passes.selection.problem import Problem, Routine
from plait.passes.selection.solution import Conversion, source_format, wanted_formats

Transfers: TypeAlias = Literal["both", "neither"]


@attrs.frozen
class Task:
    """A layer or a conversion in time, in ``problem.unit``; ``devices`` are those that it keeps busy."""

    name: str
    kind: Literal["layer", "conversion", "transfer"]
    index: int
    """Of the layer, or of the value that is converted."""
    devices: tuple[int, ...]
    start: float
    end: float
    waits: tuple[int, ...] = ()
    """The tasks whose results it takes."""


@attrs.frozen
class Timeline:
    """Tasks in the order in which they start."""

    tasks: tuple[Task, ...]
    devices: tuple[int, ...]

    @property
    def makespan(self) -> float:
        """When the last task ends."""
        return max((t.end for t in self.tasks), default=0.0)

    @property
    def busy(self) -> dict[int, float]:
        """How long each device works."""
        return {d: sum(t.end - t.start for t in self.tasks if d in t.devices) for d in self.devices}


@attrs.frozen
class _Job:
    """A conversion of a value: of the producer's copy (``parent`` -1) or of what another job of the value made."""

    parent: int
    source: int
    target: int


def device_of(problem: Problem, routine: Routine) -> int:
    """The device on which a routine runs."""
    ports = (*routine.outputs, *routine.inputs)
    return problem.formats[ports[0]].device if ports else 0


def simulate(
    problem: Problem, choice: Sequence[int], conversions: Sequence[Conversion], transfers: Transfers = "both"
) -> Timeline:
    """Run a plan on one queue per device."""
    return _Simulation(problem, choice, conversions, transfers).run()


class _Simulation:
    def __init__(
        self, problem: Problem, choice: Sequence[int], conversions: Sequence[Conversion], transfers: Transfers
    ) -> None:
        self.problem, self.choice, self.transfers = problem, choice, transfers
        self.jobs: list[list[_Job]] = []
        self.job_of_use: dict[tuple[int, int], int] = {}
        listed: dict[int, list[tuple[int, int]]] = {}
        for value, source, target in conversions:
            listed.setdefault(value, []).append((source, target))
        for value in range(len(problem.values)):
            self.jobs.append(self._jobs(value, listed.get(value, [])))
        self.tasks: list[Task] = []
        self.made: dict[tuple[int, int], int] = {}
        """(value, job or -1 for the producer's copy) -> task."""

    def run(self) -> Timeline:
        for i, layer in enumerate(self.problem.layers):
            routine = self.problem.routines(i)[self.choice[i]]
            needs = tuple(self._copy(v, self.job_of_use[i, p]) for p, v in enumerate(layer.inputs))
            task = self._issue(layer.name, "layer", i, (device_of(self.problem, routine),), routine.cost, needs)
            self.made.update({(v, -1): task for v in layer.outputs})
        devices = sorted({f.device for f in self.problem.formats} | {d for t in self.tasks for d in t.devices})
        return Timeline(tuple(_scheduled(self.tasks, devices)), tuple(devices))

    def _jobs(self, value: int, steps: list[tuple[int, int]]) -> list[_Job]:
        """The conversions of a value, and which of them each use waits for."""
        problem = self.problem
        source, jobs = source_format(problem, self.choice, value), list[_Job]()
        wanted = wanted_formats(problem, self.choice, value)
        ends: dict[int, int] = {source: -1}
        if problem.sharing == "tree":
            for a, b in steps:
                jobs.append(_Job(ends[a], a, b))
                ends[b] = len(jobs) - 1
        for use, format in zip(problem.uses[value], wanted, strict=True):
            if format not in ends or (problem.sharing == "none" and format != source):
                last = -1
                for a, b in problem.planner(value).path(source, format):
                    jobs.append(_Job(last, a, b))
                    last = len(jobs) - 1
                ends[format] = last
            self.job_of_use[use] = ends[format]
        return jobs

    def _copy(self, value: int, job: int) -> int:
        """The task that makes a copy of a value; issued now if it was not yet."""
        if (value, job) not in self.made:
            wish = self.jobs[value][job]
            before = self._copy(value, wish.parent)
            first, last = (self.problem.formats[f].device for f in (wish.source, wish.target))
            cost = self.problem.adapts[self.problem.values[value].adapt].cost[wish.source][wish.target]
            kind: Literal["conversion", "transfer"] = "conversion" if first == last else "transfer"
            devices = (first,) if first == last else (first, last) if self.transfers == "both" else ()
            label = self.problem.values[value].name or f"value {value}"
            name = f"{label} to {self.problem.formats[wish.target].name}"
            self.made[value, job] = self._issue(name, kind, value, devices, cost, (before,))
        return self.made[value, job]

    def _issue(
        self,
        name: str,
        kind: Literal["layer", "conversion", "transfer"],
        index: int,
        devices: tuple[int, ...],
        cost: float,
        needs: tuple[int, ...],
    ) -> int:
        self.tasks.append(Task(name, kind, index, devices, 0.0, cost, needs))
        return len(self.tasks) - 1


def _scheduled(tasks: Sequence[Task], devices: Sequence[int]) -> list[Task]:
    """The tasks with their times, in the order in which they start; they come as if each started at once."""
    free = dict.fromkeys(devices, 0.0)
    missing = [len(set(t.waits)) for t in tasks]
    readers: list[list[int]] = [[] for _ in tasks]
    for number, task in enumerate(tasks):
        for before in set(task.waits):
            readers[before].append(number)
    place: dict[int, int] = {}
    done: list[Task] = []

    def start(number: int) -> float:
        ready = (done[place[t]].end for t in tasks[number].waits)
        return max(*ready, *(free[d] for d in tasks[number].devices), 0.0, 0.0)

    waiting = [number for number, count in enumerate(missing) if not count]
    while waiting:
        at, number = min((start(n), n) for n in waiting)
        waiting.remove(number)
        task = tasks[number]
        end = at + task.end
        for device in task.devices:
            free[device] = end
        place[number] = len(done)
        done.append(attrs.evolve(task, start=at, end=end, waits=tuple(place[t] for t in task.waits)))
        for reader in readers[number]:
            missing[reader] -= 1
            if not missing[reader]:
                waiting.append(reader)
    return done


def chrome_trace(problem: Problem, timeline: Timeline) -> dict[str, Any]:
    """The timeline as a trace that Perfetto and chrome://tracing show: a row per device, and one for transfers that
    keep no device busy. Times count as microseconds."""
    links = max(timeline.devices, default=0) + 1
    names = {d: f"device {d}" for d in timeline.devices} | {links: "transfers"}
    events: list[dict[str, Any]] = [
        {"ph": "M", "name": "thread_name", "pid": 1, "tid": tid, "args": {"name": name}} for tid, name in names.items()
    ]
    for task in timeline.tasks:
        for row in task.devices or (links,):
            events.append(
                {
                    "ph": "X",
                    "name": task.name,
                    "cat": task.kind,
                    "pid": 1,
                    "tid": row,
                    "ts": task.start,
                    "dur": task.end - task.start,
                }
            )
    return {"traceEvents": events, "otherData": {"problem": problem.name, "unit": problem.unit}}
