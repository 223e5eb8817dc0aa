"""MNN in its session interface."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from benchmarks.peers.engines.base import Array, Engine, ModelFiles, Run, package


class Mnn(Engine):
    """High precision, which is float32.

    The converter is called as a function. The package's command line for it must not be used: it installs a package
    and reports usage to a server.
    """

    name = "mnn"
    packages = ("MNN",)
    builders = ("_tools",)

    def model_files(self, files: ModelFiles, threads: int) -> tuple[Path, ...]:
        return (files.path(".mnn"),)

    def prepare(self, files: ModelFiles, threads: Sequence[int]) -> None:
        arguments = ["-f", "ONNX", "--modelFile", str(files.onnx), "--MNNModel", str(files.path(".mnn"))]
        package("_tools").mnnconvert(["mnnconvert", *arguments])

    def load(self, files: ModelFiles, threads: int) -> Run:
        mnn = package("MNN")
        interpreter = mnn.Interpreter(str(files.path(".mnn")))
        session = interpreter.createSession({"backend": "CPU", "numThread": threads, "precision": "high"})
        source, target = interpreter.getSessionInput(session), interpreter.getSessionOutput(session)
        kind, order, shape = mnn.Halide_Type_Float, mnn.Tensor_DimensionType_Caffe, tuple(target.getShape())

        def run(image: Array) -> Array:
            source.copyFrom(mnn.Tensor(image.shape, kind, image, order))
            interpreter.runSession(session)
            scores = mnn.Tensor(shape, kind, np.empty(shape, np.float32), order)
            target.copyToHostTensor(scores)
            return np.array(scores.getNumpyData()).reshape(shape)

        return run
