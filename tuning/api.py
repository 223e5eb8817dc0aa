"""What the face of the package needs around `tune`: dimensions, passes, the database, and saving the result."""

from __future__ import annotations

import functools
import math
import shlex
import time
import warnings
from collections.abc import Mapping, Sequence
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING

import attrs

from plait.backends.build import build
from plait.backends.errors import WorkerError
from plait.backends.executable import Executable
from plait.backends.profiling.database import ProfileDatabase
from plait.backends.profiling.fleet import FleetProfiler, fleet
from plait.backends.profiling.freshness import Fresh
from plait.backends.profiling.job import IN_PLACE, STATES, STREAMED
from plait.backends.profiling.limits import Limits, find_limits, keep_limits, limits_job, limits_of
from plait.backends.profiling.local_workers import local_commands
from plait.backends.profiling.machine import this_machine
from plait.backends.profiling.profiler import Progress, WorkerProfiler
from plait.backends.runner import Runner
from plait.ir.diagnostics import Diagnostic, did_you_mean
from plait.ir.module import Module
from plait.passes import selection
from plait.passes.base import PassContext, pass_error
from plait.passes.bind_dims import BindDims
from plait.passes.manager import PassManager
from plait.passes.pipeline import Pipeline
from plait.tuning.bounds import Roof, python_step_us
from plait.tuning.lazy import Watch
from plait.tuning.race import Turns
from plait.tuning.saving import Saved, ToSave
from plait.tuning.select import Lazily, roofline_bounds
from plait.tuning.tuner import Tuned, tune

if TYPE_CHECKING:
    from plait.tuning.precision.report import PrecisionReport


class PlaitWarning(UserWarning):
    """Something works, but not as well or not quite as the caller may expect."""


@attrs.frozen(eq=False)
class TunedModel(Tuned):
    """A tuned module with its report; `save` writes it as a package, `runner` runs it."""

    precision: PrecisionReport | None = None
    """Which precisions layers have and what accuracy is lost, if they were chosen."""

    @functools.cached_property
    def executable(self) -> Executable:
        """The module lowered, its weights packed."""
        return build(self.module, self.report.threads)

    def save(self, path: str | PathLike[str], *, packed: bool = True) -> tuple[str, ...]:
        """Write a `.plait` package atomically.

        If `path` is a package of the same model, its plans for other machines and numbers of threads are kept; any
        other file is replaced.

        Args:
            packed: whether to store packed weights beside the original ones. Without them the package is smaller, and
                opening it takes as long as packing does.

        Returns:
            The device keys of all plans that the package now has.
        """
        return self.write(path, packed=packed).plans

    def write(self, path: str | PathLike[str], *, packed: bool = True) -> Saved:
        """Like `save`; returns also what lay there before.

        A package that has this plan with an equal report is left as it is.
        """
        return ToSave(self.module, self.report, self.machine, lambda: self.executable, packed).write(Path(path))

    def runner(self) -> Runner:
        """The tuned model ready to run, with the number of threads it was tuned for."""
        return Runner(self.module, executable=self.executable)


@attrs.frozen
class TuneOptions:
    """How `tune` measures.

    Args:
        state: where data are when a sample begins, see `plait.backends.profiling.job`.
        exhaustive: measure every entry, not only what decides.
        budget_s: seconds for measuring; when they are over, the best plan so far is taken, with its proven gap.
        race: how many of the best plans are run end to end, in turns, before one is kept; 0 runs none. Only plans whose
            predictions differ by less than they may be off take part, so often there is just one.
        interruptible: on a KeyboardInterrupt take the best plan so far, too. Otherwise it is raised; what was measured
            is kept in any case.
        watch: told of the standing before each round of measurements, and at the end.
        retry_failed: measure again what crashed, hung or failed before.
        workers: command lines of workers that measure, here or elsewhere, such as `ssh board plait worker`.
        jobs: workers of this machine that measure at the same time, each on cores of its own. 0: one worker on all
            cores, unless there are others.
        kind: of which class of machines, if the workers are of several: its first characters.
        max_error: routines that are farther than that from the reference are not chosen, by the 2-norm of the
            difference over that of the reference, on random numbers. Measuring takes longer, as the reference does.
    """

    state: str = attrs.field(default=STREAMED, validator=attrs.validators.in_(STATES))
    exhaustive: bool = False
    budget_s: float | None = None
    interruptible: bool = False
    race: int = 3
    watch: Watch = lambda standing: None
    retry_failed: bool = False
    workers: tuple[str, ...] = ()
    jobs: int = attrs.field(default=0, validator=attrs.validators.ge(0))
    kind: str = ""
    max_error: float | None = attrs.field(default=None, validator=attrs.validators.optional(attrs.validators.ge(0.0)))

    def __attrs_post_init__(self) -> None:
        if self.max_error is not None and self.state == IN_PLACE:
            raise ValueError("max_error needs routines that run alone; state in_place runs whole networks")


def known_limits(database: ProfileDatabase, threads: int) -> Limits:
    """The limits of this machine from the database; if it has none, they are measured, in haste, and kept. Of several
    threads, rates of arithmetic are at least those of one core times the threads."""
    if (found := find_limits(database, threads)) is None:
        from plait.backends.profiling.probes import hasty, measure_limits

        (found,) = measure_limits([threads], hasty([threads]))
        keep_limits(database, [found])
    return found if threads == 1 else found.at_least(known_limits(database, 1))


def tune_module(
    module: Module,
    *,
    threads: int = 1,
    routines: Sequence[str] = (),
    db: str | PathLike[str] | None = None,
    solver: str = "exact",
    progress: Progress | None = None,
    options: TuneOptions = TuneOptions(),
) -> TunedModel:
    """`plait.tuning.tune` with a profile database by path, on an optimised module with static shapes."""
    if threads < 1:
        raise ValueError(f"threads is {threads}, but must be at least 1")
    selection.solver(solver)  # a wrong one is said before anything is measured
    fresh = Fresh(failures=not options.retry_failed)
    path = Path(db) if db is not None else None
    with ProfileDatabase(path) as database, profiler_for(database, options, threads, fresh) as profiler:
        deadline = math.inf if options.budget_s is None else time.monotonic() + options.budget_s
        lazily = Lazily(
            roofline_bounds(lambda n: _roof(database, profiler, n), profiler),
            deadline,
            options.interruptible,
            options.watch,
        )
        found = tune(
            module,
            profiler,
            threads=threads,
            routines=routines,
            solver_name=solver,
            progress=progress,
            state=options.state,
            lazily=None if options.exhaustive or solver != "exact" else lazily,
            max_error=options.max_error,
            race=Turns(options.race, deadline, options.interruptible) if options.race else None,
        )
        for lost in getattr(profiler, "lost", ()):
            warnings.warn(PlaitWarning(f"not asked to the end: {lost.diagnostics[0].message}"), stacklevel=3)
    return TunedModel(*(getattr(found, field.name) for field in attrs.fields(Tuned)))


def profiler_for(
    database: ProfileDatabase, options: TuneOptions, threads: int, fresh: Fresh
) -> WorkerProfiler | FleetProfiler:
    """The profiler that options ask for: of one worker here, or of a fleet.

    Raises:
        WorkerError: P510, a worker does not start, its machine has another instruction set, or jobs would share cores.
    """
    if not options.workers and not options.jobs:
        return WorkerProfiler(database, fresh=fresh)
    here = [shlex.join(command) for command in local_commands(options.jobs, threads)]
    profiler = fleet(database, [*here, *options.workers], kind=options.kind, fresh=fresh, reference=True)
    there, mine = profiler.machine.isa, this_machine().isa
    if there != mine:
        profiler.close()
        # Which routines there are to be measured is found out here.
        message = f"the workers cannot be used: their machines run {there}, this one runs {mine}"
        raise WorkerError(Diagnostic("P510", message, hint="PLAIT_MAX_ISA can make them alike"))
    return profiler


def _roof(database: ProfileDatabase, profiler: WorkerProfiler | FleetProfiler, threads: int) -> Roof | None:
    """What bounds are made of, for the machine of a profiler; None if its limits cannot be measured."""
    if profiler.machine == this_machine():
        return Roof(known_limits(database, threads), python_step_us())
    found = find_limits(database, threads, profiler.machine)
    if found is None and (found := limits_of(profiler.run(limits_job(threads)))) is not None:
        keep_limits(database, [found], profiler.machine)
    # How long Python takes there is not known.
    return None if found is None else Roof(found, 0.0)


def optimized(module: Module, pipeline: str) -> Module:
    """A copy of a module after a pipeline."""
    passes = Pipeline.parse(pipeline)
    module = module.clone()
    PassManager(passes).run(module)
    return module


def bind_dims(module: Module, dims: Mapping[str, int]) -> Module:
    """A module with these symbolic dimensions bound: the module itself if there is nothing to do, else a copy.

    Raises:
        PassError: P201, a name is not a dimension of the module, or a size is below 1.
    """
    if not dims:
        return module
    known = module.main.symbols()
    for name, size in dims.items():
        if name not in known:
            hint = did_you_mean(name, known) or (
                f"its symbolic dimensions are {', '.join(known)}" if known else "it has none"
            )
            raise pass_error(f"the model has no symbolic dimension {name!r}", hint)
        if size < 1:
            raise pass_error(f"dimension {name} is bound to {size}, but sizes are at least 1")
    module = module.clone()
    BindDims(tuple(dims.items())).run(module, PassContext())
    return module


def bind_open_dims(module: Module, stacklevel: int = 3) -> Module:
    """A module whose remaining symbolic dimensions are 1, with a `PlaitWarning` for each, at the place of a caller."""
    symbols = module.main.symbols()
    for name in symbols:
        warnings.warn(
            PlaitWarning(f"dimension {name} is symbolic; using 1 (set with dims={{{name!r}: ...}})"),
            stacklevel=stacklevel,
        )
    return bind_dims(module, dict.fromkeys(symbols, 1))
