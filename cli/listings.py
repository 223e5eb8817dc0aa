"""`plait routines`, `plait layers`, `plait passes`: what is registered."""

from __future__ import annotations

import inspect
from typing import Any

import click

from plait.cli.common import JSON
from plait.cli.output import Table, print_json


@click.command("routines")
@click.option("--layer", "layer_name", metavar="KIND", help="Only those of one kind of layer, such as conv2d.")
@click.argument("pattern", required=False)
@JSON
def routines(layer_name: str | None, pattern: str | None, as_json: bool) -> None:
    """List the routines that layers can have, or those that PATTERN matches (as for `plait tune --routine`)."""
    from plait.backends.descriptor import RoutinePattern
    from plait.backends.routine import known_routines
    from plait.ir import known_layers
    from plait.ir.diagnostics import did_you_mean

    if layer_name is not None and layer_name not in known_layers():
        hint = did_you_mean(layer_name, known_layers()) or "`plait layers` lists them"
        raise click.BadParameter(f"no kind of layer is called {layer_name!r}; {hint}", param_hint="--layer")
    wanted = RoutinePattern.parse(pattern) if pattern else None
    found = [r for r in known_routines(layer_name) if wanted is None or wanted.matches(r.path)]
    if not found:
        of_layer = f" of {layer_name}" if layer_name else ""
        hint = "a pattern starts with a device, such as cpu or *"
        raise click.BadParameter(f"{pattern!r} matches no routine{of_layer}; {hint}", param_hint="PATTERN")
    found.sort(key=lambda r: (r.layer, str(r.path)))
    if as_json:
        rows = [
            {"layer": r.layer, "routine": str(r.path), "version": r.version, "summary": r.summary, "origin": r.origin}
            for r in found
        ]
        print_json({"schema": "routines/1", "routines": rows})
        return
    table = Table(("layer", "routine", "summary"))
    for r in found:
        table.add(r.layer, r.path, r.summary)
    table.show()


@click.command("layers")
@JSON
def layers(as_json: bool) -> None:
    """List the kinds of layers with their operands and attributes."""
    from plait.ir import known_layers

    specs = known_layers().values()
    if as_json:
        rows = [
            {
                "name": s.name,
                "summary": s.summary,
                "origin": s.origin,
                "operands": [{"name": o.name, "optional": o.optional, "variadic": o.variadic} for o in s.operands],
                "attributes": [{"name": a.name, "required": a.required, "default": _default(a)} for a in s.attributes],
            }
            for s in specs
        ]
        print_json({"schema": "layers/1", "layers": rows})
        return
    table = Table(("layer", "operands", "attributes", "summary"))
    for s in specs:
        operands = ", ".join(o.name + ("..." if o.variadic else "?" if o.optional else "") for o in s.operands)
        attributes = ", ".join(a.name if a.required else f"{a.name} = {_default(a)}" for a in s.attributes)
        table.add(s.name, operands, attributes, s.summary)
    table.show()


@click.command("passes")
@JSON
def passes(as_json: bool) -> None:
    """List the passes with their options, and the named pipelines."""
    if as_json:
        from plait.passes.pipeline import PIPELINES

        print_json({"schema": "passes/1", "passes": _passes(), "pipelines": PIPELINES})
    else:
        show_passes()


def show_passes() -> None:
    """The tables of `plait passes`."""
    from plait.passes.pipeline import PIPELINES

    table = Table(("pass", "options", "summary"))
    for row in _passes():
        table.add(row["name"], ", ".join(row["options"]), row["summary"])
    table.show()
    click.echo()
    table = Table(("pipeline", "passes"))
    for name, text in PIPELINES.items():
        table.add(name, text)
    table.show()


def _passes() -> list[dict[str, Any]]:
    import attrs

    from plait.passes.registry import known_passes, pass_named

    rows = []
    for name in known_passes():
        cls = pass_named(name)
        doc = (inspect.getdoc(cls) or "").splitlines()
        rows.append({"name": name, "summary": doc[0] if doc else "", "options": [f.name for f in attrs.fields(cls)]})
    return rows


def _default(attribute: Any) -> str:
    from plait.ir.attributes import attribute_text

    if attribute.required:
        return ""
    try:
        return attribute_text(attribute.default)
    except (TypeError, ValueError, AssertionError):
        return str(attribute.default)
