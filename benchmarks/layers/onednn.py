"""The process that runs oneDNN through PyTorch, in a Python that need not have Plait.

Weights are packed beforehand. A subject has one of two forms: `nhwc`, a dense channels-last image in and out with the
activation fused; and `blocked`, the layouts that oneDNN prefers on both sides, with bias but without activation, since
PyTorch fuses none there. Residuals are left out. Each run pays for one call from Python, some microseconds.
"""

from __future__ import annotations

import importlib
import sys
import time
from collections.abc import Callable
from typing import Any

from benchmarks.support.serving import Timed, serve

FORMS = ("nhwc", "blocked")
_ACTIVATIONS = {"none": "none", "relu": "relu", "hard_swish": "hardswish", "sigmoid": "sigmoid"}


def main() -> None:
    """Serve with the number of threads that is the first argument."""
    torch = importlib.import_module("torch")
    torch.set_num_threads(int(sys.argv[1]))
    torch.set_num_interop_threads(1)
    torch.set_grad_enabled(False)
    serve(lambda subject: _timed(_call(torch, subject)))


def _timed(call: Callable[[], Any]) -> Timed:
    clock = time.perf_counter_ns

    def run(repeats: int) -> list[float]:
        times = []
        for _ in range(repeats):
            start = clock()
            call()
            times.append(float(clock() - start))
        return times

    return run


def _call(torch: Any, subject: dict[str, Any]) -> Callable[[], Any]:
    if subject["kind"] == "fully connected":
        return _linear(torch, subject)
    top, left, bottom, right = subject["pad"]
    if (top, left) != (bottom, right):
        raise ValueError("padding that differs from side to side")
    subject = {**subject, "pad": [top, left]}
    return _blocked(torch, subject) if subject["form"] == "blocked" else _channels_last(torch, subject)


def _channels_last(torch: Any, subject: dict[str, Any]) -> Callable[[], Any]:
    ops, last = torch.ops.mkldnn, torch.channels_last
    image, weight, bias = _operands(torch, subject)
    image = image.contiguous(memory_format=last)
    geometry = subject["pad"], subject["stride"], subject["dilation"], subject["groups"]
    packed = ops._reorder_convolution_weight(weight, *geometry, subject["x"])
    activation = _activation(subject["act"], subject["parameters"])
    return lambda: ops._convolution_pointwise(image, packed, bias, *geometry, *activation, "")


def _blocked(torch: Any, subject: dict[str, Any]) -> Callable[[], Any]:
    to_mkldnn = importlib.import_module("torch.utils.mkldnn").to_mkldnn
    image, weight, _ = _operands(torch, subject)
    conv = torch.nn.Conv2d(
        image.shape[1],
        weight.shape[0],
        weight.shape[2:],
        stride=subject["stride"],
        padding=subject["pad"],
        dilation=subject["dilation"],
        groups=subject["groups"],
    )
    module, image = to_mkldnn(conv.eval()), image.to_mkldnn()
    if image.shape[1] >= 16:  # a convolution leaves its result in the layout it likes; an image begins as it is
        before = torch.nn.Conv2d(image.shape[1], image.shape[1], 1)
        image = to_mkldnn(before.eval())(image)
    return lambda: module(image)


def _linear(torch: Any, subject: dict[str, Any]) -> Callable[[], Any]:
    if subject["form"] == "blocked":
        raise ValueError("vectors have no layout")
    ops = torch.ops.mkldnn
    x, weight, bias = _operands(torch, subject)
    packed = ops._reorder_linear_weight(weight, x.shape[0])
    activation = _activation(subject["act"], subject["parameters"])
    return lambda: ops._linear_pointwise(x, packed, bias, *activation, "")


def _operands(torch: Any, subject: dict[str, Any]) -> tuple[Any, Any, Any]:
    weight = torch.randn(subject["weight"])
    return torch.randn(subject["x"]), weight, torch.randn(weight.shape[0]) if subject["bias"] else None


def _activation(kind: str, parameters: list[float]) -> tuple[str, list[float]]:
    """The name and numbers of what oneDNN fuses; nothing for an activation that it does not have."""
    if kind == "clip":
        return "hardtanh", parameters
    if kind == "hard_sigmoid" and [round(p, 4) for p in parameters] == [0.1667, 0.5]:
        return "hardsigmoid", []
    return _ACTIVATIONS.get(kind, "none"), []
