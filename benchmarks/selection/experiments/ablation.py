"""What families of routines and formats are worth: the optimum without them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from benchmarks.selection.experiments.experiment import Experiment, Row, Scale, distinct, percent, short
from benchmarks.selection.experiments.heatmap import heatmap
from benchmarks.selection.suites import SUITES, instance
from benchmarks.support.markdown import MarkdownTable
from plait.passes.selection import Problem, Routine, solver
from plait.passes.selection.restrict import restrict

if TYPE_CHECKING:
    from matplotlib.figure import Figure

NETWORKS = tuple(f"{n}/f6/r40/s0" for n in ("vgg16", "resnet50", "mobilenetv2", "densenet121", "yolov8", "bert_12"))


def measure(scale: Scale) -> list[Row]:
    """One row for each instance and each thing left out; losses are shares of the optimum with everything."""
    rows: list[Row] = []
    for name in (*scale.pick(NETWORKS, SUITES["tiny"][:1]), *scale.pick(SUITES["measured"], ())):
        problem = instance(name)
        best = solver("exact")(problem).cost
        kind = "measured" if name.startswith("measured") else "synthetic"
        for what, uses in _things(problem):
            cost = solver("exact")(_without(problem, uses)).cost
            rows.append({"instance": name, "kind": kind, "without": what, "loss": cost / best - 1})
    return rows


def family(routine: Routine) -> str:
    """The algorithm in a routine's name."""
    return routine.name.rpartition("/")[2].partition("[")[0]


def _things(problem: Problem) -> list[tuple[str, Callable[[Routine], bool]]]:
    """What may be left out, with what tells the routines: families of several, and formats that no boundary has."""
    families = {family(r) for t in problem.tables for r in t.routines if "/" in r.name}
    fixed = {
        f for i, x in enumerate(problem.layers) if x.op in ("input", "output") for r in problem.routines(i)
        for f in (*r.inputs, *r.outputs)
    }  # fmt: skip
    free = [(form.name, _touches(number)) for number, form in enumerate(problem.formats) if number not in fixed]
    return [*((name, _belongs(name)) for name in sorted(families)), *free]


def _belongs(name: str) -> Callable[[Routine], bool]:
    return lambda routine: family(routine) == name


def _touches(form: int) -> Callable[[Routine], bool]:
    return lambda routine: form in (*routine.inputs, *routine.outputs)


def _without(problem: Problem, uses: Callable[[Routine], bool]) -> Problem:
    """The problem without some routines; a layer that has no others keeps them."""
    kept = []
    for i in range(len(problem.layers)):
        every = range(len(problem.routines(i)))
        kept.append([k for k in every if not uses(problem.routines(i)[k])] or list(every))
    return restrict(problem, kept).problem


def table(rows: Sequence[Row]) -> MarkdownTable:
    """What each network misses most, and how much nobody would miss."""
    made = MarkdownTable(("network", "slower without", ">others, at most 0.1 %"))
    for name in distinct(rows, "instance"):
        some = sorted((row for row in rows if row["instance"] == name), key=lambda row: -row["loss"])
        missed = [f"{row['without']} {percent(row['loss'])}" for row in some if row["loss"] > 0.001]
        made.add(short(name), ", ".join(missed), len(some) - len(missed))
    return made


def draw(figure: Figure, rows: Sequence[Row]) -> None:
    """A heat map for synthetic costs, and one for measured ones."""
    kinds = distinct(rows, "kind")
    heights = [len({row["instance"] for row in rows if row["kind"] == kind}) for kind in kinds]
    axes = figure.subplots(len(kinds), 1, squeeze=False, height_ratios=heights)[:, 0]
    for ax, kind in zip(axes, kinds, strict=True):
        some = [row for row in rows if row["kind"] == kind]
        cells = {(short(row["instance"]), row["without"]): 100 * row["loss"] for row in some}
        names = [short(name) for name in distinct(some, "instance")]
        # What nobody misses would only take room.
        things = [t for t in distinct(some, "without") if any(cells.get((n, t), 0) > 0.005 for n in names)]
        heatmap(ax, names, things or distinct(some, "without"), cells)
        ax.set_title(f"% slower without, {kind} costs")


EXPERIMENT = Experiment(
    "ablation",
    "What is a family of routines, or a format, worth?",
    "The optimum without one algorithm or one format, against the optimum with everything. Layers that have nothing "
    "else keep it. What no network misses is left out of the picture.",
    measure,
    table,
    draw,
    (8.0, 5.0),
)
