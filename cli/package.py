"""`plait inspect`: what a package or a model file holds."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from plait.cli.common import JSON, MODEL_OR_STDIN, is_package_file
from plait.cli.output import Table, milliseconds, print_json, size

if TYPE_CHECKING:
    from plait.backends.package import Package

_OF_REPORT = ("predicted_us", "measured_us", "status", "threads", "adapts", "single_layout", "single_layout_us")
"""What is told of the report of each plan."""


@click.command("inspect")
@click.argument("model", type=MODEL_OR_STDIN)
@click.option("--plan", metavar="KEY", help="Show the layers of one plan of a package, by its device key.")
@click.option(
    "--verify",
    is_flag=True,
    help="Check the hash of every member of a package, and that stored programs are what the IR is lowered to.",
)
@JSON
def command(model: Path, plan: str | None, verify: bool, as_json: bool) -> None:
    """Show what MODEL holds.

    Of a package: the manifest, the plans, and the sizes of its members. Of an .ir file (`-`: standard input) or a model
    file: constants, and for each net its arguments and outputs, its layers by kind, and their arithmetic.
    """
    if not is_package_file(model):
        if plan is not None or verify:
            raise click.UsageError(f"--plan and --verify are for packages; {model} is none")
        from plait.cli.contents import describe_file, show_contents

        data = describe_file(model)
        if as_json:
            print_json(data)
        else:
            show_contents(data)
        return
    _inspect_package(model, plan, verify, as_json)


def _inspect_package(package: Path, plan: str | None, verify: bool, as_json: bool) -> None:
    from plait.backends.package import open_package
    from plait.tuning import TuningReport

    opened = open_package(package)
    if verify:
        _verify(opened)
    if plan is not None:
        if plan not in opened.plans:
            raise click.BadParameter(
                f"no plan {plan!r}; there are {', '.join(opened.plans) or 'none'}", param_hint="--plan"
            )
        report = opened.report(plan)
        if as_json:
            print_json(report)
        else:
            from plait.cli.tune_report import show_report

            show_report(TuningReport.from_json(report))
        return
    data = _describe(opened, package)
    if as_json:
        print_json(data)
    else:
        _show(data)


def _verify(opened: Package) -> None:
    from plait.backends.program_check import verify_programs

    opened.verify()
    click.echo("all hashes are right", err=True)
    checked = verify_programs(opened)
    if checked:
        click.echo(f"what the IR is lowered to is what is stored: {', '.join(checked)}", err=True)


def _describe(opened: Package, path: Path) -> dict[str, Any]:
    from plait.backends.profiling.machine import this_machine

    plans = []
    for key in opened.plans:
        report, module = opened.report(key), opened.module(key)
        plans.append(
            {
                "key": key,
                "here": key == this_machine().device_key(int(report.get("threads", 1))),
                **{
                    k: report.get(k)
                    for k in (
                        "predicted_us",
                        "measured_us",
                        "status",
                        "threads",
                        "adapts",
                        "single_layout",
                        "single_layout_us",
                    )
                },
                "layers": len(module.main.body),
                "program": {"usable": not (reason := opened.why_no_program(key)), "reason": reason},
                "inputs": {a.name: str(a.type) for a in module.main.arguments},
                "outputs": {n: str(v.type) for n, v in zip(module.main.output_names, module.main.outputs, strict=True)},
            }
        )
    members = [
        {"name": n, "bytes": len(m.data), "sha256": opened.manifest["members"].get(n, "")}
        for n, m in opened.members.items()
    ]
    return {
        "schema": "package/1",
        "file": str(path),
        "bytes": path.stat().st_size,
        "format": opened.manifest["format"],
        "producer": opened.manifest.get("producer", ""),
        "plans": plans,
        "members": members,
    }


def _show(data: dict[str, Any]) -> None:
    click.echo(f"{data['file']}: {size(data['bytes'])}, format {data['format']}, written by {data['producer']}")
    if data["plans"]:
        for what in ("inputs", "outputs"):
            for name, type in data["plans"][0][what].items():
                click.echo(f"  {what[:-1]} {name}: {type}")
    click.echo()
    table = Table(
        (
            "plan",
            ">threads",
            ">layers",
            ">adapts",
            ">predicted ms",
            ">measured ms",
            "proof",
            ">single layout ms",
            "layout",
        )
    )
    for p in data["plans"]:
        key = f"{p['key']} (this machine)" if p["here"] else p["key"]
        table.add(
            key,
            p["threads"],
            p["layers"],
            p["adapts"],
            milliseconds(p["predicted_us"] or 0),
            "" if p["measured_us"] is None else milliseconds(p["measured_us"]),
            p["status"],
            milliseconds(p["single_layout_us"] or 0),
            p["single_layout"],
        )
    table.show()
    for p in data["plans"]:
        how = "runs its stored program" if p["program"]["usable"] else f"lowers the IR: {p['program']['reason']}"
        click.echo(f"  opening {p['key']} {how}")
    click.echo()
    table = Table(("member", ">size", "sha256"))
    for m in data["members"]:
        table.add(m["name"], size(m["bytes"]), m["sha256"][:16])
    table.show()
