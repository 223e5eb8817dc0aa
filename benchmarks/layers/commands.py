"""The command line of the benchmark of layers."""

from __future__ import annotations

import argparse
import contextlib
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from benchmarks.layers import precisions
from benchmarks.layers.measure import Bench, Row
from benchmarks.layers.plot import plot
from benchmarks.layers.report import markdown
from benchmarks.layers.shapes import PRODUCTS, Shape, distinct, load_networks, movement
from benchmarks.support.arguments import numbers, words
from benchmarks.support.environments import Environments
from benchmarks.support.limits import read_limits
from benchmarks.support.networks import onnx_file
from benchmarks.support.results import about, write_results
from benchmarks.support.serving import Server
from plait.backends.profiling.database import ProfileDatabase
from plait.backends.profiling.limits import Limits
from plait.backends.profiling.profiler import WorkerProfiler

RESULTS = Path("benchmarks/results")
NETWORKS = ("vgg16", "resnet50", "mobilenetv2", "mobilenetv3")


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure, then print and write the results."""
    options = _parser().parse_args(arguments)
    for name in options.networks:
        onnx_file(name, options.folder, options.image, options.width)
    limits = {threads: read_limits(options.limits, threads) for threads in options.threads}
    if options.precisions:
        compare_precisions(limits, options)
        return
    modules = load_networks(options.networks, options.folder)
    shapes = sorted(
        [*distinct(modules), *movement(modules.values(), options.images)],
        key=lambda shape: PRODUCTS.index(shape.kind) if shape.kind in PRODUCTS else len(PRODUCTS),
    )
    if options.kinds:
        shapes = [shape for shape in shapes if shape.kind in options.kinds]
    environments = Environments(options.venvs, {"torch": options.torch} if options.torch else {})
    torch = environments.find("torch", ["torch"])
    if torch is None:
        print("oneDNN is left out: no Python here has torch", file=sys.stderr)
    rows = [row for known in limits.items() for row in measure(shapes, *known, torch, options)]
    report(rows, limits.values(), options.results or RESULTS / "layers")


def compare_precisions(limits: Mapping[int, Limits | None], options: argparse.Namespace) -> None:
    """The products of the networks in each precision: tables on standard output; tables, JSON and figure in files."""
    import plait

    modules = {name: plait.load(options.folder / f"{name}.onnx") for name in options.networks}
    shapes = [s for s in precisions.products(modules) if not options.kinds or s.kind in options.kinds]
    rows: list[precisions.PrecisionRow] = []
    for threads, known in limits.items():
        with benching(threads, known, None, options) as bench:
            rows += precisions.measure(shapes, bench)
    text = precisions.markdown(rows)
    print(text, end="")
    body = {**about("precisions/1", limits.values()), "rows": [row.to_json() for row in rows]}
    write_results(options.results or RESULTS / "precisions", text, body, lambda path: precisions.plot(rows, path))


def measure(
    shapes: Sequence[Shape], threads: int, limits: Limits | None, torch: Path | None, options: argparse.Namespace
) -> Iterable[Row]:
    """The rows of all shapes on a number of threads."""
    with benching(threads, limits, torch, options) as bench:
        for done, shape in enumerate(shapes, 1):
            if (row := bench.row(shape)) is not None:
                print(f"{done}/{len(shapes)} t{threads} {shape.text}: {row.ms:.4f} ms", file=sys.stderr, flush=True)
                yield row


@contextlib.contextmanager
def benching(threads: int, limits: Limits | None, torch: Path | None, options: argparse.Namespace) -> Iterator[Bench]:
    """What measures, with its processes, which end with it."""
    ours = Server(Path(sys.executable), "benchmarks.layers.ours", threads)
    onednn = Server(torch, "benchmarks.layers.onednn", threads) if torch else None
    try:
        with ProfileDatabase(None) as database:
            profiler = WorkerProfiler(database)
            yield Bench(threads, profiler, ours, onednn, limits, options.rounds, options.seconds).with_call()
    finally:
        for server in (ours, onednn):
            if server is not None:
                server.stop()


def report(rows: Sequence[Row], limits: Iterable[Limits | None], results: Path) -> None:
    """Tables on standard output; tables, JSON and figure in files."""
    text = markdown(rows)
    print(text, end="")
    body = {**about("layers/1", limits), "rows": [row.to_json() for row in rows]}
    write_results(results, text, body, lambda path: plot(rows, path))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="benchmarks.layers", description="Routines on layers, beside oneDNN.")
    parser.add_argument("--networks", type=words, default=list(NETWORKS), help="names, separated by commas")
    parser.add_argument("--folder", type=Path, default=Path("build/networks"), help="where their ONNX files lie")
    parser.add_argument("--image", type=int, default=224, help="height and width of images of networks to be written")
    parser.add_argument("--width", type=float, default=1.0, help="factor of the numbers of channels of these")
    parser.add_argument("--kinds", type=words, default=[], help="only these kinds of layers, separated by commas")
    parser.add_argument("--images", type=int, default=6, help="number of images for adapts and element-wise layers")
    parser.add_argument("--threads", type=numbers, default=[1], help="numbers, separated by commas")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=0.03, help="length of one turn")
    parser.add_argument("--venvs", type=Path, metavar="FOLDER", help="environments to look for torch in")
    parser.add_argument("--torch", type=Path, metavar="PYTHON", help="the Python that has torch")
    parser.add_argument(
        "--limits", type=Path, metavar="FILE", help="what `plait doctor --json` printed (default: what it stored)"
    )
    parser.add_argument(
        "--precisions",
        action="store_true",
        help="convolutions and fully connected layers in float32, bfloat16 and 8 bits, without oneDNN",
    )
    parser.add_argument(
        "--results",
        type=Path,
        metavar="FILES",
        help=f"files without suffix (default: layers or precisions in {RESULTS})",
    )
    return parser
