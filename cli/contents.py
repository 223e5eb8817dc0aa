"""What a module holds, for `plait inspect`: nets, layers by kind, arithmetic, constants."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from plait.cli.output import Table, size

if TYPE_CHECKING:
    from plait.ir import Module
    from plait.ir.module import Function


def describe_file(path: Path) -> dict[str, Any]:
    """The contents of a model file, of IR text, or of standard input (`-`), as the JSON of `plait inspect`.

    Raises:
        PlaitError: it cannot be read, or is not valid.
    """
    from plait.cli.opt import read_module
    from plait.frontends import is_onnx

    origin: dict[str, Any] = {}
    if str(path) != "-" and is_onnx(path):
        from plait.frontends.onnx import import_onnx

        result = import_onnx(path)
        module = result.module
        origin = {"producer": result.report.producer, "opset": result.report.opset}
    else:
        module = read_module(path, allow_unknown=True)
    return {"schema": "module/1", "file": str(path), **origin, **describe(module)}


def describe(module: Module) -> dict[str, Any]:
    """Constants and nets of a module."""
    return {
        "constants": len(module.constants),
        "constant_bytes": sum(c.type.nbytes for c in module.constants.values()),
        "nets": [_net(function) for function in module.functions.values()],
    }


def _net(function: Function) -> dict[str, Any]:
    from plait.passes.analyses.base import Analyses
    from plait.passes.analyses.costs import Costs

    costs = Analyses().get(Costs, function)
    kinds: Counter[str] = Counter()
    flops: Counter[str] = Counter()
    for layer, cost in costs.layers.items():
        kinds[layer.op] += 1
        flops[layer.op] += cost.flops if cost else 0
    unknown = {layer.op for layer in costs.unknown}
    return {
        "name": function.name,
        "arguments": {a.name: str(a.type) for a in function.arguments},
        "outputs": {n: str(v.type) for n, v in zip(function.output_names, function.outputs, strict=True)},
        "symbols": function.symbols(),
        "layers": len(costs.layers),
        "with_routine": sum(layer.via is not None for layer in costs.layers),
        "flops": costs.total.flops if costs.total else None,
        "kinds": [
            {"layer": op, "count": count, "flops": None if op in unknown else flops[op]}
            for op, count in sorted(kinds.items(), key=lambda item: (-item[1], item[0]))
        ],
    }


def show_contents(data: dict[str, Any]) -> None:
    """Print what `describe_file` gives."""
    origin = f"{data['producer'] or 'unknown producer'}, opset {data['opset']}, " if "opset" in data else ""
    click.echo(f"{data['file']}: {origin}{_count(data['constants'], 'constant')}, {size(data['constant_bytes'])}")
    for net in data["nets"]:
        click.echo(f"\nnet @{net['name']}: {_count(net['layers'], 'layer')}, {_flops(net['flops'])} flops{_state(net)}")
        for name, type in net["arguments"].items():
            click.echo(f"  input {name}: {type}")
        for name, type in net["outputs"].items():
            click.echo(f"  output {name}: {type}")
        if net["symbols"]:
            click.echo(f"  symbolic dimensions: {', '.join(net['symbols'])}")
        if net["kinds"]:
            click.echo()
            table = Table(("layer", ">count", ">flops"))
            for kind in net["kinds"]:
                table.add(kind["layer"], kind["count"], _flops(kind["flops"]))
            table.show()


def _count(number: int, what: str) -> str:
    return f"{number} {what}" if number == 1 else f"{number} {what}s"


def _flops(count: int | None) -> str:
    return "?" if count is None else f"{count:,}"


def _state(net: dict[str, Any]) -> str:
    """How far the selection of routines has come."""
    if not net["with_routine"]:
        return ""
    return ", tuned" if net["with_routine"] == net["layers"] else f", {net['with_routine']} with a routine"
