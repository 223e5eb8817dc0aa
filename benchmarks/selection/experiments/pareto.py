"""What less loss, energy or memory costs: Pareto fronts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from benchmarks.selection.experiments.experiment import Experiment, Row, Scale, distinct, percent, short
from benchmarks.selection.suites import instance
from benchmarks.support.markdown import MarkdownTable
from plait.passes.selection import SolveOptions
from plait.passes.selection.budgets import pareto_front

if TYPE_CHECKING:
    from matplotlib.figure import Figure

# Nine formats are on three devices, which differ in power.
NETWORKS = ("mobilenetv2/f9/r20/s0", "unet/f9/r20/s0", "resnet50/f9/r20/s0")
RESOURCES = ("loss", "energy", "memory")


def measure(scale: Scale) -> list[Row]:
    """One row for each plan on a front."""
    rows: list[Row] = []
    options = SolveOptions(time_limit=5.0)
    for name in scale.pick(NETWORKS, ("residual:14/f4/r8/s0",)):
        for resource in scale.pick(RESOURCES, RESOURCES[:1]):
            front = pareto_front(instance(name), resource, scale.pick(11, 3), options)
            corners = lower_hull([(used, cost) for cost, used, _ in front])
            for cost, used, plan in front:
                rows.append(
                    {
                        "instance": name,
                        "resource": resource,
                        "cost": cost,
                        "used": used,
                        "status": plan.status,
                        "bound": plan.bound,
                        "corner": (used, cost) in corners,
                    }
                )
    return rows


def lower_hull(points: Sequence[tuple[float, float]]) -> set[tuple[float, float]]:
    """Corners of the lower convex hull: what prices on the resource can find."""
    found: list[tuple[float, float]] = []
    for x, y in sorted(points):
        while len(found) > 1 and _turn(found[-2], found[-1], (x, y)) <= 0:
            found.pop()
        found.append((x, y))
    return set(found)


def _turn(a: tuple[float, float], b: tuple[float, float], c: tuple[float, float]) -> float:
    return (b[0] - a[0]) * (c[1] - a[1]) - (b[1] - a[1]) * (c[0] - a[0])


def table(rows: Sequence[Row]) -> MarkdownTable:
    """One line for each front: what halving the use of the cheapest plan costs, and how far use can fall."""
    made = MarkdownTable(
        ("network", "resource", ">plans", ">proven", ">corners of the hull", ">least use", ">its cost", ">half the use")
    )
    for name in distinct(rows, "instance"):
        for resource in distinct(rows, "resource"):
            some = [row for row in rows if row["instance"] == name and row["resource"] == resource]
            if not some:
                continue
            cheapest, frugal = some[0], some[-1]
            half = next((row for row in some if row["used"] <= cheapest["used"] / 2), None)
            made.add(
                short(name),
                resource,
                len(some),
                sum(row["status"] == "optimal" for row in some),
                sum(row["corner"] for row in some),
                percent(frugal["used"] / cheapest["used"] if cheapest["used"] else None),
                percent(frugal["cost"] / cheapest["cost"] - 1),
                percent(half["cost"] / cheapest["cost"] - 1 if half else None),
            )
    return made


def draw(figure: Figure, rows: Sequence[Row]) -> None:
    """One panel for each resource; both axes relative to the cheapest plan."""
    resources = distinct(rows, "resource")
    axes = figure.subplots(1, len(resources), squeeze=False)[0]
    for ax, resource in zip(axes, resources, strict=True):
        for n, name in enumerate(distinct(rows, "instance")):
            some = [row for row in rows if row["instance"] == name and row["resource"] == resource]
            if not some:
                continue
            first, some = some[0], sorted(some, key=lambda row: row["used"])
            xs = [100 * row["used"] / (first["used"] or 1) for row in some]
            ys = [100 * (row["cost"] / first["cost"] - 1) for row in some]
            # Up to the next plan nothing cheaper keeps the limit.
            ax.step(xs, ys, where="post", color=f"C{n}", linewidth=0.9, label=short(name))
            ax.plot(xs, ys, "o", color=f"C{n}", markersize=3)
            corners = [k for k, row in enumerate(some) if row["corner"]]
            ax.plot(
                [xs[k] for k in corners], [ys[k] for k in corners], "o", color=f"C{n}", markersize=6, fillstyle="none"
            )
        ax.set(title=resource, xlabel="% of the cheapest plan's use", ylabel="% slower")
    axes[0].legend()


EXPERIMENT = Experiment(
    "pareto",
    "What does it cost to lose less accuracy, or to take less energy or memory?",
    "Plans under limits spread between the use of the cheapest plan and the least use. Rings mark corners of the "
    "convex hull of what was found, which prices on the resource find too; the other plans need an exact method. "
    "Accuracy is a sum over layers here, a surrogate.",
    measure,
    table,
    draw,
    (9.5, 3.2),
)
