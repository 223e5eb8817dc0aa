"""`plait opt --bisect CMD`: the pass, and the rewrite in it, that breaks a module."""

from __future__ import annotations

import difflib
import shlex
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from plait.cli.check import CANNOT_TELL, NOT_RUN, Check
from plait.cli.output import print_json, printable
from plait.cli.watching import show_diff

if TYPE_CHECKING:
    from plait.ir import Module
    from plait.passes.manager.bisect import Bisection, FirstBadRewrite, Test
    from plait.passes.pipeline import Pipeline


def bisect_by_command(
    module: Module, name: str, pipeline: Pipeline, command: str, output: Path | None, as_json: bool
) -> None:
    """Find the first bad pass by a shell command, and tell of it on standard output.

    Args:
        name: the model, as messages call it.
        output: where to write the module before the pass, with the pass as its head comment.

    Raises:
        click.ClickException: the command fails on the input, passes at the end, or cannot be run.
        PassFailed: a pass fails by itself.
    """
    from plait.passes.manager.bisect import NothingToFind, bisect
    from plait.passes.manager.reproducer import write_reproducer

    checks: list[str] = []

    def progress(what: str, verdict: Any) -> None:
        checks.append(what)
        click.echo(printable(f"{what}: {verdict.value}"), err=True)

    with tempfile.TemporaryDirectory(prefix="plait-bisect-") as folder:
        test = _test(Check(command), Path(folder) / "module.ir")
        try:
            found = bisect(module, pipeline, test, progress)
        except NothingToFind as error:
            raise click.ClickException(_why_not(error)) from None
    if output is not None:
        text = ",".join(str(p) for p in found.passes)
        write_reproducer(found.before, text, f"after it this fails: {command}", output)
        click.echo(f"wrote {output}", err=True)
    if as_json:
        print_json(_as_json(found, len(checks)))
    else:
        _show(found, name)


def _test(check: Check, path: Path) -> Test:
    from plait.ir.text import save_ir
    from plait.passes.manager.bisect import Verdict

    def test(module: Module) -> Verdict:
        path.with_suffix(".safetensors").unlink(missing_ok=True)
        # Saving notes the name of the weights file, which the module itself shall not have.
        save_ir(module.clone(), path)
        outcome = check.run(path)
        if outcome.status in NOT_RUN:
            raise click.ClickException(printable(f"the command cannot be run: {outcome.last_line.strip() or outcome}"))
        if outcome.status == CANNOT_TELL:
            return Verdict.SKIP
        return Verdict.GOOD if outcome.status == 0 else Verdict.BAD

    return test


def _why_not(error: Any) -> str:
    from plait.passes.manager.bisect import Verdict

    if error.verdict is Verdict.SKIP:
        where = "the input" if error.at_input else "the result of the pipeline"
        return f"the command cannot tell on {where} (status 125)"
    if error.at_input:
        return "the command fails on the input already, so no pass is to blame"
    return "the command passes on the result of the whole pipeline, so there is nothing to find"


def _show(found: Bisection, name: str) -> None:
    of = len(found.pipeline)
    if len(found.passes) == 1:
        click.echo(printable(f"pass {found.first + 1} of {of} breaks it: {found.passes[0]}"))
    else:
        click.echo(f"one of the passes {found.first + 1} to {found.last + 1} of {of} breaks it; which cannot be told:")
        click.echo("".join(printable(f"  {one}\n") for one in found.passes), nl=False)
    if found.rewrite is not None:
        last = found.rewrite.applied
        what = f"{last.pass_name}/{last.rule}: {last.layer}"
        click.echo(printable(f"rewrite {last.number} of {found.rewrite.total} in it: {what}"))
    for word, pipeline in (("good", found.good), ("bad", found.bad)):
        click.echo(printable(f"{word + ':':5} plait opt {shlex.quote(name)} -p {shlex.quote(str(pipeline))}"))
    if found.rewrite is not None:
        show_diff(_difference(found.rewrite), err=False)


def _difference(rewrite: FirstBadRewrite) -> list[str]:
    names = (f"before rewrite {rewrite.applied.number}", f"after rewrite {rewrite.applied.number}")
    return list(difflib.unified_diff(rewrite.before.splitlines(), rewrite.after.splitlines(), *names, lineterm=""))


def _as_json(found: Bisection, checks: int) -> dict[str, Any]:
    rewrite = found.rewrite
    return {
        "schema": "bisection/1",
        "first": found.first + 1,
        "last": found.last + 1,
        "of": len(found.pipeline),
        "passes": [str(one) for one in found.passes],
        "rewrite": rewrite
        and {
            "number": rewrite.applied.number,
            "of": rewrite.total,
            "pass": rewrite.applied.pass_name,
            "rule": rewrite.applied.rule,
            "layer": rewrite.applied.layer,
            "diff": _difference(rewrite),
        },
        "good": str(found.good),
        "bad": str(found.bad),
        "checks": checks,
    }
