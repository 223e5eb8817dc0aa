"""`plait routines`, `plait layers`, `plait passes`, `plait solvers`, `plait plugins`: what is registered."""

from __future__ import annotations

import inspect
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from plait.cli.common import FOLDER, JSON
from plait.cli.output import Table, note, print_json

if TYPE_CHECKING:
    from plait.ir.registry import LayerSpec


@click.command("routines")
@click.option("--layer", "layer_name", metavar="KIND", help="Only those of one kind of layer, such as conv2d.")
@click.argument("pattern", required=False)
@JSON
def routines(layer_name: str | None, pattern: str | None, as_json: bool) -> None:
    """List the routines that layers can have, or those that PATTERN matches (as for `plait tune --routine`)."""
    from plait.backends.descriptor import RoutinePattern
    from plait.backends.routine import known_routines, routine_owner

    if layer_name is not None:
        _known_layer(layer_name, "--layer")
    wanted = RoutinePattern.parse(pattern) if pattern else None
    found = [r for r in known_routines(layer_name) if wanted is None or wanted.matches(r.path)]
    if not found:
        of_layer = f" of {layer_name}" if layer_name else ""
        hint = "a pattern starts with a device, such as cpu or *"
        raise click.BadParameter(f"{pattern!r} matches no routine{of_layer}; {hint}", param_hint="PATTERN")
    found.sort(key=lambda r: (r.layer, str(r.path)))
    if as_json:
        rows = [
            {
                "layer": r.layer,
                "routine": str(r.path),
                "version": r.version,
                "summary": r.summary,
                "origin": r.origin,
                "owner": routine_owner(r),
            }
            for r in found
        ]
        print_json({"schema": "routines/1", "routines": rows})
        return
    table = Table(("layer", "routine", "origin", "summary"))
    for r in found:
        table.add(r.layer, r.path, routine_owner(r), r.summary)
    table.show()


@click.command("layers")
@JSON
@click.option(
    "--write",
    "folder",
    type=FOLDER,
    metavar="DIR",
    help="Write the pages of the built-in layers there.",
)
@click.argument("name", required=False)
def layers(name: str | None, folder: Path | None, as_json: bool) -> None:
    """List the kinds of layers with their operands and attributes, or print the reference page of the layer NAME."""
    from plait.cli.layer_pages import page, write_pages

    if (name is not None) + (folder is not None) + as_json > 1:
        raise click.UsageError("NAME, --json and --write exclude one another")
    if name is not None:
        click.echo(page(_known_layer(name, "NAME")), nl=False)
    elif folder is not None:
        for file in write_pages(folder):
            note(f"{folder / file} is updated")
    else:
        _list_layers(as_json)


def _known_layer(name: str, where: str) -> LayerSpec:
    from plait.ir import known_layers
    from plait.ir.diagnostics import did_you_mean

    if name not in known_layers():
        hint = did_you_mean(name, known_layers()) or "`plait layers` lists them"
        raise click.BadParameter(f"no kind of layer is called {name!r}; {hint}", param_hint=where)
    return known_layers()[name]


def _list_layers(as_json: bool) -> None:
    from plait.ir import known_layers
    from plait.ir.plugins import owner

    specs = known_layers().values()
    if as_json:
        rows = [
            {
                "name": s.name,
                "summary": s.summary,
                "origin": s.origin,
                "owner": owner(s.origin),
                "operands": [{"name": o.name, "optional": o.optional, "variadic": o.variadic} for o in s.operands],
                "attributes": [{"name": a.name, "required": a.required, "default": _default(a)} for a in s.attributes],
            }
            for s in specs
        ]
        print_json({"schema": "layers/1", "layers": rows})
        return
    table = Table(("layer", "operands", "attributes", "origin", "summary"))
    for s in specs:
        operands = ", ".join(o.name + ("..." if o.variadic else "?" if o.optional else "") for o in s.operands)
        attributes = ", ".join(a.name if a.required else f"{a.name} = {_default(a)}" for a in s.attributes)
        table.add(s.name, operands, attributes, owner(s.origin), s.summary)
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

    table = Table(("pass", "options", "origin", "summary"))
    for row in _passes():
        table.add(row["name"], ", ".join(row["options"]), row["owner"], row["summary"])
    table.show()
    click.echo()
    table = Table(("pipeline", "passes"))
    for name, text in PIPELINES.items():
        table.add(name, text)
    table.show()


def _passes() -> list[dict[str, Any]]:
    import attrs

    from plait.passes.registry import loadable_passes, pass_owner

    rows = []
    for name, cls in loadable_passes().items():
        doc = (inspect.getdoc(cls) or "").splitlines()
        options = [f.name for f in attrs.fields(cls)]
        rows.append({"name": name, "summary": doc[0] if doc else "", "options": options, "owner": pass_owner(name)})
    return rows


@click.command("solvers")
@JSON
def solvers(as_json: bool) -> None:
    """List the solvers that select routines, with the options of each."""
    from plait.passes.selection.solvers import loadable_solvers, solver_options, solver_owner, solver_summary

    rows: list[dict[str, Any]] = [
        {
            "name": name,
            "summary": solver_summary(name),
            "options": solver_options(name),
            "owner": solver_owner(name),
        }
        for name in loadable_solvers()
    ]
    if as_json:
        print_json({"schema": "solvers/1", "solvers": rows})
        return
    table = Table(("solver", "options", "origin", "summary"))
    for row in rows:
        options = ", ".join(name if value is None else f"{name} = {value}" for name, value in row["options"].items())
        table.add(row["name"], options, row["owner"], row["summary"])
    table.show()


@click.command("plugins")
@JSON
def plugins(as_json: bool) -> None:
    """List the entry points of plug-ins, and why those that fail cannot be loaded. Imports all of them."""
    from plait.ir.diagnostics import PlaitError
    from plait.ir.plugins import installed

    rows = []
    for plugin in installed():
        try:
            plugin.load()
            problem = ""
        except PlaitError as error:
            problem = f"{error.code}: {error.diagnostics[0].message.removeprefix(plugin.title).strip()}"
        rows.append(
            {
                "group": plugin.group,
                "name": plugin.name,
                "target": plugin.value,
                "owner": plugin.distribution,
                "problem": problem,
            }
        )
    if as_json:
        print_json({"schema": "plugins/1", "plugins": rows})
        return
    if not rows:
        note("no plug-ins are installed")
        return
    table = Table(("group", "name", "target", "origin", "state"))
    for row in rows:
        table.add(row["group"], row["name"], row["target"], row["owner"], row["problem"] or "ok")
    table.show()


def _default(attribute: Any) -> str:
    from plait.ir.attributes import attribute_text

    if attribute.required:
        return ""
    try:
        return attribute_text(attribute.default)
    except (TypeError, ValueError, AssertionError):
        return str(attribute.default)
