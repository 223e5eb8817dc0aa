"""Synthetic costs: from graphs to selection problems.

A routine takes as long as its arithmetic at the machine's rate or its data at the machine's bandwidth, whichever is
longer, times a factor of its algorithm, times a spread that is drawn for the layer and routine: proportionate, but
with surprises. Draws depend on the signature of the layer, so that a table is the same in every network and whatever
else is drawn. Times are in microseconds.
"""

from __future__ import annotations

import math
import zlib
from collections.abc import Mapping, Sequence

import attrs
import numpy as np

from benchmarks.selection.graph import Graph, Node
from plait.passes.selection import Adapts, Format, LayerSpec, Problem, Routine, RoutineTable, ValueSpec

FORMATS: tuple[tuple[str, int, int], ...] = (
    # name, device, bytes of an element; a network's inputs and outputs have the first
    ("cpu/f32/nchw", 0, 4),
    ("cpu/f32/nhwc", 0, 4),
    ("cpu/i8/nhwc", 0, 1),
    ("cpu/f32/nchw16c", 0, 4),
    ("cpu/bf16/nhwc", 0, 2),
    ("cpu/i8/nchw16c", 0, 1),
    ("gpu/f32/nchw", 1, 4),
    ("gpu/f16/nhwc", 1, 2),
    ("dsp/i8/nhwc", 2, 1),
    ("cpu/bf16/nchw16c", 0, 2),
)
_LOSS = {"f32": 0.0, "f16": 0.02, "bf16": 0.05, "i8": 1.0}
_PRODUCTS = ("conv", "depthwise", "separable_conv2d", "dense", "matmul")
_FLOATS_ONLY = ("softmax", "layer_norm", "rms_norm", "embed", "mask", "positions", "cos", "sin")
_POWER = (4.0, 7.0, 1.5)
"""Watts of each device: energy is in microjoules."""


@attrs.frozen
class Machine:
    """What routines run on. Rates of devices in GFLOP/s by element type, bandwidths in GB/s, times in microseconds."""

    name: str
    rates: Mapping[str, float]
    bandwidths: tuple[float, float, float] = (12.0, 50.0, 15.0)
    starts: tuple[float, float, float] = (1.0, 10.0, 25.0)
    link: float = 6.0
    link_start: float = 20.0
    spread: float = 0.35
    """Standard deviation of the logarithm of what the machine alone adds to a routine's time."""


_DESKTOP = {
    "cpu/f32": 150,
    "cpu/bf16": 280,
    "cpu/i8": 550,
    "gpu/f32": 900,
    "gpu/f16": 2500,
    "dsp/i8": 1500,
}


def _scaled(cpu: float, low_precision: float, other: float) -> dict[str, float]:
    factors = {"cpu/f32": cpu, "cpu/bf16": cpu * low_precision, "cpu/i8": cpu * low_precision}
    return {kind: rate * factors.get(kind, other) for kind, rate in _DESKTOP.items()}


MACHINES: Mapping[str, Machine] = {
    m.name: m
    for m in (
        Machine("desktop", _DESKTOP),
        Machine("server", _scaled(2.0, 1.3, 0.15), (40.0, 50.0, 15.0)),
        Machine("laptop", _scaled(0.6, 0.9, 0.5), (9.0, 25.0, 15.0), link=3.0),
        Machine("phone", _scaled(0.25, 1.6, 0.3), (5.0, 9.0, 12.0), (1.5, 30.0, 15.0), link=4.0),
        Machine("old", _scaled(0.3, 0.25, 0.05), (6.0, 10.0, 5.0), link=1.5),
    )
}


@attrs.frozen
class CostModel:
    """How problems are made. ``missing`` is the share of routines that are not there, ``ties`` rounds costs to few
    values."""

    formats: int = 6
    routines: int = 40
    seed: int = 0
    machine: Machine = MACHINES["desktop"]
    missing: float = 0.0
    ties: bool = False

    def problem(self, graph: Graph, name: str = "") -> Problem:
        """The selection problem of a graph."""
        kinds = FORMATS[: self.formats]
        sizes = {size: n for n, size in enumerate(dict.fromkeys(map(graph.elements, range(len(graph.shapes)))))}
        adapts = tuple(self._adapts(kinds, size) for size in sizes)
        values = tuple(ValueSpec(sizes[graph.elements(v)], graph.elements(v)) for v in range(len(graph.shapes)))
        tables: dict[str, int] = {}
        layers, made = [], []
        for n, node in enumerate(graph.nodes):
            signature = _signature(graph, node)
            if signature not in tables:
                tables[signature] = len(tables)
                made.append(RoutineTable(signature, self._routines(graph, node, signature)))
            layers.append(LayerSpec(f"{node.op}_{n}", tables[signature], node.inputs, node.outputs, node.op))
        formats = tuple(Format(*kind) for kind in kinds)
        return Problem(formats, adapts, values, tuple(made), tuple(layers), name=name, seed=self.seed)

    def _adapts(self, kinds: Sequence[tuple[str, int, int]], size: int) -> Adapts:
        rows = [[self._conversion(a, b, size) for b in kinds] for a in kinds]
        energy = [[_POWER[a[1]] * x for x in row] for a, row in zip(kinds, rows, strict=True)]
        return Adapts(tuple(map(tuple, rows)), {"energy": tuple(map(tuple, energy))})

    def _conversion(self, a: tuple[str, int, int], b: tuple[str, int, int], size: int) -> float:
        """Devices exchange equal types and layouts only; on a device everything is converted in one go."""
        if a == b:
            return 0.0
        (name_a, device, bytes_a), (name_b, other, bytes_b) = a, b
        if device != other:
            alike = name_a.partition("/")[2] == name_b.partition("/")[2]
            return (
                self._rounded(self.machine.link_start + size * bytes_a / self.machine.link / 1e3) if alike else math.inf
            )
        moved = size * (bytes_a + bytes_b) / self.machine.bandwidths[device] / 1e3
        if name_a.rpartition("/")[2] != name_b.rpartition("/")[2]:
            moved *= 2.0
        return self._rounded(self.machine.starts[device] + moved)

    def _rounded(self, cost: float) -> float:
        """Three decimals, or with ties the nearest power of 4."""
        return float(4 ** round(math.log(cost, 4))) if self.ties and cost > 0 else round(cost, 3)

    def _routines(self, graph: Graph, node: Node, signature: str) -> tuple[Routine, ...]:
        if node.op in ("input", "output"):
            return (Routine(node.op, (0,) * len(node.inputs), (0,) * len(node.outputs), 0.0),)
        key = zlib.crc32(signature.encode())
        # What all machines have in common, and what each adds.
        common = np.random.default_rng([self.seed, key])
        own = np.random.default_rng([self.seed, key, zlib.crc32(self.machine.name.encode())])
        heavy = node.op in _PRODUCTS
        usable = [n for n in range(self.formats) if not (node.op in _FLOATS_ONLY and "i8" in FORMATS[n][0])]
        algorithms = _algorithms(node)
        each = max(1, round(self.routines / len(usable))) if heavy else 2
        found = []
        for f in usable:
            quality = common.normal(0, 0.3) + own.normal(0, self.machine.spread)
            for n in range(each):
                algorithm, factor = algorithms[n % len(algorithms)]
                spread = quality + abs(common.normal(0, 0.35)) + abs(own.normal(0, self.machine.spread))
                cost = self._time(graph, node, f, factor) * math.exp(spread)
                out = self._left_in(f, usable, common) if heavy and n == each - 1 and each > 1 else f
                loss, workspace = common.normal(0, 0.5), common.choice([0, 0, 1, 4])
                # The first format always stays: there is a plan.
                if common.random() >= self.missing or (f == 0 and n == 0):
                    name = f"{FORMATS[f][0]}/{algorithm}" + (
                        f"[{n // len(algorithms)}]" if n >= len(algorithms) else ""
                    )
                    used = self._resources(graph, node, f, cost, loss, workspace)
                    ports = (f,) * len(node.inputs), (out,) * len(node.outputs)
                    found.append(Routine(name, *ports, self._rounded(cost), resources=used))
        return tuple(found)

    def _left_in(self, f: int, usable: Sequence[int], random: np.random.Generator) -> int:
        """Some routines leave another format of their device, such as float from bytes."""
        others = [n for n in usable if FORMATS[n][1] == FORMATS[f][1]]
        return int(random.choice(others))

    def _time(self, graph: Graph, node: Node, f: int, factor: float) -> float:
        name, device, size = FORMATS[f]
        moved = sum(map(graph.elements, (*node.inputs, *node.outputs))) * size / self.machine.bandwidths[device] / 1e3
        rate = self.machine.rates[name.rpartition("/")[0]]
        if node.op == "depthwise":
            rate *= 0.25
        if name.endswith("nchw") and node.op in ("depthwise", "conv"):
            rate *= 0.6
        return self.machine.starts[device] + max(moved, node.flops * factor / rate / 1e3)

    def _resources(
        self, graph: Graph, node: Node, f: int, cost: float, loss: float, workspace: int
    ) -> Mapping[str, float]:
        """Loss of accuracy (a surrogate in no unit), energy, and workspace in bytes."""
        name, device, size = FORMATS[f]
        heavy = node.op in _PRODUCTS
        read = sum(map(graph.elements, node.inputs))
        return {
            "loss": round(_LOSS[name.split("/")[1]] * node.flops**0.25 * 1e-3 * math.exp(loss), 6) if heavy else 0.0,
            "energy": round(_POWER[device] * cost, 3),
            "memory": float(read * size * workspace) if heavy else 0.0,
        }


def _algorithms(node: Node) -> tuple[tuple[str, float], ...]:
    """Ways to compute a layer, with the arithmetic they take relative to the plain one's at the machine's rate."""
    if node.op == "conv" and "k3s1" in node.detail:
        return (("direct", 1.3), ("im2col", 1.5), ("winograd", 0.7), ("indirect", 1.4))
    if node.op == "conv" and "k1" in node.detail:
        return (("gemm", 1.2), ("direct", 1.4))
    if node.op == "conv":
        return (("direct", 1.3), ("im2col", 1.4), ("fft", 2.5))
    if node.op in ("dense", "matmul"):
        return (("gemm", 1.3), ("gemv", 2.0))
    return (("plain", 1.0), ("vector", 0.8))


def _signature(graph: Graph, node: Node) -> str:
    shapes = ["x".join(map(str, graph.shapes[v])) for v in (*node.inputs, *node.outputs)]
    return " ".join(filter(None, [node.op, node.detail, *shapes]))
