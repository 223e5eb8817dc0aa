"""`tune`: candidates, profile, problem, solution, and back to the IR."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence

import attrs

from plait.backends.descriptor import RoutinePattern
from plait.backends.errors import RoutineError
from plait.backends.profiling.job import IN_PLACE, STREAMED, Job
from plait.backends.profiling.machine import Machine
from plait.backends.profiling.profiler import Profiler, Progress
from plait.backends.routine import applicable, refuse_value
from plait.ir.diagnostics import Diagnostic, IRError, join_names
from plait.ir.layer import Layer
from plait.ir.module import Module
from plait.passes.selection import runners_up, solver
from plait.passes.selection.build import BuiltProblem, build_problem
from plait.passes.selection.solution import Solution
from plait.tuning.accurate import Accurate
from plait.tuning.costs import MeasuredCosts
from plait.tuning.entries import Entries
from plait.tuning.race import Plan, Race, Turns, rivals, run_race
from plait.tuning.report import Certificate, LayerRow, TuningReport
from plait.tuning.select import Lazily, measure_all, measure_all_in_place, measure_lazily


@attrs.frozen(eq=False)
class Tuned:
    """A tuned module with its report, the problem and solution behind it, the best single-layout plan, and the machine
    whose times decided."""

    module: Module
    report: TuningReport
    problem: BuiltProblem
    solution: Solution
    single_layout_module: Module
    machine: Machine


def tune(
    module: Module,
    profiler: Profiler,
    *,
    threads: int = 1,
    routines: Sequence[str | RoutinePattern] = (),
    solver_name: str = "exact",
    progress: Progress | None = None,
    state: str = STREAMED,
    lazily: Lazily | None = None,
    race: Turns | None = None,
    max_error: float | None = None,
    alternatives: bool = True,
) -> Tuned:
    """Choose a routine for each layer of an optimised module. The module itself is not changed.

    Args:
        module: static shapes, no routines yet (those that are there are chosen anew).
        profiler: where times come from.
        progress: called before each measurement, see `plait.tune`.
        threads: number of threads that each layer may use; part of every measurement.
        routines: descriptor patterns that restrict the choice; the last that names a layer decides for it.
        solver_name: one of `plait.passes.selection.known_solvers()`.
        state: where data are when a sample begins, see `plait.backends.profiling.job`.
        lazily: measure only what decides (for an exact solver); default: everything.
        max_error: routines whose result on random numbers is farther than that from the reference are not chosen, by
            the 2-norm of the difference over that of the reference. Not for state `in_place`.
        race: run the best plans end to end; default: the predicted best is taken as it is.
        alternatives: also find the best other routine of each layer, for the report.

    Raises:
        IRError: P104, dimensions are symbolic.
        RoutineError: P403, a layer has no routine, or no conversions make the choices fit.
        DescriptorError: P404, a pattern is malformed or matches nothing.
    """
    _check_static(module)
    _check_values(module)
    patterns = [RoutinePattern.parse(given) if isinstance(given, str) else given for given in routines]
    work = module.clone()
    progress = None if progress is None else _Counting(progress)
    started = time.perf_counter()
    measured_before, seconds_before = getattr(profiler, "measured", 0), getattr(profiler, "seconds", 0.0)
    if max_error is not None:
        profiler = Accurate(profiler, max_error)
    entries = Entries(work.main, threads=threads, patterns=patterns, state=state, check=max_error is not None)
    count = len(set(entries.jobs()))
    if lazily is not None:
        found = measure_lazily(work, entries, profiler, progress, lazily)
    elif state == IN_PLACE:
        found = measure_all_in_place(work, entries, profiler, progress)
    else:
        found = measure_all(entries, profiler, progress)
    costs = found.costs
    profiled = time.perf_counter()
    _check_candidates(work, costs)
    problem = build_problem(work.main, costs)
    solution = solver(solver_name)(problem.problem)
    if not solution.found:
        raise RoutineError(Diagnostic("P403", f"no plan: {solution.describe()}"))
    if found.bound_us is not None:
        solution = attrs.evolve(solution, status="feasible", bound=min(found.bound_us, solution.cost))
    single = solver("single_format")(problem.problem)
    if not single.found:  # where a budget left conversions of it unmeasured
        single = solution
    others = runners_up(problem.problem, solution) if alternatives and solution.status == "optimal" else None
    solved = time.perf_counter()

    seconds: dict[int, tuple[str, float, bool]] = {}
    for row in others or ():
        layer = problem.layers[row.layer]
        if layer is not None and row.routine is not None:
            second = problem.candidates[layer][row.routine]
            seconds[row.layer] = (second.path, row.loss, second.samples != 0)
    measured = getattr(profiler, "measured", 0) - measured_before
    single_plan = Plan.of(work, costs, single)
    plan = Plan.of(work, costs, solution)
    raced = Race(plan)
    if race is not None and found.bound_us is None and solution.status == "optimal":
        plans = [plan, *rivals(work, costs, race.most)[1:]]
        raced = run_race(plans, profiler, threads, race, progress)
        if raced.winner is not plan:
            plan, seconds = raced.winner, {}
            solution = attrs.evolve(plan.solution, status="feasible", bound=solution.bound)
    ended = time.perf_counter()
    report = TuningReport(
        rows=tuple(_rows(plan, seconds)),
        predicted_us=solution.cost,
        bound_us=solution.bound,
        status=solution.status,
        solver=solution.solver,
        width=solution.width,
        adapts=plan.adapts,
        single_layout=_main_layout(single_plan.module),
        single_layout_us=single.cost,
        threads=threads,
        entries=count,
        measured=measured,
        profile_seconds=profiled - started,
        solve_seconds=solved - profiled,
        device=profiler.machine.device_key(threads),
        failures=tuple(
            f"{job.routine} on {job.signature}: {result.status} {result.message}" for job, result in costs.failures()
        ),
        state=state,
        certificate=_with_guesses(found.certificate, plan),
        measured_us=raced.measured_us,
        race=raced.rows,
        interrupted=raced.interrupted,
        race_seconds=ended - solved,
        measure_seconds=getattr(profiler, "seconds", 0.0) - seconds_before,
    )
    return Tuned(plan.module, report, plan.problem, solution, single_plan.module, profiler.machine)


@attrs.define
class _Counting:
    """Progress of several stages as that of one: measurements are counted on from stage to stage."""

    progress: Progress
    begun: int = 0

    def __call__(self, done: int, total: int, job: Job) -> None:
        self.begun += 1
        self.progress(self.begun - 1, self.begun - 1 + total - done, job)


def _rows(plan: Plan, seconds: Mapping[int, tuple[str, float, bool]]) -> Iterator[LayerRow]:
    """Rows of the layers of a plan; `seconds` has the runners-up by number of the layer in the problem."""
    runner_up = {layer: seconds[i] for i, layer in enumerate(plan.problem.layers) if layer is not None and i in seconds}
    for index, layer in enumerate(plan.module.main):
        routine, cost = layer.via or "", layer.cost_us or 0.0
        yield LayerRow(index, layer.results[0].name, layer.op, routine, cost, *runner_up.get(layer, ("", None, True)))


def _with_guesses(certificate: Certificate | None, plan: Plan) -> Certificate | None:
    chosen = [plan.problem.candidate(i, choice) for i, choice in enumerate(plan.solution.choice)]
    guessed = sum(c is not None and c.samples == 0 for c in chosen)
    return certificate and attrs.evolve(certificate, guessed=guessed)


def _check_static(module: Module) -> None:
    symbols = module.main.symbols()
    if symbols:
        raise IRError(
            Diagnostic(
                "P104",
                f"dimensions {join_names(symbols)} are symbolic; tuning needs numbers",
                hint=" ".join(f"--dim {s}=1" for s in symbols),
            )
        )


def _check_values(module: Module) -> None:
    values = [*module.main.arguments, *(r for layer in module.main for r in layer.results)]
    if reasons := [reason for value in values if (reason := refuse_value(value))]:
        raise RoutineError([Diagnostic("P403", f"only the reference runs this: {reason}") for reason in reasons])


def _check_candidates(module: Module, costs: MeasuredCosts) -> None:
    bare = [layer for index, layer in enumerate(module.main) if not costs.candidates(layer, index)]
    if bare:
        why = "; ".join(f"{job.routine}: {result.status} {result.message}" for job, result in costs.failures()[:3])
        raise RoutineError(
            [
                Diagnostic("P403", f"no routine can run {layer.describe()}", layer.span, hint=why or _refusal(layer))
                for layer in bare
            ]
        )


def _refusal(layer: Layer) -> str:
    """Why the last routine of a layer, the reference if there is one, does not run it."""
    return next((why for _, why in reversed(list(applicable(layer))) if why), "")


def _main_layout(module: Module) -> str:
    """The layout that most images of a plan have."""
    counts: dict[str, int] = {}
    for layer in module.main:
        for result in layer.results:
            if result.type.rank == 4:
                counts[result.type.layout.name] = counts.get(result.type.layout.name, 0) + 1
    return max(counts, key=lambda name: counts[name]) if counts else "row"
