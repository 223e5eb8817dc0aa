"""What an experiment is: a question, rows of figures, a table and a picture of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar

import attrs

from benchmarks.support.markdown import MarkdownTable

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Row: TypeAlias = dict[str, Any]
T = TypeVar("T")


@attrs.frozen
class Scale:
    """How much is done: all, or as little as shows that it works. ``log`` keeps runs of solvers between calls."""

    quick: bool = False
    log: Path | None = None

    def pick(self, full: T, quick: T) -> T:
        """One of two sizes."""
        return quick if self.quick else full


@attrs.frozen
class Experiment:
    """One question to the selection problem. Rows are JSON objects, alike; ``size`` of the picture is in inches."""

    name: str
    question: str
    method: str
    measure: Callable[[Scale], list[Row]]
    table: Callable[[Sequence[Row]], MarkdownTable]
    draw: Callable[[Figure, Sequence[Row]], None]
    size: tuple[float, float] = (8.0, 4.0)


def draw_to(experiment: Experiment, rows: Sequence[Row], path: Path) -> None:
    """Write the picture. Needs matplotlib."""
    from matplotlib import rc_context
    from matplotlib.figure import Figure

    with rc_context({"font.size": 8, "axes.grid": True, "grid.alpha": 0.3, "grid.linewidth": 0.5}):
        figure = Figure(figsize=experiment.size, layout="constrained")
        experiment.draw(figure, rows)
        figure.savefig(path, dpi=100)


def distinct(rows: Sequence[Row], field: str) -> list[Any]:
    """The values of a field, each once, in order."""
    return list(dict.fromkeys(row[field] for row in rows))


def short(instance: str) -> str:
    """The network of an instance's name."""
    words = instance.split("/")
    return f"{words[1]} (measured)" if words[0] == "measured" else words[0].partition(":")[0]


def percent(value: float | None, digits: int = 1) -> str:
    """A share in percent, or a dash."""
    return "-" if value is None else f"{100 * value:.{digits}f} %"
