"""`plait opt`: passes on a module."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from click.core import ParameterSource

from plait.cli.common import FILE, JSON, MODEL_OR_STDIN, check_output
from plait.cli.complete import complete_pipeline
from plait.cli.output import note
from plait.cli.watching import Watching, watching_options

if TYPE_CHECKING:
    from plait.ir import Module
    from plait.ir.types import TensorType
    from plait.ir.values import Array
    from plait.passes.pipeline import Pipeline


@click.command("opt")
@click.argument("model", type=MODEL_OR_STDIN, required=False)
@click.option(
    "-p",
    "--pipeline",
    metavar="PASSES",
    default="default",
    show_default=True,
    shell_complete=complete_pipeline,
    help="Passes with options, such as 'fold-batchnorm,fuse-activation{kinds=[relu]}', or a named pipeline.",
)
@click.option(
    "-o", "--output", type=FILE, help="The .ir file to write, weights beside it (default: text on standard output)."
)
@click.option(
    "--generic", is_flag=True, help="Write generic MLIR text (see docs/generic-form.md), which can be read again."
)
@click.option("--allow-unknown", is_flag=True, help="Keep layers of unknown kinds as they are, instead of failing.")
@click.option("--verbose", is_flag=True, help="Print each rewrite, and why rewrites did not apply, to standard error.")
@watching_options
@click.option(
    "--run-reproducer",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    metavar="FILE",
    help="Run the pipeline in the first line of FILE, written by a failed run, on the module in it.",
)
@click.option("--max-rewrites", type=click.IntRange(min=0), metavar="N", help="Stop rewriting after N rewrites.")
@click.option(
    "--bisect",
    "bisect_command",
    metavar="CMD",
    help="Find the first pass, and the rewrite in it, after which a shell command fails. `{}` in it stands for the .ir "
    "file; without one the file comes last. Status 0: good; 125: cannot tell; any other: bad. -o then writes the IR "
    "before that pass.",
)
@click.option(
    "--color",
    type=click.Choice(["auto", "always", "never"]),
    default="auto",
    show_default=True,
    help="Colour the text on standard output; auto: on a terminal, unless $NO_COLOR is set.",
)
@click.option("--list", "list_passes", is_flag=True, help="List the passes and named pipelines, and stop.")
@JSON
@click.pass_context
def command(
    click_context: click.Context,
    /,
    model: Path | None,
    pipeline: str,
    output: Path | None,
    generic: bool,
    allow_unknown: bool,
    verbose: bool,
    run_reproducer: Path | None,
    max_rewrites: int | None,
    bisect_command: str | None,
    color: str,
    list_passes: bool,
    as_json: bool,
    **flags: Any,
) -> None:
    """Run passes on MODEL, an .ir file (`-`: standard input) or a model file."""
    if list_passes:
        from plait.cli.listings import show_passes

        show_passes()
        return
    from plait.passes.base import PassContext
    from plait.passes.manager import PassManager
    from plait.passes.rewriting.listener import Limit

    given = click_context.get_parameter_source("pipeline") is not ParameterSource.DEFAULT
    model, passes = _source(model, pipeline if given else None, run_reproducer)
    if run_reproducer is not None and flags["reproducer"] is None:
        flags["no_reproducer"] = True  # the file is one already
    watching = Watching.of(flags, passes)
    target = None if output is None or str(output) == "-" else check_output(output)
    if bisect_command is not None:
        if watching.asks or max_rewrites is not None or not bisect_command.strip():
            raise click.UsageError("--bisect takes a command, and no option that shows or limits passes")
        from plait.cli.bisect import bisect_by_command

        bisect_by_command(read_module(model, allow_unknown), str(model), passes, bisect_command, target, as_json)
        return
    if as_json and (target is None or not (flags["timing"] or flags["stats"])):
        raise click.UsageError("--json prints --timing and --stats, and needs -o FILE, since text goes to stdout else")
    module = read_module(model, allow_unknown)
    before = set(module.constants)
    context = PassContext(verbose=verbose, log=lambda line: click.echo(line, err=True))
    if max_rewrites is not None:
        context.listeners.append(Limit(max_rewrites))
    manager = PassManager(passes, verify_each=flags["verify_each"], allow_unknown=allow_unknown)
    manager.observers = watching.observers()
    manager.run(module, context)
    watching.report(as_json)
    _write(module, target, before, generic, color)


def _source(model: Path | None, pipeline: str | None, reproducer: Path | None) -> tuple[Path, Pipeline]:
    """The file to read and the pipeline to run on it."""
    from plait.passes.manager.reproducer import read_pipeline
    from plait.passes.pipeline import Pipeline

    if reproducer is not None:
        if model is not None or pipeline is not None:
            raise click.UsageError("--run-reproducer takes the model and the pipeline from its file")
        return reproducer, read_pipeline(reproducer)
    if model is None:
        raise click.UsageError("Missing argument 'MODEL'.")
    return model, Pipeline.parse("default" if pipeline is None else pipeline)


def read_module(model: Path, allow_unknown: bool) -> Module:
    """A module from IR text, a model file, or standard input (`-`)."""
    import plait
    from plait.frontends import is_ir_text
    from plait.ir.text import load_ir

    if str(model) == "-":
        return _read_stdin(allow_unknown)
    return load_ir(model, allow_unknown=True) if allow_unknown and is_ir_text(model) else plait.load(model)


def _read_stdin(allow_unknown: bool) -> Module:
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

    return parse_module(sys.stdin.read().removeprefix("\ufeff"), "<stdin>", weights=loader, allow_unknown=allow_unknown)


def _write(module: Module, output: Path | None, before: set[str], generic: bool, color: str) -> None:
    from plait.ir.generic import print_generic
    from plait.ir.text import print_module, save_ir

    if output is not None:
        save_ir(module, output, generic=generic)
        click.echo(f"wrote {output}", err=True)
        return
    from plait.cli.editing.terminal import show
    from plait.ir.literals import is_inline

    show(print_generic(module) if generic else print_module(module), "never" if generic else color)
    if any(name not in before and not is_inline(c.type) for name, c in module.constants.items()):
        note("weights were computed, and text does not hold them: write a file with -o to keep them")
