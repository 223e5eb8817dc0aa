"""The engines by name, ours first."""

from __future__ import annotations

from benchmarks.peers.engines.base import Engine
from benchmarks.peers.engines.executorch import ExecuTorch
from benchmarks.peers.engines.litert import LiteRt
from benchmarks.peers.engines.mnn import Mnn
from benchmarks.peers.engines.ncnn import Ncnn
from benchmarks.peers.engines.onnxruntime import OnnxRuntime
from benchmarks.peers.engines.openvino import OpenVino
from benchmarks.peers.engines.ours import Plait, PlaitSingleLayout
from benchmarks.peers.engines.pytorch import TorchEager, TorchScript

OURS = Plait.name
_ALL: tuple[Engine, ...] = (
    Plait(),
    PlaitSingleLayout(),
    OnnxRuntime(),
    OpenVino(),
    LiteRt(),
    ExecuTorch(),
    Ncnn(),
    Mnn(),
    TorchScript(),
    TorchEager(),
)
ENGINES: dict[str, Engine] = {engine.name: engine for engine in _ALL}
