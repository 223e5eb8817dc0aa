"""Matrices of figures as pictures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def heatmap(ax: Axes, rows: Sequence[str], columns: Sequence[str], cells: Mapping[tuple[str, str], float]) -> None:
    """Cells with their figure in them, darker where it is larger; colours go by the logarithm."""
    values = np.array([[cells.get((row, column), np.nan) for column in columns] for row in rows])
    shades = np.log10(np.maximum(np.nan_to_num(values), 0) + 0.1)
    ax.imshow(shades, cmap="Blues", aspect="auto", vmin=-1, vmax=max(1.0, float(shades.max()) * 1.25))
    ax.grid(visible=False)
    ax.set_xticks(range(len(columns)), columns, rotation=30, ha="right")
    ax.set_yticks(range(len(rows)), rows)
    dark = -1 + 0.62 * (max(1.0, float(shades.max()) * 1.25) + 1)
    for (y, x), value in np.ndenumerate(values):
        if np.isfinite(value):
            text = f"{value:.0f}" if value >= 99.5 else f"{value:.2g}" if value >= 0.005 else "0"
            ax.text(x, y, text, ha="center", va="center", color="white" if shades[y, x] > dark else "black", fontsize=7)
