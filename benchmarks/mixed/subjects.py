"""The networks, the samples that plans are made with, others that they are judged by, and bounds."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import attrs
import numpy as np

import plait
from benchmarks.accuracy.tasks import CALIBRATION, EVALUATION, TASKS
from benchmarks.support.networks import onnx_file
from plait.ir.module import Module
from plait.tuning.calibration import Sample
from plait.tuning.precision.metrics import METRICS, Metric

SAMPLES = 16
"""Of a network with random weights."""


@attrs.frozen(eq=False)
class Subject:
    """A float network.

    Args:
        samples: types are chosen by them, and bounds hold over them.
        others: what plans are judged by in the end.
        judge: and how: trained networks by their classes.
        bounds: noise over signal; `1/10` is a share of what the network loses with all on 8 bits.
    """

    name: str
    module: Module
    samples: tuple[Sample, ...]
    others: tuple[Sample, ...]
    judge: Metric
    bounds: tuple[str, ...]


@attrs.frozen
class Folders:
    """Where networks are: ONNX files of random weights, with an image `NETWORK.input.npy` where there is one, and
    trained models with pictures, as `benchmarks/accuracy` takes them."""

    networks: Path
    models: Path | None
    image: int = 224
    width: float = 1.0


def subject_of(name: str, folders: Folders, bounds: Sequence[str]) -> Subject:
    """A network by name, trained or of random weights.

    Raises:
        SystemExit: there is no such network.
    """
    return _random(name, folders, bounds) if name not in TASKS else _trained(name, folders.models, bounds)


def _random(name: str, folders: Folders, bounds: Sequence[str]) -> Subject:
    module = plait.load(onnx_file(name, folders.networks, folders.image, folders.width))
    (argument,) = module.main.arguments
    rng = np.random.default_rng(0)
    found = [rng.standard_normal(argument.type.static_shape, dtype=np.float32) for _ in range(2 * SAMPLES)]
    image = folders.networks / f"{name}.input.npy"
    if image.exists():
        found[0] = np.load(image)
    samples = [{argument.name: x} for x in found]
    return Subject(name, module, tuple(samples[:SAMPLES]), tuple(samples[SAMPLES:]), METRICS["sqnr"], tuple(bounds))


def _trained(name: str, models: Path | None, bounds: Sequence[str]) -> Subject:
    if models is None:
        raise SystemExit(f"{name} is a trained model: --models FOLDER says where it lies")
    task = TASKS[name]
    module = task.load(models)
    (argument,) = module.main.arguments
    samples, others = (
        tuple({argument.name: np.ascontiguousarray(x[None])} for x in task.samples(models, seed))
        for seed in (CALIBRATION, EVALUATION)
    )
    return Subject(name, module, samples, others, METRICS["top1"], tuple(bounds))
