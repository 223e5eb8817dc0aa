"""The command `plait`: its subcommands by name, and what becomes of errors."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib import import_module

import click

from plait.cli.examples import epilog

GROUPS = {
    "Models": ("import", "quantize", "tune", "run", "bench", "compare", "inspect", "select"),
    "Working on the IR": ("opt", "reduce", "lsp"),
    "What there is": ("layers", "passes", "routines", "solvers", "plugins", "profile", "doctor", "worker"),
}
"""The commands as `plait --help` lists them."""

# Name -> (module:command, line in the list of commands). Kept here so that `plait --help` imports no command.
COMMANDS: dict[str, tuple[str, str]] = {
    "import": ("plait.cli.import_model:command", "Read a model file and write it as IR text with weights beside it."),
    "opt": ("plait.cli.opt:command", "Run passes on a module."),
    "reduce": ("plait.cli.reduce:command", "Shrink a module on which a command fails to a minimal one."),
    "quantize": ("plait.cli.quantize:command", "Let a float network compute on 8-bit integers; write it as IR text."),
    "tune": ("plait.cli.tune:command", "Choose a routine for every layer from measured times; write a package."),
    "select": ("plait.cli.select:command", "Choose routines for a selection problem, given as data."),
    "run": ("plait.cli.run:command", "Run a model on arrays."),
    "bench": ("plait.cli.bench:command", "Time a tuned model, whole and layer by layer."),
    "compare": ("plait.cli.compare:command", "Compare kernels with the NumPy reference, layer by layer."),
    "inspect": ("plait.cli.package:command", "Show what a package or a model file holds."),
    "routines": ("plait.cli.listings:routines", "List the routines that layers can have."),
    "layers": ("plait.cli.listings:layers", "List the kinds of layers."),
    "passes": ("plait.cli.listings:passes", "List the passes and the named pipelines."),
    "solvers": ("plait.cli.listings:solvers", "List the solvers that select routines, with their options."),
    "plugins": ("plait.cli.listings:plugins", "List what plug-ins add, and which of them cannot be loaded."),
    "lsp": ("plait.cli.lsp:command", "Serve editors: help with IR text as you type."),
    "profile": (
        "plait.cli.profiles:group",
        "Look into the profile database; merge, prune, export and import measurements.",
    ),
    "doctor": ("plait.cli.doctor:command", "Measure the limits of this machine; tell what spoils measurements."),
    "worker": ("plait.cli.worker:command", "Measure routines and run models for another process."),
}

EPILOG = (
    "Exit codes: 0 ok, 1 a check or run failed, 2 usage, 3 invalid IR, 4 unsupported or unreadable model, "
    "5 no routine, 70 internal error, 130 interrupted."
)


def _load(ctx: click.Context, param: click.Parameter, files: tuple[str, ...]) -> None:
    from plait.cli.common import load_files

    load_files(files)


LOAD = click.Option(
    ["--load"],
    multiple=True,
    metavar="FILE.py",
    help="Run a Python file that registers layers, passes, routines, ... by decorators. May be repeated; "
    "$PLAIT_LOAD names further ones.",
    expose_value=False,
    is_eager=True,
    callback=_load,
)


def accept_load(command: click.Command) -> None:
    """Give a command, and the commands inside it, the option `--load`."""
    if LOAD not in command.params:
        command.params.append(LOAD)
    for inner in command.commands.values() if isinstance(command, click.Group) else ():
        accept_load(inner)


class Commands(click.Group):
    """A group that imports a subcommand when it is asked for."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        module, _, attribute = COMMANDS[cmd_name][0].partition(":")
        command: click.Command = getattr(import_module(module), attribute)
        accept_load(command)
        command.epilog = epilog(cmd_name)
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args and args[0] not in COMMANDS and not args[0].startswith("-"):
            from difflib import get_close_matches

            close = get_close_matches(args[0], COMMANDS, n=1)
            ctx.fail(f"no command {args[0]!r}" + (f"; did you mean {close[0]}?" if close else ""))
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        widest = max(map(len, COMMANDS))
        for title, names in GROUPS.items():
            with formatter.section(title):
                formatter.write_dl([(name.ljust(widest), COMMANDS[name][1]) for name in names])


@click.group(
    cls=Commands,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110},
    epilog=EPILOG,
    params=[LOAD],
)
@click.version_option(package_name="plait", message="plait %(version)s")
def plait() -> None:
    """Plait, an inference compiler for neural networks.

    Tables go to standard output, progress and notes to standard error. `plait COMMAND --help` tells more of each
    command.
    """


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command line; returns the exit code. Never shows a traceback."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            # Names in models may hold characters that the terminal's encoding lacks.
            stream.reconfigure(errors="backslashreplace")
    try:
        code = plait.main(args=None if arguments is None else list(arguments), prog_name="plait", standalone_mode=False)
        sys.stdout.flush()
        return code if isinstance(code, int) else 0
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except (click.Abort, KeyboardInterrupt):
        # Click has ended the line that a terminal shows ^C on.
        click.echo("interrupted", err=True)
        return 130
    except BrokenPipeError:
        # The reader of a pipe went away: nothing is wrong, and nobody is there to tell.
        sys.stdout = None
        return 0
    except Exception as error:
        from plait.cli.errors import report

        return report(error, sys.argv[1:] if arguments is None else arguments)


if __name__ == "__main__":
    sys.exit(main())
