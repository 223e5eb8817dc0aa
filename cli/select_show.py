"""How `plait select` shows solutions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import attrs
import click

from plait.cli.output import Table, note, print_json, warn
from plait.ir.diagnostics import join_names

if TYPE_CHECKING:
    from plait.passes.selection import Problem, Solution
    from plait.passes.selection.makespan import Scheduled, Timeline
    from plait.passes.selection.nbest import Ranking
    from plait.passes.selection.sensitivity import LayerSensitivity, RoutineSensitivity


def show_solution(
    problem: Problem,
    solution: Solution,
    as_json: bool,
    verbose: bool,
    sensitivity: tuple[LayerSensitivity, ...] | None = None,
) -> None:
    """The outcome as a table or JSON; the layers too where wanted (in JSON always)."""
    if as_json:
        data = solution_data(problem, solution)
        if sensitivity is not None:
            from plait.passes.selection.sensitivity import sensitivity_to_json

            data["sensitivity"] = sensitivity_to_json(problem, solution, sensitivity)
        print_json(data)
        return
    if sensitivity is not None:
        (show_routines if verbose else show_margins)(problem, sensitivity)
        click.echo()
    elif verbose and solution.found:
        show_choices(problem, solution)
        click.echo()
    table = Table(("status", f">cost {problem.unit}", ">bound", ">gap", ">width", ">time"))
    table.add(
        solution.status,
        number(solution.cost if solution.found else None),
        number(solution.bound),
        "" if solution.gap is None else f"{100 * solution.gap:.3g} %",
        "" if solution.width is None else solution.width,
        f"{1e3 * solution.seconds:.1f} ms",
    )
    table.show()
    if solution.found and problem.budgets:
        click.echo()
        show_budgets(problem, solution)


def number(value: float | None) -> str:
    """A cost for people."""
    return "" if value is None or value in (float("inf"), float("-inf")) else f"{value:.6f}".rstrip("0").rstrip(".")


def show_margins(problem: Problem, layers: tuple[LayerSensitivity, ...]) -> None:
    """For each layer what the plan loses without its routine: how much slower that may get and stay chosen."""
    table = Table((">#", "layer", "routine", f">margin {problem.unit}", "then"))
    for row in layers:
        routines, best = problem.routines(row.layer), row.alternative
        table.add(
            row.layer,
            problem.layers[row.layer].name,
            routines[row.chosen].name,
            "" if best is None else _bounded(best),
            "" if best is None else routines[best.routine].name,
        )
    table.show()


def show_routines(problem: Problem, layers: tuple[LayerSensitivity, ...]) -> None:
    """For each routine of each layer how much faster it must get to be chosen."""
    table = Table((">#", "layer", "routine", f">{problem.unit}", ">too slow by"))
    for row in layers:
        for entry in row.routines:
            routine = problem.routines(row.layer)[entry.routine]
            chosen = entry.routine == row.chosen
            name = problem.layers[row.layer].name
            loss = "chosen" if chosen else _bounded(entry) or "cannot be used"
            table.add(row.layer, name, routine.name, number(routine.cost), loss, dim=not chosen)
    table.show()


def _bounded(entry: RoutineSensitivity) -> str:
    """A loss; with a sign where only a bound is known."""
    text = number(max(0.0, entry.loss))
    return text if entry.exact or not text else f">= {text}"


def show_ranking(problem: Problem, ranking: Ranking, as_json: bool) -> None:
    """The best plans in order."""
    plans = ranking.solutions
    if as_json:
        data = {"schema": "selection-ranking/1", "problem": problem.name, "unit": problem.unit}
        rows = [{"cost": s.cost, "choice": s.choice, "conversions": s.conversions} for s in plans]
        print_json({**data, "proven": ranking.proven, "complete": ranking.complete, "plans": rows})
        return
    table = Table((">#", f">cost {problem.unit}", ">more", "unlike the best in"))
    for place, plan in enumerate(plans, 1):
        more = 100 * (plan.cost / plans[0].cost - 1) if plans[0].cost else 0.0
        pairs = zip(plans[0].choice, plan.choice, strict=True)
        names = [problem.layers[i].name for i, (a, b) in enumerate(pairs) if a != b]
        table.add(place, number(plan.cost), f"{more:.3g} %", join_names(names))
    table.show()
    if not ranking.proven:
        note("not proven: there may be better plans than these")
    elif ranking.complete:
        note("there are no other plans")


def show_choices(problem: Problem, solution: Solution) -> None:
    """Layers with their routines, and the conversions where their value is made."""
    table = Table((">#", "layer", "op", "routine", "in", "out", f">{problem.unit}"))
    after: dict[int, list[tuple[int, int, int]]] = {}
    for conversion in solution.conversions:
        after.setdefault(problem.producers[conversion[0]][0], []).append(conversion)
    names = [f.name for f in problem.formats]
    for i, (layer, k) in enumerate(zip(problem.layers, solution.choice, strict=True)):
        routine = problem.routines(i)[k]
        table.add(
            i, layer.name, layer.op, routine.name, formats(names, routine.inputs), formats(names, routine.outputs),
            number(routine.cost),
        )  # fmt: skip
        for value, source, target in after.get(i, ()):
            cost = problem.adapts[problem.values[value].adapt].cost[source][target]
            label = problem.values[value].name or f"value {value}"
            table.add("+", label, "adapt", "", names[source], names[target], number(cost), dim=True)
    table.show()


def formats(names: list[str], ports: tuple[int, ...]) -> str:
    """The formats of ports; one name where all are equal."""
    found = [names[f] for f in ports]
    return found[0] if found and len(set(found)) == 1 else ", ".join(found)


def show_budgets(problem: Problem, solution: Solution) -> None:
    """What a plan uses of each budget."""
    from plait.passes.selection.budgets.usage import usage

    table = Table(("budget", "kind", ">used", ">limit"))
    for budget, used in zip(
        problem.budgets, usage(problem, solution.choice, solution.conversions), strict=True
    ):  # fmt: skip
        table.add(budget.resource, budget.kind, number(used), number(budget.limit))
    table.show()


def solution_data(problem: Problem, solution: Solution) -> dict[str, Any]:
    """The outcome as JSON data."""
    data: dict[str, Any] = {
        "schema": "selection/1",
        "problem": problem.name,
        "sharing": problem.sharing,
        "unit": problem.unit,
        **attrs.asdict(solution, filter=attrs.filters.exclude("choice", "conversions", "conflict", "reason")),
        "gap": solution.gap,
    }
    if not solution.found:
        return data | {"conflict": solution.conflict, "reason": solution.describe()}
    names = [f.name for f in problem.formats]
    data["layers"] = [
        {"layer": layer.name, "op": layer.op, "routine": routine.name, "choice": k, "cost": routine.cost}
        for i, (layer, k) in enumerate(zip(problem.layers, solution.choice, strict=True))
        for routine in (problem.routines(i)[k],)
    ]
    data["conversions"] = [
        {"value": v, "from": names[a], "to": names[b], "cost": problem.adapts[problem.values[v].adapt].cost[a][b]}
        for v, a, b in solution.conversions
    ]
    if problem.budgets:
        data["budgets"] = budget_data(problem, solution)
    return data


def budget_data(problem: Problem, solution: Solution) -> list[dict[str, Any]]:
    """What a plan uses of each budget, as JSON data."""
    from plait.passes.selection.budgets.usage import usage

    found = usage(problem, solution.choice, solution.conversions)
    return [
        {"resource": b.resource, "kind": b.kind, "limit": b.limit, "used": used}
        for b, used in zip(problem.budgets, found, strict=True)
    ]


TOLERANCE = 1e-6
"""How far a claimed cost may be from the sum of the parts, for solutions of any origin."""


def show_check(problem: Problem, solution: Solution, as_json: bool) -> bool:
    """Check a solution and say what is wrong; whether nothing is."""
    from plait.passes.selection import check, objective

    complaints = check(problem, solution, tolerance=TOLERANCE)
    cost = objective(problem, solution.choice, solution.conversions) if solution.found else None
    if as_json:
        data = {
            "schema": "selection-check/1",
            "ok": not complaints,
            "complaints": complaints,
            "claimed": solution.cost,
            "cost": cost,
            "status": solution.status,
            "budgets": budget_data(problem, solution) if solution.found and not complaints else [],
        }
        print_json(data)
        return not complaints
    for complaint in complaints:
        warn(complaint)
    if not complaints:
        click.echo(f"ok: {solution.describe()}")
    return not complaints


def show_front(problem: Problem, resource: str, front: Sequence[tuple[float, float, Solution]], as_json: bool) -> None:
    """Plans from the cheapest to the most frugal."""
    if as_json:
        points = [
            {"cost": cost, "used": used, "status": s.status, "bound": s.bound, "choice": s.choice}
            for cost, used, s in front
        ]
        print_json({"schema": "selection-front/1", "problem": problem.name, "resource": resource, "points": points})
        return
    table = Table((f">{resource}", f">cost {problem.unit}", ">more", "status"))
    for cost, used, solution in front:
        more = 100 * (cost / front[0][0] - 1) if front[0][0] else 0.0
        table.add(number(used), number(cost), f"{more:.3g} %", solution.status)
    table.show()


def show_scheduled(problem: Problem, found: Scheduled, as_json: bool, verbose: bool) -> None:
    """A plan in time: makespan, bound, and how busy each device is."""
    from plait.passes.selection.makespan import critical_path

    timeline = found.timeline
    if as_json:
        print_json(solution_data(problem, found.solution) | _timeline_data(found))
        return
    assert timeline is not None
    if verbose:
        _show_timeline(timeline)
        click.echo()
    makespan, gap = timeline.makespan, 0.0
    if makespan > 0:
        gap = 100 * (makespan - found.bound) / makespan
    table = Table(("status", f">makespan {problem.unit}", ">bound", ">gap", ">critical path", ">sum", ">time"))
    table.add(
        "optimal" if found.optimal else "feasible",
        number(makespan),
        number(found.bound),
        f"{max(0.0, gap):.3g} %",
        number(critical_path(timeline)),
        number(found.solution.cost),
        f"{1e3 * found.solution.seconds:.1f} ms",
    )
    table.show()
    click.echo()
    devices = Table((">device", ">busy", ">share"))
    for device, busy in timeline.busy.items():
        devices.add(device, number(busy), f"{100 * busy / makespan if makespan else 0:.1f} %")
    devices.show()


def _show_timeline(timeline: Timeline) -> None:
    table = Table((">start", ">end", "device", "", "what"))
    for task in timeline.tasks:
        devices = " and ".join(map(str, task.devices)) or "-"
        table.add(number(task.start), number(task.end), devices, task.kind, task.name, dim=task.kind != "layer")
    table.show()


def _timeline_data(found: Scheduled) -> dict[str, Any]:
    if found.timeline is None:
        return {"objective": "makespan"}
    return {
        "objective": "makespan",
        "makespan": found.timeline.makespan,
        "makespan_bound": found.bound,
        "busy": {str(d): busy for d, busy in found.timeline.busy.items()},
        "tasks": [attrs.asdict(t) for t in found.timeline.tasks],
    }
