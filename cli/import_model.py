"""`plait import`: a model file as IR text."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from plait.cli.common import FILE, MODEL, DimType, check_output

if TYPE_CHECKING:
    from plait.ir.module import Module
    from plait.passes.quantized.report import QuantizationReport


@click.command("import")
@click.argument("model", type=MODEL)
@click.option(
    "-o",
    "--output",
    type=FILE,
    required=True,
    help="The .ir file to write; weights go beside it as .safetensors. `-` prints the text without weights.",
)
@click.option(
    "--dim", "dims", type=DimType(), multiple=True, help="Size of a symbolic dimension, such as N=1. May be repeated."
)
@click.option("-v", "--verbose", is_flag=True, help="List every layer of a quantized model that stays on numbers.")
def command(model: Path, output: Path, dims: tuple[tuple[str, int], ...], verbose: bool) -> None:
    """Read MODEL and write it as IR text, with its weights in a .safetensors file beside it.

    Everything in the model that is not supported is listed at once; nothing is imported by half. Of a quantized model
    integer layers are formed, and what stays on numbers is told with the reason.
    """
    import plait
    from plait.frontends import is_onnx
    from plait.ir.text import print_module, save_ir

    to_stdout = str(output) == "-"
    if not to_stdout:
        check_output(output, inputs=[model])
    if is_onnx(model):
        from plait.frontends.onnx import import_onnx

        result = import_onnx(model, dims=dict(dims))
        module, told = result.module, str(result.report)
    else:
        module, told = plait.load(model, dims=dict(dims)), str(model)
    if (quantized := _form_integer_layers(module)) is not None:
        told += f"\n{quantized.text(verbose)}"
    if to_stdout:
        click.echo(print_module(module), nl=False)
        return
    save_ir(module, output)
    click.echo(told, err=True)
    click.echo(f"wrote {output}", err=True)


def _form_integer_layers(module: Module) -> QuantizationReport | None:
    """Let a quantized model compute on integers; returns what came of it, or None if nothing is quantized."""
    from plait.passes.manager.runner import run_pipeline
    from plait.passes.quantized.report import quantization_report

    if quantization_report(module) is None:
        return None
    run_pipeline("fold-constants,dce,canonicalize,form-integer-layers,dce", module)
    return quantization_report(module)
