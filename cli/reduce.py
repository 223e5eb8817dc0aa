"""`plait reduce`: a failing module made minimal."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import attrs
import click

from plait.cli.check import CANNOT_TELL, NOT_RUN, Check, Outcome, SameFailure
from plait.cli.common import FILE, JSON, MODEL, check_output
from plait.cli.output import Table, note, print_json, printable, size

if TYPE_CHECKING:
    from plait.ir import Module
    from plait.passes.reduce import Progress

_EVERY_S = 2.0


@click.command("reduce")
@click.argument("model", type=MODEL)
@click.option(
    "--check",
    "command_line",
    required=True,
    metavar="CMD",
    help="Shell command that fails on MODEL. `{}` in it stands for the .ir file; without one the file comes last. "
    "Status 0: all is well; 125: cannot tell; any other: it fails.",
)
@click.option("-o", "--output", type=FILE, help="The .ir file to write; `-`: text (default: MODEL's name.reduced.ir).")
@click.option("--match", default="", metavar="TEXT", help="A text that the failing check prints.")
@click.option("--any-status", is_flag=True, help="Any failing status will do, rather than that of MODEL alone.")
@click.option(
    "--timeout",
    type=click.FloatRange(min=0, min_open=True),
    metavar="S",
    help="Seconds for each check. A check that takes longer fails if that of MODEL does, and is well otherwise.",
)
@click.option("--max-checks", type=click.IntRange(min=1), metavar="N", help="Stop after so many checks.")
@JSON
def command(
    model: Path,
    command_line: str,
    output: Path | None,
    match: str,
    any_status: bool,
    timeout: float | None,
    max_checks: int | None,
    as_json: bool,
) -> int:
    """Shrink MODEL, on which a command fails, to a minimal module on which it still fails.

    Fewer layers first, then smaller shapes, then plainer constants, as long as anything gives. Interrupt it to get the
    smallest module so far.
    """
    import plait

    if not command_line.strip():
        raise click.BadParameter("the command is empty", param_hint="--check")
    output = output or model.with_suffix(".reduced.ir")
    to_stdout = str(output) == "-"
    if to_stdout and as_json:
        raise click.UsageError("--json and the text cannot both go to standard output; name a file with -o")
    if not to_stdout:
        check_output(output, inputs=[model])
    module = plait.load(model)
    with tempfile.TemporaryDirectory(prefix="plait-reduce-") as folder:
        run = _Run(Check(command_line, timeout), Path(folder) / "candidate.ir", match, any_status)
        run.check_input(module)
        code = run.reduce(module, max_checks)
    _write(run.best, None if to_stdout else output)
    _show(run, module, as_json=as_json, err=to_stdout)
    return code


@attrs.define
class _Run:
    """One reduction by a command."""

    check: Check
    file: Path
    match: str
    any_status: bool
    same: SameFailure | None = None
    best: Module = attrs.field(init=False)
    checks: int = 0
    seconds: float = 0.0
    _asked: bool = False

    def check_input(self, module: Module) -> None:
        """Run the check on the module as it is.

        Raises:
            click.ClickException: it does not fail, or not as asked for.
        """
        self.best = module
        outcome = self.outcome(module)
        if outcome.status in (0, CANNOT_TELL, *NOT_RUN) or self.match not in outcome.output:
            raise click.ClickException(printable(_why_not(outcome, self.match)))
        self.same = SameFailure(outcome, self.match, self.any_status)
        last = f": {outcome.last_line.strip()}" if outcome.last_line else ""
        note(f"the check {outcome}{last}")

    def outcome(self, module: Module) -> Outcome:
        """Write a module and run the check on it."""
        from plait.ir.text import save_ir

        # Not all candidates have weights: none shall find those of another.
        self.file.with_suffix(".safetensors").unlink(missing_ok=True)
        save_ir(module, self.file)
        return self.check.run(self.file)

    def still_fails(self, module: Module) -> bool:
        """Whether the check fails on a module as it did on the input."""
        assert self.same is not None
        if not self._asked:
            # The input itself, which has just been checked.
            self._asked = True
            return True
        return self.same(self.outcome(module))

    def reduce(self, module: Module, max_checks: int | None) -> int:
        """Shrink a module; returns the exit code."""
        from plait.passes.reduce import reduce_module

        started = time.monotonic()
        show = _progress()

        def progress(state: Progress) -> None:
            self.best, self.checks = state.module, state.checks
            show(state)

        try:
            reduction = reduce_module(module, self.still_fails, max_checks=max_checks, progress=progress)
        except KeyboardInterrupt:
            note("interrupted; this is the smallest module so far")
            return 130
        finally:
            self.seconds = time.monotonic() - started
        if not reduction.complete:
            note(f"stopped after {reduction.checks} checks; the module may not be minimal")
        return 0


def _why_not(outcome: Outcome, match: str) -> str:
    if outcome.status == 0:
        return "the check passes on the model (status 0), so there is nothing to reduce; it must fail"
    if outcome.status == CANNOT_TELL:
        return "the check cannot tell on the model (status 125); it must fail"
    if outcome.status in NOT_RUN:
        return f"the check cannot be run: {outcome.last_line.strip() or outcome}"
    return f"the check fails on the model ({outcome}) but does not print {match!r}"


def _progress() -> Callable[[Progress], None]:
    """A line for each step, and now and then."""
    step, last = "", 0.0

    def show(state: Progress) -> None:
        nonlocal step, last
        now = time.monotonic()
        if state.step != step or now - last >= _EVERY_S:
            step, last = state.step, now
            layers = f"{state.size.layers} layer{'' if state.size.layers == 1 else 's'}"
            left = f"{layers}, {state.size.values} arguments and constants left"
            click.echo(f"{state.step}: {state.checks} checks, {left}", err=True)

    return show


def _write(module: Module, output: Path | None) -> None:
    from plait.ir.text import print_module, save_ir

    if output is None:
        click.echo(print_module(module), nl=False)
        return
    save_ir(module, output)
    click.echo(f"wrote {output}", err=True)


def _show(run: _Run, before: Module, *, as_json: bool, err: bool) -> None:
    rows = [_figures(before), _figures(run.best)]
    if as_json:
        data = {"schema": "reduction/1", "checks": run.checks, "seconds": run.seconds}
        print_json({**data, "before": rows[0], "after": rows[1]})
        return
    table = Table(("", ">before", ">after"))
    for name in rows[0]:
        cells = [size(row[name]) if name in ("constants", "largest tensor") else row[name] for row in rows]
        table.add(name, *cells)
    table.show(err=err)
    click.echo(f"{run.checks} checks in {run.seconds:.1f} s", err=True)


def _figures(module: Module) -> dict[str, int]:
    """Numbers of layers, arguments and outputs; bytes of all constants and of the largest tensor."""
    from plait.ir.types import TensorType
    from plait.passes.reduce.walk import arguments_of, layers_of

    layers = list(layers_of(module))
    arguments = list(arguments_of(module))
    values = [*arguments, *module.constants.values(), *(r for layer in layers for r in layer.results)]
    # Sequences and symbolic shapes have no size.
    sizes = [v.type.nbytes for v in values if isinstance(v.type, TensorType) and v.type.is_static]
    return {
        "layers": len(layers),
        "arguments": len(arguments),
        "outputs": sum(len(f.outputs) for f in module.functions.values()),
        "constants": sum(c.type.nbytes for c in module.constants.values()),
        "largest tensor": max(sizes, default=0),
    }
