"""`plait compare`: kernels against the NumPy reference."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from plait.cli.common import (
    DATABASE,
    DIMS,
    JSON,
    MODEL,
    ROUTINES,
    SEED,
    THREADS,
    is_package_file,
    load_static,
    open_runner,
)
from plait.cli.inputs import INPUTS, read_inputs
from plait.cli.output import Table, print_json
from plait.cli.progress import measuring

if TYPE_CHECKING:
    from plait.ir import Module
    from plait.tuning.compare import Comparison

_SHOWN = 20


@click.command("compare")
@click.argument("model", type=MODEL)
@ROUTINES
@click.option("--all-routines", is_flag=True, help="Check every routine that can run a layer, not only the chosen one.")
@click.option("--threads", type=THREADS, help="Threads (default: those of the plan; 1 for what is tuned first).")
@DATABASE
@DIMS
@INPUTS
@SEED
@click.option(
    "--max-error",
    type=click.FloatRange(min=0),
    default=1e-4,
    metavar="X",
    show_default=True,
    help="Largest relative error (2-norm) that is accepted.",
)
@click.option("--all", "show_all", is_flag=True, help=f"Show all layers rather than the {_SHOWN} worst.")
@JSON
@click.pass_context
def command(
    ctx: click.Context,
    model: Path,
    routines: tuple[str, ...],
    all_routines: bool,
    threads: int | None,
    db: Path | None,
    dims: tuple[tuple[str, int], ...],
    inputs: tuple[str, ...],
    seed: int,
    max_error: float,
    show_all: bool,
    as_json: bool,
) -> None:
    """Compare each layer's kernel with its NumPy reference, on the same inputs; then the outputs of whole runs.

    MODEL is a model file, which is tuned first, a .plait package, or a tuned .ir file. Exit code 1 if an error is
    above --max-error.
    """
    import plait
    from plait.ir.types import Type
    from plait.tuning.compare import compare_plans
    from plait.tuning.open import is_tuned

    original: Module | None = None
    if not is_package_file(model):
        original = load_static(model, dims)
    elif routines or dims:
        raise click.UsageError("a package has its routines and sizes already; --routine and --dim are for model files")
    if original is None or (is_tuned(original) and not routines):
        runner = open_runner(model, threads, False)
        original, module, used = None, runner.module, runner.program.threads
    else:
        used = threads or 1
        with measuring() as progress:
            module = plait.tune(original, threads=used, routines=routines, db=db, progress=progress).module
    types: dict[str, Type] = {v.name: v.type for v in module.main.arguments}
    arrays = read_inputs(inputs, types, seed)
    found = compare_plans(module, original, threads=used, all_routines=all_routines, inputs=arrays)
    good = found.worst <= max_error
    if as_json:
        print_json({**found.to_json(), "max_error": max_error, "ok": good, "seed": seed})
    else:
        show(found, max_error, None if show_all else _SHOWN)
    if not good:
        click.echo(f"error: the largest relative error is {found.worst:.3g}, above {max_error:g}", err=True)
        ctx.exit(1)


def show(found: Comparison, max_error: float, limit: int | None) -> None:
    """Layers, the worst first, then the outputs."""
    table = Table((">#", "layer", "op", "routine", ">error", ">largest", ""))
    for row in found.layers[:limit]:
        table.add(
            row.index,
            row.name,
            row.op,
            row.routine,
            f"{row.error:.2e}",
            f"{row.largest:.2e}",
            "" if row.error <= max_error else "above",
        )
    table.show()
    if limit is not None and len(found.layers) > limit:
        click.echo(f"... and {len(found.layers) - limit} with smaller errors (--all shows them)")
    click.echo()
    table = Table(("output", ">error", ">largest", ""))
    for row in found.outputs:
        table.add(row.name, f"{row.error:.2e}", f"{row.largest:.2e}", "" if row.error <= max_error else "above")
    table.show()
    click.echo()
    click.echo(
        f"{found.checked} results of layers and {len(found.outputs)} outputs compared; "
        f"largest relative error {found.worst:.2e}"
    )
