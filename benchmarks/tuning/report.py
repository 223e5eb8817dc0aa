"""Tables in Markdown, one function for each command."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Mapping, Sequence

from benchmarks.support.markdown import MarkdownTable, number
from benchmarks.tuning.metaschedule import OURS, TVM, Beside
from benchmarks.tuning.prediction import Prediction
from benchmarks.tuning.regret import Regret
from benchmarks.tuning.timing import Timing


def time_tables(cells: Mapping[str, Timing]) -> str:
    """Tuning times of networks, and where those with a full database go."""
    runs = MarkdownTable(
        (
            "network",
            "database",
            ">s",
            ">measuring s",
            ">solving s",
            ">rest s",
            ">entries",
            ">measured",
            ">of all",
            ">rounds",
            ">again",
            ">spared",
            ">predicted ms",
            "plan",
            ">measured ms",
        )
    )
    for network, cell in cells.items():
        for kind, run in cell.runs.items():
            runs.add(
                network,
                kind,
                *(f"{s:.2f}" for s in (run.seconds, run.measure_seconds, run.solve_seconds, run.rest_seconds)),
                run.entries,
                run.measured,
                f"{run.share:.0%}",
                run.rounds or "-",
                run.repeated,
                f"{run.saved:.0%}",
                f"{run.predicted_ms:.3f}",
                run.status,
                number(cell.measured_ms.get(kind), ".3f"),
            )
    names = list(dict.fromkeys(name for cell in cells.values() for name in cell.parts))
    parts = MarkdownTable(("network", *(f">{name}" for name in names), ">sum"))
    for network, cell in cells.items():
        seconds = [cell.parts.get(name) for name in names]
        parts.add(network, *(number(s, ".3f") for s in seconds), f"{sum(cell.parts.values()):.3f}")
    return _page(("## Tuning times", runs), ("## Where the time for a new package from a full database goes, s", parts))


def predict_tables(cells: Mapping[str, Prediction]) -> str:
    """Predicted against measured: each plan, and what they say of states."""
    states = list(dict.fromkeys(state for cell in cells.values() for state in cell.seconds))
    plans = MarkdownTable(("network", "plan", ">measured ms", *(f">{state} ms" for state in states)))
    for network, cell in cells.items():
        for plan in cell.plans:
            predicted = (
                f"{plan.predicted_ms[s]:.3f} ({plan.error(s):+.1%})" if s in plan.predicted_ms else "-" for s in states
            )
            plans.add(network, ", ".join(plan.names), f"{plan.measured_ms:.3f}", *predicted)
    titles = ("state", ">median size of error", ">mean error", ">tau", ">its plan's loss", ">tuning s")
    best, table = MarkdownTable(titles), MarkdownTable(("network", *titles))
    sizes = {state: statistics.median(_errors(_with_state(cells, state).values(), state)) for state in states}
    for state in sorted(states, key=lambda state: sizes[state]):
        best.add(state, *_state_row(list(_with_state(cells, state).values()), state))
    for network, cell in cells.items():
        for state in cell.seconds:
            table.add(network, state, *_state_row([cell], state))
    return _page(
        ("## Which state predicts best, over all plans of all networks", best),
        ("## States by network", table),
        ("## Plans: predicted from layers in each state, and measured", plans),
    )


def _with_state(cells: Mapping[str, Prediction], state: str) -> dict[str, Prediction]:
    return {network: cell for network, cell in cells.items() if state in cell.seconds}


def _errors(cells: Iterable[Prediction], state: str) -> list[float]:
    """Sizes of errors."""
    return [abs(plan.error(state)) for cell in cells for plan in cell.plans]


def _state_row(cells: Sequence[Prediction], state: str) -> tuple[str, ...]:
    taus = [tau for cell in cells if (tau := cell.agreement(state)) is not None]
    errors = [plan.error(state) for cell in cells for plan in cell.plans]
    return (
        f"{statistics.median(_errors(cells, state)):.1%}",
        f"{statistics.mean(errors):+.1%}",
        number(statistics.mean(taus) if taus else None),
        f"{statistics.mean(cell.loss(state) for cell in cells):.1%}",
        f"{sum(cell.seconds[state] for cell in cells):.1f}",
    )


def regret_tables(cells: Mapping[str, Regret]) -> str:
    """How far tuned plans are beaten, and the finalists."""
    table = MarkdownTable(
        ("network", "state", ">predicted ms", ">measured ms", ">plans", ">beaten by", ">noise", ">s", ">failed")
    )
    finals = MarkdownTable(
        ("network", "plan", ">predicted ms", ">first step", ">second", ">last", ">duel", ">least", ">most")
    )
    for network, cell in cells.items():
        noise = max((abs(r - 1) for r in cell.again), default=0.0)
        table.add(
            network,
            cell.state,
            f"{cell.predicted_ms:.3f}",
            f"{cell.tuned_ms:.3f}",
            len(cell.rivals),
            f"{cell.beaten_by:+.1%}",
            f"{noise:.1%}",
            f"{cell.seconds:.0f}",
            len(cell.failures),
        )
        for rival in cell.rivals:
            if rival.last:
                duels = (statistics.median(d), min(d), max(d)) if (d := rival.duels) else (None,) * 3
                steps = (rival.screened, rival.second, rival.final, *duels)
                finals.add(network, rival.kind, f"{rival.predicted_ms:.3f}", *(number(s, ".3f") for s in steps))
    return _page(
        ("## By how much the tuned plan is beaten at most", table),
        ("## Finalists: time by the tuned plan's", finals),
    )


def tvm_tables(cells: Mapping[str, Beside]) -> str:
    """Tuning times and latencies beside TVM."""
    table = MarkdownTable(("network", "engine", ">tuning s", ">compiling s", ">measurements", "of", ">ms"))
    for network, cell in cells.items():
        ours, tried = cell.ours, f"{cell.tvm_tasks_tried} of {cell.tvm_tasks} tasks"
        table.add(
            network,
            OURS,
            f"{ours.seconds:.1f}",
            "in it",
            ours.measured,
            f"{ours.entries} entries",
            f"{cell.measured_ms[OURS]:.3f}",
        )
        table.add(
            network,
            TVM,
            f"{cell.tvm_seconds:.1f}",
            f"{cell.tvm_compile_seconds:.1f}",
            cell.tvm_trials,
            tried,
            f"{cell.measured_ms[TVM]:.3f}",
        )
    return _page(("## Beside TVM's MetaSchedule", table))


def _page(*sections: tuple[str, MarkdownTable]) -> str:
    return "\n\n".join(f"{title}\n\n{table}" for title, table in sections) + "\n"
