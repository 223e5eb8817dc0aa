"""Model files: the networks as ONNX, an image, ONNX Runtime's scores, and what each engine converts them to."""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np

from benchmarks.peers.engines import ENGINES, OURS
from benchmarks.peers.engines.base import Engine, ModelFiles
from benchmarks.peers.engines.onnxruntime import OnnxRuntime
from benchmarks.peers.runner import note, work
from benchmarks.support.environments import Environments
from benchmarks.support.networks import onnx_file


def write_network(files: ModelFiles, image: int, width: float) -> None:
    """The ONNX file in float32 and the image, unless they are there."""
    files.folder.mkdir(parents=True, exist_ok=True)
    onnx_file(files.network, files.folder, image, width)
    if not files.image.exists():
        np.save(files.image, np.random.default_rng(0).standard_normal((1, 3, image, image)).astype(np.float32))


def take_tflite(files: ModelFiles, folder: Path) -> None:
    """Copy the network's TFLite file from a folder, if it has one."""
    for name in (f"{files.network}.tflite", f"{files.network}.fp32.tflite"):
        if (folder / name).exists():
            shutil.copy(folder / name, files.path(".tflite"))
            return


def prepare(files: ModelFiles, engines: Iterable[str], threads: Sequence[int], environments: Environments) -> None:
    """What engines need for a network. Files that are there are kept, but for ours: kernels change."""
    for name in dict.fromkeys((OnnxRuntime.name, *engines)):
        engine = ENGINES[name]
        if not _wanted(engine, files, threads):
            continue
        python = environments.find(name, engine.builders or engine.packages)
        if python is None:
            note(f"{files.network} for {name}: no Python here has {', '.join(engine.builders or engine.packages)}")
            continue
        failure = work(python, "prepare", name, files, threads)
        note(f"{files.network} for {name}: {failure if isinstance(failure, str) else 'done'}")


def _wanted(engine: Engine, files: ModelFiles, threads: Sequence[int]) -> bool:
    if engine.name == OnnxRuntime.name:  # whose scores all others are compared with
        return not (files.scores.exists() and files.onnx.exists())
    if files.dtype not in engine.dtypes:
        return False
    made = [path for t in threads for path in engine.model_files(files, t) if path != files.onnx]
    return bool(made) and (engine.name.startswith(OURS) or not all(path.exists() for path in made))
