"""Reading and printing of IR text against its length: both should take time linear in the number of layers.

    python benchmarks/text_scaling.py [--sizes 1000,...,100000] [--rounds 3] [--json FILE] [--plot FILE.png]

and of the text of a network as it is imported:

    python benchmarks/text_scaling.py --network resnet50

A text is a chain of convolutions, additions, activations and poolings with types, attributes, and for each convolution
a routine, a cost and a location. Sizes are measured in turn, `rounds` times; a row gives the medians. `growth` is the
exponent of the power law nearest to the measurements: 1 is linear. Each text is measured in a process of its own, so
that none is read into memory that another has left in pieces.
"""

from __future__ import annotations

import argparse
import json
import math
import multiprocessing
import statistics
import sys
import time
from pathlib import Path

import numpy as np

from plait.cli.output import Table
from plait.frontends.onnx import import_onnx
from plait.ir.text import parse_module, print_module
from plait.testing import networks

SIZES = (1000, 2000, 5000, 10_000, 20_000, 50_000, 100_000)
TYPE = "f32[1x16x32x32] nchw16c"


def network(layers: int) -> str:
    """The text of a chain of this many layers."""
    rows, last = [], "image"
    for i in range(layers):
        match i % 4:
            case 0:
                rows.append(
                    f"  %c{i} = conv2d(%{last}, @w, @b) {{pad = [1, 1, 1, 1], act = relu}} : {TYPE}\n"
                    f'      via cpu/f32/nchw16c/direct !41.20us loc "chain.onnx":"Conv_{i}"'
                )
            case 1:
                rows.append(f"  %c{i} = add(%{last}, %image) : {TYPE}")
            case 2:
                rows.append(f"  %c{i} = sigmoid(%{last}) : {TYPE}")
            case _:
                rows.append(f"  %c{i} = max_pool2d(%{last}) {{kernel = [3, 3], pad = [1, 1, 1, 1]}} : {TYPE}")
        last = f"c{i}"
    head = 'ir 1\nweights "chain.safetensors" {\n  @w : f32[16x16x3x3]\n  @b : f32[16]\n}\n'
    return f"{head}net @main(%image: {TYPE}) -> (%{last}: {TYPE}) {{\n" + "\n".join(rows) + "\n}\n"


def measure(size: int | str) -> tuple[float, float]:
    """Seconds to read and to print a text of this many layers, or the text of a network as it is imported."""
    parse_module(network(8))  # builds the parser's tables
    text = network(size) if isinstance(size, int) else print_module(import_onnx(networks.build(size)).module)
    start = time.perf_counter()
    module = parse_module(text)
    read = time.perf_counter()
    printed = print_module(module)
    end = time.perf_counter()
    assert printed.split() == text.split()
    return read - start, end - read


def growth(sizes: list[int], seconds: list[float]) -> float:
    """Exponent of the power law nearest to the measurements."""
    return float(np.polyfit([math.log(s) for s in sizes], [math.log(t) for t in seconds], 1)[0])


def plot(rows: list[dict[str, float]], path: Path) -> None:
    """Seconds against layers, with straight lines through the last points."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6, 4), layout="constrained")
    axes = figure.subplots()
    sizes = [row["layers"] for row in rows]
    for what, marker in (("read", "o"), ("print", "s")):
        seconds = [row[what] for row in rows]
        (line,) = axes.plot(sizes, seconds, marker, label=what)
        axes.plot(sizes, [seconds[-1] * s / sizes[-1] for s in sizes], "--", color=line.get_color(), label="linear")
    axes.set(xlabel="layers", ylabel="seconds", title="Reading and printing of IR text")
    axes.legend()
    figure.savefig(path, dpi=150)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--sizes", type=lambda text: [int(s) for s in text.split(",")], default=list(SIZES))
    parser.add_argument("--network", choices=sorted(networks.NETWORKS))
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--plot", type=Path)
    options = parser.parse_args()
    if options.network:
        found = [measure(options.network) for _ in range(max(5, options.rounds))]
        read, printed = (statistics.median(s[i] for s in found) for i in (0, 1))
        print(f"{options.network}: read in {read * 1e3:.1f} ms, printed in {printed * 1e3:.1f} ms")
        return
    samples: dict[int, list[tuple[float, float]]] = {size: [] for size in options.sizes}
    with multiprocessing.get_context("spawn").Pool(1, maxtasksperchild=1) as pool:
        for _ in range(options.rounds):
            for size in options.sizes:
                samples[size].append(pool.apply(measure, (size,)))
                print(".", end="", file=sys.stderr, flush=True)
    print(file=sys.stderr)
    rows = [
        {
            "layers": size,
            "read": statistics.median(s[0] for s in found),
            "print": statistics.median(s[1] for s in found),
        }
        for size, found in samples.items()
    ]
    table = Table((">layers", ">read s", ">us/layer", ">print s", ">us/layer"))
    for row in rows:
        per_layer = [f"{row[what] / row['layers'] * 1e6:.0f}" for what in ("read", "print")]
        table.add(int(row["layers"]), f"{row['read']:.3f}", per_layer[0], f"{row['print']:.3f}", per_layer[1])
    table.show()
    fitted = {w: growth(options.sizes, [row[w] for row in rows]) for w in ("read", "print")} if len(rows) > 1 else {}
    print(", ".join(f"growth of {what}: {exponent:.2f}" for what, exponent in fitted.items()))
    if options.json:
        options.json.write_text(json.dumps({"rows": rows, "growth": fitted}, indent=1) + "\n")
    if options.plot:
        plot(rows, options.plot)


if __name__ == "__main__":
    main()
