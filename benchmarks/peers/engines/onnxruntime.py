"""ONNX Runtime, whose float32 output is the reference of all others, and whose quantizer makes the QDQ files."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from benchmarks.peers.engines.base import FLOAT32, INT8, Engine, ModelFiles, Run, package


class OnnxRuntime(Engine):
    """Default optimisations, the CPU provider, threads within operators alone."""

    name = "onnxruntime"
    packages = ("onnxruntime",)
    builders = ("onnxruntime", "onnx")
    dtypes = (FLOAT32, INT8)

    def prepare(self, files: ModelFiles, threads: Sequence[int]) -> None:
        if not files.scores.exists():
            np.save(files.scores, self.load(ModelFiles(files.folder, files.network), 1)(np.load(files.image)))
        if not files.onnx.exists():
            _quantize(files)

    def load(self, files: ModelFiles, threads: int) -> Run:
        onnxruntime = package("onnxruntime")
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        options.log_severity_level = 3
        session = onnxruntime.InferenceSession(str(files.onnx), options, providers=["CPUExecutionProvider"])
        name = session.get_inputs()[0].name
        return lambda image: session.run(None, {name: image})[0]


def _quantize(files: ModelFiles) -> None:
    """The network with pairs of quantizing and dequantizing nodes: static, unsigned activations, signed weights with a
    scale for each channel."""
    tools = package("onnxruntime.quantization")
    name = package("onnx").load(str(files.float_onnx), load_external_data=False).graph.input[0].name

    class Reader(tools.CalibrationDataReader):  # type: ignore[misc, name-defined]
        def __init__(self) -> None:
            self.samples = ({name: image} for image in files.samples())

        def get_next(self) -> object:
            return next(self.samples, None)

    with TemporaryDirectory() as folder:
        folded = Path(folder) / "folded.onnx"
        package("onnxruntime.quantization.shape_inference").quant_pre_process(
            str(files.float_onnx), str(folded), skip_symbolic_shape=True
        )
        tools.quantize_static(
            str(folded),
            str(files.onnx),
            Reader(),
            quant_format=tools.QuantFormat.QDQ,
            per_channel=True,
            activation_type=tools.QuantType.QUInt8,
            weight_type=tools.QuantType.QInt8,
        )
