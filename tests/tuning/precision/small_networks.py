"""Small networks for the choice of precisions, and costs without a clock."""

from __future__ import annotations

import hashlib
import re

import numpy as np

from plait.backends.null import FixedCosts
from plait.backends.profiling.job import WHOLE, Job
from plait.ir.module import Module
from plait.ir.text import parse_module
from plait.tuning.calibration import Samples
from plait.tuning.precision.joint import Losses
from plait.tuning.precision.twins import Twins

FORK = """ir 1
net @main(%x: f32[1x16x6x6]) -> (%y: f32[1x32x6x6], %z: f32[1x16x6x6]) {
  %a = conv2d(%x, @w) {act = hard_swish}
  %b = conv2d(%a, @v) {act = relu}
  %c = add(%a, %b)
  %d = max_pool2d(%c) {kernel = [3, 3], pad = [1, 1, 1, 1]}
  %y = concat(%c, %d) {axis = 1}
  %z = softmax(%b) {axis = 1}
}"""
GATED = """ir 1
net @main(%x: f32[1x16x6x6]) -> (%y: f32[1x16x6x6]) {
  %a = conv2d(%x, @w) {act = relu}
  %m = global_avg_pool(%a)
  %f = conv2d(%m, @f) {act = relu}
  %g = conv2d(%f, @g) {act = hard_sigmoid(0.1666667, 0.5)}
  %s = mul(%a, %g)
  %d = conv2d(%s, @d) {groups = 16, pad = [1, 1, 1, 1], act = relu}
  %p = conv2d(%d, @v)
  %y = add(%p, %x)
}"""
WEIGHTS = {"w": (16, 16, 1, 1), "v": (16, 16, 1, 1), "d": (16, 1, 3, 3), "f": (4, 16, 1, 1), "g": (16, 4, 1, 1)}


def network(text: str) -> Module:
    """One of these networks, with weights."""
    rng = np.random.default_rng(11)
    head, body = text.split("\n", 1)
    used = [n for n in WEIGHTS if f"@{n})" in body or f"@{n}," in body]
    types = [f"  @{n} : f32[{'x'.join(map(str, WEIGHTS[n]))}]" for n in used]
    module = parse_module("\n".join([head, 'weights "w.safetensors" {', *types, "}", body]))
    for name in used:
        data = (rng.standard_normal(WEIGHTS[name]) / 4).astype(np.float32)
        module.constants[name].supply(lambda data=data: data)
    return module


def samples_for(module: Module, count: int = 2) -> Samples:
    """Random samples."""
    rng = np.random.default_rng(5)
    found = [
        {a.name: rng.standard_normal(a.type.static_shape, dtype=np.float32) for a in module.main.arguments}  # type: ignore[attr-defined]
        for _ in range(count)
    ]
    return lambda: found


def costs(seed: int) -> FixedCosts:
    """Costs that look random: of bytes mostly less than of floats, of references more. Whole networks take the sum."""

    def cost(job: Job) -> float:
        if job.state == WHOLE:
            return sum(map(float, re.findall(r"!([\d.]+)us", job.module)))
        digest = hashlib.sha256(f"{seed} {job.signature} {job.routine} {job.threads}".encode()).digest()
        if job.signature.startswith(("adapt", "cast")):
            return 1 + digest[0] / 32
        least = 200.0 if job.routine.endswith("/reference") and "bf16" not in job.signature else 1.0
        scale = 8 if "bf16" in job.signature else 16 if "/q8/" in job.routine else 80
        return least + scale * digest[0] / 256

    return FixedCosts(cost)


def losses_of(twins: Twins, seed: int) -> Losses:
    """Losses that look random."""
    rng = np.random.default_rng(seed)
    return {name: {p: float(rng.random()) for p in found} for name, found in twins.by_layer.items()}
