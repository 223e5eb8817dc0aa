"""LiteRT (TensorFlow Lite) with its XNNPACK delegate, which is on by default."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from benchmarks.peers.engines.base import FLOAT32, INT8, Array, Engine, ModelFiles, Run, contiguous, package


class LiteRt(Engine):
    """Model files are channels-last, and so is the image they are given."""

    name = "litert"
    packages = ("ai_edge_litert.interpreter",)
    builders = ("tensorflow", "onnx")
    dtypes = (FLOAT32, INT8)

    def model_files(self, files: ModelFiles, threads: int) -> tuple[Path, ...]:
        return (files.path(".tflite"),)

    def prepare(self, files: ModelFiles, threads: Sequence[int]) -> None:
        from benchmarks.peers.conversion.to_tensorflow import tflite_model

        samples = map(self.own_layout, files.samples()) if files.is_int8 else None
        files.path(".tflite").write_bytes(tflite_model(files.float_onnx, samples))

    def load(self, files: ModelFiles, threads: int) -> Run:
        interpreter = package("ai_edge_litert.interpreter").Interpreter(str(files.path(".tflite")), num_threads=threads)
        interpreter.allocate_tensors()
        source, target = (d[0]["index"] for d in (interpreter.get_input_details(), interpreter.get_output_details()))

        def run(image: Array) -> Array:
            interpreter.set_tensor(source, image)
            interpreter.invoke()
            return interpreter.get_tensor(target)  # type: ignore[no-any-return]

        return run

    def own_layout(self, image: Array) -> Array:
        return contiguous(image.transpose(0, 2, 3, 1))
