"""`plait run`: a model on arrays."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from plait.cli.common import DIMS, FOLDER, JSON, MODEL, SEED, THREADS, is_package_file, load_static, open_runner
from plait.cli.inputs import INPUTS, read_inputs
from plait.cli.output import Table, note, print_json

if TYPE_CHECKING:
    from plait.ir.values import Array


@click.command("run")
@click.argument("model", type=MODEL)
@INPUTS
@click.option("--output-dir", type=FOLDER, metavar="DIR", help="Folder for the outputs, one .npy file each.")
@SEED
@click.option("--threads", type=THREADS, help="Threads (default: those of the fastest plan for this machine).")
@click.option("--strict", is_flag=True, help="A routine that is not installed is an error.")
@DIMS
@JSON
def command(
    model: Path,
    inputs: tuple[str, ...],
    output_dir: Path | None,
    seed: int,
    threads: int | None,
    strict: bool,
    dims: tuple[tuple[str, int], ...],
    as_json: bool,
) -> None:
    """Run MODEL and describe its outputs.

    A .plait package or a tuned .ir file runs by its plan. Any other model is computed by the NumPy reference: slow,
    but the measure of all kernels.
    """
    if output_dir is not None and not output_dir.parent.is_dir():
        raise NotADirectoryError(0, "no such folder for the outputs", str(output_dir.parent))
    outputs = _outputs(model, inputs, seed, threads, strict, dims)
    files = _save(outputs, output_dir) if output_dir is not None else {}
    rows = [_describe(name, array, files.get(name)) for name, array in outputs.items()]
    if as_json:
        print_json({"schema": "run/1", "outputs": rows, **({} if inputs else {"seed": seed})})
        return
    table = Table(("output", "dtype", "shape", ">min", ">max", ">mean", "file"))
    for row in rows:
        numbers = ("" if row[k] is None else f"{row[k]:.6g}" for k in ("min", "max", "mean"))
        table.add(row["name"], row["dtype"], "x".join(map(str, row["shape"])) or "scalar", *numbers, row["file"] or "")
    table.show()


def _outputs(
    model: Path,
    inputs: tuple[str, ...],
    seed: int,
    threads: int | None,
    strict: bool,
    dims: tuple[tuple[str, int], ...],
) -> dict[str, Array]:
    from plait.tuning.open import is_tuned

    if not is_package_file(model):
        module = load_static(model, dims)
        if not is_tuned(module):
            from plait.backends.reference import evaluate

            note(f"{model} is not tuned; computing with the NumPy reference")
            return evaluate(module, read_inputs(inputs, {v.name: v.type for v in module.main.arguments}, seed))
    elif dims:
        raise click.UsageError("a package has its sizes already; --dim is for model files")
    runner = open_runner(model, threads, strict)
    return runner.run(**read_inputs(inputs, runner.inputs, seed))


def _save(outputs: dict[str, Array], folder: Path) -> dict[str, str]:
    import numpy as np

    from plait.ir.files import atomic_write

    folder.mkdir(exist_ok=True)
    files: dict[str, str] = {}
    for name, array in outputs.items():
        path = folder / file_name(name, {Path(f).name for f in files.values()})
        with atomic_write(path) as file:
            np.save(file, array, allow_pickle=False)
        files[name] = str(path)
    return files


def file_name(name: str, taken: set[str]) -> str:
    """A harmless name for the file of an output: `a/b:0` becomes `a_b_0.npy`."""
    base = re.sub(r"[^A-Za-z0-9._-]", "_", name).lstrip(".-")[:100] or "output"
    candidate, n = f"{base}.npy", 0
    # File systems that do not tell cases apart exist.
    while candidate.lower() in {t.lower() for t in taken}:
        n += 1
        candidate = f"{base}.{n}.npy"
    return candidate


def _describe(name: str, array: Array, file: str | None) -> dict[str, Any]:
    import numpy as np

    with np.errstate(all="ignore"):
        numbers = {
            k: float(f(array)) if array.size else None for k, f in (("min", np.min), ("max", np.max), ("mean", np.mean))
        }
    return {"name": name, "dtype": str(array.dtype), "shape": list(array.shape), **numbers, "file": file}
