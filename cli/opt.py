"""`plait opt`: passes on a module."""

from __future__ import annotations

import os
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import click

from plait.cli.common import FILE, check_output
from plait.cli.output import Table, note

if TYPE_CHECKING:
    from plait.ir import Module
    from plait.ir.types import TensorType
    from plait.ir.values import Array
    from plait.passes.base import PassContext


@click.command("opt")
@click.argument("model", type=click.Path(exists=True, dir_okay=False, allow_dash=True, path_type=Path), required=False)
@click.option(
    "-p",
    "--pipeline",
    default="default",
    show_default=True,
    help="Passes with options, such as 'fold-batchnorm,fuse-activation{kinds=[relu]}', or a named pipeline.",
)
@click.option(
    "-o", "--output", type=FILE, help="The .ir file to write, weights beside it (default: text on standard output)."
)
@click.option(
    "--print-ir-after",
    multiple=True,
    metavar="PASS",
    help="Print the IR to standard error after this pass. May be repeated.",
)
@click.option("--print-ir-after-all", is_flag=True, help="Print the IR to standard error after each pass.")
@click.option(
    "--print-ir-after-change", is_flag=True, help="Print the IR to standard error after each pass that changed it."
)
@click.option("--timing", is_flag=True, help="Print the time of each pass, and what it did, to standard error.")
@click.option("--verbose", is_flag=True, help="Print each rewrite, and why rewrites did not apply, to standard error.")
@click.option("--list", "list_passes", is_flag=True, help="List the passes and named pipelines, and stop.")
def command(
    model: Path | None,
    pipeline: str,
    output: Path | None,
    print_ir_after: tuple[str, ...],
    print_ir_after_all: bool,
    print_ir_after_change: bool,
    timing: bool,
    verbose: bool,
    list_passes: bool,
) -> None:
    """Run passes on MODEL, an .ir file (`-`: standard input) or a model file."""
    if list_passes:
        from plait.cli.listings import show_passes

        show_passes()
        return
    if model is None:
        raise click.UsageError("Missing argument 'MODEL'.")
    from plait.passes.base import PassContext
    from plait.passes.pipeline import PassManager, Pipeline

    passes = Pipeline.parse(pipeline)
    for name in print_ir_after:
        if name not in {p.name for p in passes}:
            raise click.BadParameter(f"the pipeline has no pass {name!r}", param_hint="--print-ir-after")
    to_stdout = output is None or str(output) == "-"
    if output is not None and not to_stdout:
        check_output(output)
    module = _read(model)
    before = set(module.constants)
    # Written only if a pass fails.
    reproducer = Path(tempfile.gettempdir()) / f"plait-reproducer-{os.getpid()}-{time.time_ns() % 10**9}.ir"
    manager = PassManager(
        passes,
        print_ir_after=print_ir_after,
        print_ir_after_all=print_ir_after_all,
        print_ir_after_change=print_ir_after_change,
        on_print=_printer(),
        reproducer=reproducer,
    )
    context = PassContext(verbose=verbose, log=lambda line: click.echo(line, err=True))
    manager.run(module, context)
    if timing:
        _show_timing(context)
    _write(module, None if to_stdout else output, before)


def _read(model: Path) -> Module:
    import plait

    if str(model) != "-":
        return plait.load(model)
    from plait.ir.diagnostics import IRError
    from plait.ir.text import parse_module
    from plait.ir.weights import read_weights

    def loader(file: str, digest: str, declared: dict[str, TensorType]) -> dict[str, Callable[[], Array]]:
        # Text alone can be looked at and transformed as far as no pass needs the numbers.
        try:
            return read_weights(Path(), file, digest, declared)
        except IRError as error:
            note(f"weights are not loaded: {error.diagnostics[0].message}")
            return {}

    return parse_module(sys.stdin.read(), "<stdin>", weights=loader)


def _write(module: Module, output: Path | None, before: set[str]) -> None:
    from plait.ir.text import print_module, save_ir

    if output is not None:
        save_ir(module, output)
        click.echo(f"wrote {output}", err=True)
        return
    from plait.ir.literals import is_inline

    click.echo(print_module(module), nl=False)
    if any(name not in before and not is_inline(c.type) for name, c in module.constants.items()):
        note("weights were computed, and text does not hold them: write a file with -o to keep them")


def _printer() -> Callable[[str, Module], None]:
    from plait.ir.text import print_module

    return lambda text, module: click.echo(f"// after {text}\n{print_module(module)}", err=True)


def _show_timing(context: PassContext) -> None:
    table = Table(("pass", ">ms", "changed", ">layers before", ">after"))
    for record in context.records:
        table.add(
            record.pass_text,
            f"{record.seconds * 1e3:.2f}",
            "yes" if record.changed else "no",
            record.layers_before,
            record.layers_after,
        )
    table.add("total", f"{sum(r.seconds for r in context.records) * 1e3:.2f}", "", "", "")
    table.show(err=True)
    for (name, what), times in sorted(context.statistics.items()):
        click.echo(f"{name}: {what} {times}", err=True)
