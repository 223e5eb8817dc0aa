"""What an engine is to the benchmark.

Engines run in the Python that has their package, which need not have Plait or its dependencies: modules of this folder
import NumPy alone at the top, and everything else where it is used.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]
SAMPLES = 8
"""Images from which ranges of values are taken."""
Run = Callable[[Array], Array]
"""From the image [1, 3, H, W] (or `Engine.own_layout` of it) to the scores."""


FLOAT32, BFLOAT16, INT8 = "float32", "bfloat16", "int8"
DTYPES = (FLOAT32, BFLOAT16, INT8)
"""What a network may compute on."""


@dataclass(frozen=True)
class ModelFiles:
    """Files of one network: `FOLDER/NETWORK` with a suffix for each format, `.int8` before it where the network
    computes on integers. Engines that compute on bfloat16 read the files of float32, and round as they load or run."""

    folder: Path
    network: str
    dtype: str = FLOAT32

    @property
    def is_int8(self) -> bool:
        return self.dtype == INT8

    def path(self, suffix: str) -> Path:
        return self.folder / (self.network + (f".{INT8}" if self.is_int8 else "") + suffix)

    @property
    def package(self) -> Path:
        """Ours, which has plans of one element type."""
        return self.folder / (self.network + ("" if self.dtype == FLOAT32 else f".{self.dtype}") + ".plait")

    @property
    def onnx(self) -> Path:
        return self.path(".onnx")

    @property
    def float_onnx(self) -> Path:
        """The network before it was quantized."""
        return self.folder / f"{self.network}.onnx"

    @property
    def image(self) -> Path:
        """The input that every engine gets."""
        return self.folder / f"{self.network}.input.npy"

    @property
    def scores(self) -> Path:
        """What ONNX Runtime makes of it in float32."""
        return self.folder / f"{self.network}.output.npy"

    def samples(self) -> Iterator[Array]:
        """Images for quantizers to look at: the input, and others like it."""
        image = np.load(self.image)
        yield image
        for seed in range(1, SAMPLES):
            yield np.random.default_rng(seed).standard_normal(image.shape).astype(np.float32)


class Engine:
    """One way to run a network: how its model files are made, and how they are loaded."""

    name: ClassVar[str]
    packages: ClassVar[tuple[str, ...]]
    """Modules that loading imports. They are imported before the clock starts; where one is missing, the engine is
    left out."""
    builders: ClassVar[tuple[str, ...]] = ()
    """Modules that `prepare` imports, if they are others: it may run in another environment than `load`."""
    is_peer: ClassVar[bool] = True
    dtypes: ClassVar[tuple[str, ...]] = (FLOAT32,)
    """What its networks may compute on."""

    def model_files(self, files: ModelFiles, threads: int) -> tuple[Path, ...]:
        """What `load` reads."""
        return (files.onnx,)

    def prepare(self, files: ModelFiles, threads: Sequence[int]) -> None:
        """Make the model files from the ONNX file, for these numbers of threads."""

    def load(self, files: ModelFiles, threads: int) -> Run:
        """The network ready to run on this many threads, in what `files.dtype` says and nothing less."""
        raise NotImplementedError

    def own_layout(self, image: Array) -> Array:
        """The image as the model file takes it: what a caller of such a file has at hand, hence not timed."""
        return image

    def facts(self, files: ModelFiles, threads: int) -> dict[str, float]:
        """Figures to keep beside the times."""
        return {}


def package(name: str) -> Any:
    """A module that may not be installed here, so nothing is known of its types."""
    return importlib.import_module(name)


def contiguous(array: Array) -> Array:
    return np.ascontiguousarray(array)
