"""ExecuTorch with the XNNPACK backend."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.peers.engines.base import FLOAT32, INT8, Array, Engine, ModelFiles, Run, package

_RUNTIME = "executorch.runtime"
_BINDINGS = "executorch.extension.pybindings._portable_lib"


class ExecuTorch(Engine):
    """The program is exported once, everything that XNNPACK takes in one delegate."""

    name = "executorch"
    packages = ("torch", _BINDINGS, _RUNTIME)
    builders = ("torch", "executorch", "onnx")
    dtypes = (FLOAT32, INT8)

    def model_files(self, files: ModelFiles, threads: int) -> tuple[Path, ...]:
        return (files.path(".pte"),)

    def prepare(self, files: ModelFiles, threads: Sequence[int]) -> None:
        from benchmarks.peers.conversion.to_torch import example, torch_module

        torch = package("torch")
        partitioner = package("executorch.backends.xnnpack.partition.xnnpack_partitioner").XnnpackPartitioner()
        module, image = torch_module(files.float_onnx), example(files.image)
        if files.is_int8:
            module = _quantized(module, files)
        program = torch.export.export(module, (image,))
        lowered = package("executorch.exir").to_edge_transform_and_lower(program, partitioner=[partitioner])
        files.path(".pte").write_bytes(lowered.to_executorch().buffer)

    def load(self, files: ModelFiles, threads: int) -> Run:
        torch = package("torch")
        torch.set_num_threads(threads)
        package(_BINDINGS)._unsafe_reset_threadpool(threads)  # the only way to set the delegate's threads from Python
        program = package(_RUNTIME).Runtime.get().load_program(str(files.path(".pte")))
        method = program.load_method("forward")

        def run(image: Array) -> Array:
            return method.execute([torch.from_numpy(image)])[0].numpy()  # type: ignore[no-any-return]

        return run


def _quantized(module: Any, files: ModelFiles) -> Any:
    """The module as XNNPACK's quantizer makes it: static, signed, weights with a scale for each channel."""
    torch, xnnpack = package("torch"), package("executorch.backends.xnnpack.quantizer.xnnpack_quantizer")
    passes = package("torchao.quantization.pt2e.quantize_pt2e")
    quantizer = xnnpack.XNNPACKQuantizer()
    quantizer.set_global(xnnpack.get_symmetric_quantization_config(is_per_channel=True))
    exported = torch.export.export(module, (torch.from_numpy(np.load(files.image)),)).module()
    observed = passes.prepare_pt2e(exported, quantizer)
    for image in files.samples():
        observed(torch.from_numpy(image))
    return passes.convert_pt2e(observed)
