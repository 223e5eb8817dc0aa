"""`plait worker`: measure and run for another process, here or on another machine."""

from __future__ import annotations

import os
import shlex
import sys
from typing import TYPE_CHECKING, Any

import click

from plait.cli.common import JSON
from plait.cli.output import Table, print_json

if TYPE_CHECKING:
    from plait.backends.profiling.worker_check import Trial


class CoreList(click.ParamType):  # type: ignore[type-arg]
    """`0-3,6`: numbers of cores."""

    name = "CORES"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[int, ...]:
        if isinstance(value, tuple):
            return value
        found: set[int] = set()
        for part in str(value).split(","):
            first, dash, last = part.strip().partition("-")
            if not first.isdecimal() or (dash and not last.isdecimal()):
                self.fail(f"{value!r} is not of the form 0-3,6", param, ctx)
            found |= set(range(int(first), int(last or first) + 1))
        if not found or (strange := sorted(found - os.sched_getaffinity(0))):
            what = f"core {strange[0]} is not there, or not allowed" if found else f"{value!r} names no core"
            self.fail(what, param, ctx)
        return tuple(sorted(found))


@click.command("worker")
@click.option("--cores", type=CoreList(), help="Run on these cores only, such as 0-3,6 (default: all allowed ones).")
@click.option("--self-test", "command_line", metavar="COMMAND", help="Start a worker by this command, and try it.")
@JSON
def command(cores: tuple[int, ...] | None, command_line: str | None, as_json: bool) -> None:
    """Measure routines and run models for another process.

    Requests come on standard input, answers go to standard output, as docs/design/worker.md describes; nothing is
    listened to on the network. Commands such as `ssh board plait worker` make a fleet: `--self-test` tells whether one
    works.
    """
    if command_line is not None:
        _self_test(command_line, as_json)
        return
    if as_json:
        raise click.UsageError("--json is for --self-test: a worker speaks to a program anyway")
    if sys.stdin.isatty():
        raise click.UsageError("a worker is started by a program that speaks to it; --self-test COMMAND tries one")
    if cores is not None:
        os.sched_setaffinity(0, cores)
    from plait.backends.profiling.worker import main

    main()


def _self_test(command_line: str, as_json: bool) -> None:
    from plait.backends.profiling.worker_check import try_worker

    try:
        words = shlex.split(command_line)
    except ValueError as error:
        raise click.BadParameter(f"{command_line!r}: {error}", param_hint="--self-test") from None
    if not words:
        raise click.BadParameter("the command is empty", param_hint="--self-test")
    trial = try_worker(words)
    if as_json:
        print_json(trial.to_json())
    else:
        _show(trial)


def _show(trial: Trial) -> None:
    hello, machine = trial.hello, trial.hello.machine
    table = Table(("what", "there"))
    table.add("machine", f"{machine.model}, {machine.system}, {machine.host}")
    table.add("class, instance", f"{machine.kind[:8]}, {machine.instance[:8]}")
    table.add("ISA levels", ", ".join(hello.isas))
    table.add("cores", f"{machine.cores}, of which {len(hello.cores)} for this worker")
    table.add("versions", f"plait {hello.plait}, kernels {hello.kernels}")
    table.add("start", f"{trial.start_s:.2f} s")
    table.add("answer", f"{trial.answer_us:.0f} us there and back")
    table.add("a small layer", f"{trial.measured.cost_us:.2f} us, {len(trial.measured.samples)} samples")
    table.add("a small net", "computed right")
    table.show()
