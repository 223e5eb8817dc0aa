"""The convolutions and fully connected layers of networks in float32, bfloat16 and 8 bits, in turns in one process."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import attrs

from benchmarks.layers.measure import Bench
from benchmarks.layers.shapes import Shape, distinct
from benchmarks.support.markdown import MarkdownTable, number
from plait.backends.profiling.limits import Limits
from plait.ir.attributes import attribute_text
from plait.ir.layer import Layer
from plait.ir.layers.conv import Conv2d
from plait.ir.layers.linear import FullyConnected
from plait.ir.module import Module
from plait.ir.text.parser import parse_module
from plait.tuning.roofline import peak

ELEMENTS = {
    "float32": ("f32", "f32", ""),
    "bfloat16": ("bf16", "bf16", ""),
    "qint8": ("qu8<0.02>", "q8<0.005>", ", to = qu8<0.05>"),
}
"""Of images and weights of each precision, and how a layer says what its result is."""
LAYERS = "fold-constants,dce,canonicalize,fold-pad,fold-batchnorm,fold-bias,cse,dce"
"""Passes that leave every convolution a layer of its own."""
GEOMETRY = ("stride", "pad", "dilation", "groups")


@attrs.frozen
class Time:
    """The fastest routine of a precision, and the fastest that computes each product of the layer."""

    routine: str
    ms: float
    plain: str
    plain_ms: float


@attrs.frozen
class PrecisionRow:
    """One layer on a number of threads."""

    shape: Shape
    threads: int
    times: Mapping[str, Time]
    limits: Limits | None

    def share(self, precision: str) -> float | None:
        """Of the peak of its products, by the routine that computes all of them; None if the peak is not known."""
        if self.limits is None or precision not in self.times:
            return None
        layer = twin(self.shape.layer, precision)
        return layer.flops() / self.times[precision].plain_ms / 1e6 / peak(layer, self.limits)

    def gain(self, precision: str) -> float | None:
        """How many times slower float32 is, each by its fastest routine."""
        if not {"float32", precision} <= self.times.keys():
            return None
        return self.times["float32"].ms / self.times[precision].ms

    def to_json(self) -> dict[str, Any]:
        return {
            "kind": self.shape.kind,
            "shape": self.shape.text,
            "networks": self.shape.uses,
            "threads": self.threads,
            "precisions": {
                name: {**attrs.asdict(time), "peak_share": self.share(name), "gain": self.gain(name)}
                for name, time in self.times.items()
            },
        }


def products(modules: Mapping[str, Module]) -> list[Shape]:
    """The convolutions and fully connected layers of networks, equal ones once, without what may be fused with them."""
    import plait

    apart = {name: plait.optimize(module, LAYERS) for name, module in modules.items()}
    return [shape for shape in distinct(apart) if isinstance(shape.layer, (Conv2d, FullyConnected))]


def twin(layer: Layer, precision: str) -> Layer:
    """The layer with a ReLU and without a bias, alone in a module, in a precision; its weights have no data."""
    assert isinstance(layer, (Conv2d, FullyConnected))
    image, weights, to = ELEMENTS[precision]
    given = {name: value for name, value in layer.attributes().items() if name in GEOMETRY}
    attributes = ", ".join([*(f"{name} = {attribute_text(value)}" for name, value in given.items()), "act = relu"])
    x, w, y = (_extent(v.type.static_shape) for v in (layer.x, layer.weight, layer.result))
    result = image if not to else to.rpartition(" ")[2]
    text = f"""ir 1
weights "none" {{
  @w : {weights}[{w}]
}}
net @main(%x: {image}[{x}]) -> (%y: {result}[{y}]) {{
  %y = {layer.op}(%x, @w) {{{attributes}{to}}}
}}
"""
    (found,) = parse_module(text).main
    return found


def measure(shapes: Sequence[Shape], bench: Bench) -> Iterable[PrecisionRow]:
    """The rows of all shapes: routines are screened by the profiler, the best of each precision then take turns."""
    for done, shape in enumerate(shapes, 1):
        finalists: dict[str, tuple[str, str]] = {}
        for precision in ELEMENTS:
            screened = bench.screen(attrs.evolve(shape, layer=twin(shape.layer, precision)))
            own = {base: family.ms for base, (_, family) in screened.items()}
            plain = {base: ms for base, ms in own.items() if "winograd" not in base}
            if not plain:
                continue
            finalists[precision] = min(own, key=own.__getitem__), min(plain, key=plain.__getitem__)
            for base in finalists[precision]:
                bench.ours.open(base, {"module": screened[base][0].job.module})
        times = bench.take_turns([base for pair in finalists.values() for base in dict.fromkeys(pair)], [])
        row = PrecisionRow(
            shape,
            bench.threads,
            {p: Time(best, times[best], plain, times[plain]) for p, (best, plain) in finalists.items()},
            bench.limits,
        )
        told = ", ".join(f"{name} {time.ms:.4f} ms" for name, time in row.times.items())
        print(f"{done}/{len(shapes)} t{bench.threads} {shape.text}: {told}", file=sys.stderr, flush=True)
        yield row


def markdown(rows: Sequence[PrecisionRow]) -> str:
    """A table for each number of threads."""
    parts = []
    for threads in sorted({row.threads for row in rows}):
        columns = [f">{name} {what}" for name in ELEMENTS for what in ("ms", "of peak")]
        table = MarkdownTable(("kind", "layer", "in", *columns, ">bfloat16 gains", ">qint8 gains", "qint8 by"))
        for row in rows:
            if row.threads != threads:
                continue
            cells = [
                text
                for name in ELEMENTS
                for text in (
                    number(row.times[name].ms if name in row.times else None, ".4f"),
                    number(row.share(name), ".0%"),
                )
            ]
            uses = ", ".join(f"{name} {n}" for name, n in row.shape.uses.items())
            by = row.times["qint8"].routine.removeprefix("cpu/q8/") if "qint8" in row.times else "-"
            gains = [number(row.gain(name)) for name in ("bfloat16", "qint8")]
            table.add(row.shape.kind, row.shape.text, uses, *cells, *gains, by)
        parts += [f"## {'One thread' if threads == 1 else f'{threads} threads'}", str(table)]
    return "\n\n".join(parts) + "\n"


def plot(rows: Sequence[PrecisionRow], path: Path) -> None:
    """Shares of the peaks, and what lower precision gains, a column for each number of threads. Needs matplotlib."""
    from matplotlib.figure import Figure

    counts = sorted({row.threads for row in rows})
    most = max(sum(row.threads == threads for row in rows) for threads in counts)
    figure = Figure(figsize=(max(9, 0.16 * most) * len(counts), 9), layout="constrained")
    grid = figure.subplots(2, len(counts), squeeze=False)
    for column, threads in enumerate(counts):
        some = [row for row in rows if row.threads == threads]
        places = range(len(some))
        top, bottom = grid[0][column], grid[1][column]
        colors = {name: f"C{i}" for i, name in enumerate(ELEMENTS)}
        for name, color in colors.items():
            top.plot(places, [row.share(name) or 0 for row in some], "o", markersize=4, color=color, label=name)
        top.set(title=f"threads: {threads}", ylabel="share of the peak of its products, Winograd left out")
        top.set_xticks([])
        for name in ("bfloat16", "qint8"):
            bottom.plot(
                places, [row.gain(name) or 0 for row in some], "o", markersize=4, color=colors[name], label=name
            )
        bottom.set(ylabel="float32's time / its time", xlim=top.get_xlim())
        bottom.set_xticks(list(places), [row.shape.text for row in some], rotation=90, fontsize=6)
        for axes in (top, bottom):
            axes.axhline(1, color="black", linewidth=0.8)
            axes.legend()
    figure.savefig(path, dpi=130)


def _extent(shape: Sequence[int]) -> str:
    return "x".join(map(str, shape))
