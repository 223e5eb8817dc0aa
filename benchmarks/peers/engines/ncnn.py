"""ncnn, converted by pnnx."""

from __future__ import annotations

import importlib.util
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from benchmarks.peers.engines.base import BFLOAT16, FLOAT32, Array, Engine, ModelFiles, Run, package


class Ncnn(Engine):
    """Storage and arithmetic of 16 bits, on by default, are switched off, unless bfloat16 is asked for: it is stored
    then, and its kernels multiply in what they like best."""

    name = "ncnn"
    packages = ("ncnn",)
    builders = ("pnnx",)
    dtypes = (FLOAT32, BFLOAT16)

    def model_files(self, files: ModelFiles, threads: int) -> tuple[Path, ...]:
        return files.path(".ncnn.param"), files.path(".ncnn.bin")

    def prepare(self, files: ModelFiles, threads: Sequence[int]) -> None:
        # It leaves a dozen files beside its input, of which two are wanted.
        with tempfile.TemporaryDirectory() as folder:
            copy = Path(folder) / files.onnx.name
            shutil.copy(files.onnx, copy)
            subprocess.run([_converter(), str(copy), "fp16=0"], check=True, stdout=subprocess.DEVNULL, cwd=folder)
            for path in self.model_files(files, 1):
                shutil.move(Path(folder) / path.name, path)

    def load(self, files: ModelFiles, threads: int) -> Run:
        ncnn = package("ncnn")
        net = ncnn.Net()
        net.opt.num_threads = threads
        net.opt.use_vulkan_compute = False
        for option in ("packed", "storage", "arithmetic"):
            setattr(net.opt, f"use_fp16_{option}", False)
        for option in ("packed", "storage"):
            setattr(net.opt, f"use_bf16_{option}", files.dtype == BFLOAT16)
        param, weights = self.model_files(files, threads)
        if net.load_param(str(param)) or net.load_model(str(weights)):
            raise RuntimeError(f"ncnn cannot load {param}")

        def run(image: Array) -> Array:
            extractor = net.create_extractor()
            extractor.input("in0", ncnn.Mat(image[0]))
            return np.array(extractor.extract("out0")[1])

        return run


def _converter() -> str:
    """The program in the package `pnnx`; importing the package itself would need PyTorch."""
    spec = importlib.util.find_spec("pnnx")
    for folder in (spec.submodule_search_locations or ()) if spec else ():
        if (program := Path(folder) / "pnnx").exists():
            return str(program)
    return "pnnx"
