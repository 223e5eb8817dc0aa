"""The second choice for each layer of a tuned model, from the report in its package."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from plait.backends.errors import PackageError
from plait.backends.package import open_package
from plait.backends.runner import Runner
from plait.tuning.open import is_package
from plait.tuning.report import LayerRow, TuningReport


def tuning_rows(path: str | Path, runner: Runner) -> Mapping[str, LayerRow]:
    """Rows of the tuning report by name of the layer, of the plan that a runner of this file runs.

    Empty for an `.ir` file, and where no report speaks of just these routines.
    """
    if not is_package(path):
        return {}
    package = open_package(path)
    routines = {layer.results[0].name: layer.via for layer in runner.layers}
    found = []
    for key in package.plans:
        try:
            report = TuningReport.from_json(package.report(key))
        except (PackageError, KeyError, TypeError, ValueError):
            continue
        if {row.name: row.routine for row in report.rows} == routines:
            found.append(report)
    # Plans for several numbers of threads may have the same routines.
    found.sort(key=lambda report: report.threads != runner.program.threads)
    return {row.name: row for row in found[0].rows} if found else {}
