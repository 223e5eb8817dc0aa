"""Experiments on selection problems, by name."""

from __future__ import annotations

from collections.abc import Mapping

from benchmarks.selection.experiments import (
    ablation,
    lazy,
    noise,
    pareto,
    scaling,
    sensitivity,
    sharing,
    solvers,
    transfer,
)
from benchmarks.selection.experiments.experiment import Experiment

EXPERIMENTS: Mapping[str, Experiment] = {
    module.EXPERIMENT.name: module.EXPERIMENT
    for module in (solvers, scaling, sharing, ablation, transfer, noise, lazy, sensitivity, pareto)
}
