"""Plait: the tuned plan, and the best plan with one layout throughout."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar

from benchmarks.peers.engines.base import BFLOAT16, DTYPES, Engine, ModelFiles, Run, package


def pipeline(dtype: str) -> str:
    """The passes before tuning. Files of integer networks have their element types already."""
    return "to-bf16" if dtype == BFLOAT16 else "default"


class Plait(Engine):
    """A package, tuned on this machine before; stored measurements are used again."""

    name = "plait"
    dtypes = DTYPES
    packages: ClassVar[tuple[str, ...]] = ("plait.tuning.open",)
    is_peer = False

    def model_files(self, files: ModelFiles, threads: int) -> tuple[Path, ...]:
        return (files.package,)

    def prepare(self, files: ModelFiles, threads: Sequence[int]) -> None:
        for path in {p for t in threads for p in self.model_files(files, t)}:
            path.unlink(missing_ok=True)  # plans of other versions of the kernels
        for t in threads:
            package("plait").tune(files.onnx, threads=t, pipeline=pipeline(files.dtype)).save(files.package)

    def load(self, files: ModelFiles, threads: int) -> Run:
        with warnings.catch_warnings():
            warnings.simplefilter("error")  # another plan than the one to be timed, or one that must be lowered anew
            runner: Run = package("plait").open(self.model_files(files, threads)[0], threads=threads, strict=True)
        return runner

    def facts(self, files: ModelFiles, threads: int) -> dict[str, float]:
        tuned = package("plait.backends.package").open_package(self.model_files(files, threads)[0])
        report = tuned.report(next(key for key in tuned.plans if key.endswith(f"-t{threads}")))
        return {"predicted_ms": report["predicted_us"] / 1e3, "adapts": report["adapts"]}


class PlaitSingleLayout(Plait):
    """What tuning gains over one layout wherever it can be had."""

    name = "plait-single-layout"
    packages = ("plait.tuning.fallbacks", "plait.backends.cpu", "plait.backends.reference.routines")

    def model_files(self, files: ModelFiles, threads: int) -> tuple[Path, ...]:
        return (files.package.with_suffix(f".single.t{threads}.ir"),)

    def prepare(self, files: ModelFiles, threads: Sequence[int]) -> None:
        for t in threads:
            tuned = package("plait").tune(files.onnx, threads=t, pipeline=pipeline(files.dtype))
            package("plait.ir.text").save_ir(tuned.single_layout_module, self.model_files(files, t)[0])

    def facts(self, files: ModelFiles, threads: int) -> dict[str, float]:
        return {}
