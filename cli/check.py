"""A shell command as a check of IR files: run with a time limit, its outcome compared with that on another file.

Exit statuses mean what they mean to `git bisect run`: 0 all is well, 125 cannot tell, any other the failure.
"""

from __future__ import annotations

import contextlib
import os
import shlex
import signal
import subprocess
import tempfile
from pathlib import Path

import attrs

CANNOT_TELL = 125
NOT_RUN = (126, 127)
"""Statuses of the shell: the command cannot be executed, or is not found."""


@attrs.frozen
class Outcome:
    """What a command gave: the exit status (negative: ended by that signal; None: by the time limit) and the output."""

    status: int | None
    output: str = attrs.field(repr=False)

    def __str__(self) -> str:
        if self.status is None:
            return "did not end in time"
        if self.status < 0:
            return f"was ended by {signal.Signals(-self.status).name}"
        return f"exited with status {self.status}"

    @property
    def last_line(self) -> str:
        """The last line of the output that is not empty."""
        return next((line for line in reversed(self.output.splitlines()) if line.strip()), "")


@attrs.frozen
class Check:
    """A command for the shell. `{}` in it stands for the file; without one the file comes last."""

    command: str
    timeout: float | None = None
    """Seconds."""

    def command_for(self, path: Path) -> str:
        """The command line that checks a file."""
        name = shlex.quote(str(path))
        return self.command.replace("{}", name) if "{}" in self.command else f"{self.command} {name}"

    def run(self, path: Path) -> Outcome:
        """Check a file. Standard error is part of the output.

        Raises:
            OSError: there is no shell.
        """
        with tempfile.TemporaryFile() as output:
            process = subprocess.Popen(
                self.command_for(path),
                shell=True,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                # A group of its own, so that the command ends with all that it started.
                start_new_session=True,
            )
            try:
                status: int | None = process.wait(self.timeout)
            except subprocess.TimeoutExpired:
                status = None
            finally:
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)
                process.wait()
            output.seek(0)
            return Outcome(status, output.read().decode("utf-8", "replace"))


@attrs.frozen
class SameFailure:
    """Whether an outcome is the failure that is looked for: the status of the first one, and a text in the output."""

    first: Outcome
    match: str = ""
    any_status: bool = False

    def __call__(self, outcome: Outcome) -> bool:
        """Whether it is. A command that cannot tell, or that was not run, never shows a failure."""
        if outcome.status in (0, CANNOT_TELL, *NOT_RUN) or self.match not in outcome.output:
            return False
        if self.any_status:
            return outcome.status is not None or self.first.status is None
        return outcome.status == self.first.status
