"""PyTorch, channels last: called layer by layer, and as frozen TorchScript."""

from __future__ import annotations

import warnings
from typing import Any

from benchmarks.peers.engines.base import Array, Engine, ModelFiles, Run, package


class TorchEager(Engine):
    """Batch normalisation folded, as its users do before inference."""

    name = "torch-eager"
    packages = ("torch", "onnx")

    def load(self, files: ModelFiles, threads: int) -> Run:
        from benchmarks.peers.conversion.to_torch import torch_module

        torch = package("torch")
        torch.set_num_threads(threads)
        torch.set_num_interop_threads(1)
        last = torch.channels_last
        module = self.compiled(torch_module(files.onnx, fold=True).to(memory_format=last), files)

        def run(image: Array) -> Array:
            with torch.inference_mode():
                scores = module(torch.from_numpy(image).contiguous(memory_format=last))
                return scores.numpy()  # type: ignore[no-any-return]

        return run

    def compiled(self, module: Any, files: ModelFiles) -> Any:
        """What is called for each image."""
        return module


class TorchScript(TorchEager):
    """Traced, frozen and optimised for inference: oneDNN with packed weights."""

    name = "torch-script"

    def compiled(self, module: Any, files: ModelFiles) -> Any:
        from benchmarks.peers.conversion.to_torch import example

        torch = package("torch")
        image = example(files.image).contiguous(memory_format=torch.channels_last)
        with torch.inference_mode(False), torch.no_grad(), warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
            script = torch.jit.freeze(torch.jit.trace(module, image))
            return torch.jit.optimize_for_inference(script)
