"""PyTorch, channels last: called layer by layer, and as frozen TorchScript."""

from __future__ import annotations

import warnings
from typing import Any

from benchmarks.peers.engines.base import BFLOAT16, FLOAT32, Array, Engine, ModelFiles, Run, package


class TorchEager(Engine):
    """Batch normalisation folded, as its users do before inference."""

    name = "torch-eager"
    packages = ("torch", "onnx")
    dtypes = (FLOAT32, BFLOAT16)

    def load(self, files: ModelFiles, threads: int) -> Run:
        from benchmarks.peers.conversion.to_torch import example, torch_module

        torch = package("torch")
        torch.set_num_threads(threads)
        torch.set_num_interop_threads(1)
        form = {"dtype": getattr(torch, files.dtype), "memory_format": torch.channels_last}
        module = self.compiled(torch_module(files.onnx, fold=True).to(**form), example(files.image).to(**form))

        def run(image: Array) -> Array:
            with torch.inference_mode():
                scores = module(torch.from_numpy(image).to(**form))
                return scores.float().numpy()  # type: ignore[no-any-return]

        return run

    def compiled(self, module: Any, image: Any) -> Any:
        """What is called for each image, which are like this one."""
        return module


class TorchScript(TorchEager):
    """Traced, frozen and optimised for inference: oneDNN with packed weights."""

    name = "torch-script"

    def compiled(self, module: Any, image: Any) -> Any:
        torch = package("torch")
        with torch.inference_mode(False), torch.no_grad(), warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
            script = torch.jit.freeze(torch.jit.trace(module, image))
            return torch.jit.optimize_for_inference(script)
