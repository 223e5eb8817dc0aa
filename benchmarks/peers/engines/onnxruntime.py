"""ONNX Runtime, whose output is the reference of all others."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from benchmarks.peers.engines.base import Engine, ModelFiles, Run, package


class OnnxRuntime(Engine):
    """Default optimisations, the CPU provider, threads within operators alone."""

    name = "onnxruntime"
    packages = ("onnxruntime",)

    def prepare(self, files: ModelFiles, threads: Sequence[int]) -> None:
        if not files.scores.exists():
            np.save(files.scores, self.load(files, 1)(np.load(files.image)))

    def load(self, files: ModelFiles, threads: int) -> Run:
        onnxruntime = package("onnxruntime")
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        options.log_severity_level = 3
        session = onnxruntime.InferenceSession(str(files.onnx), options, providers=["CPUExecutionProvider"])
        name = session.get_inputs()[0].name
        return lambda image: session.run(None, {name: image})[0]
