"""A program as a solver: it is given the problem as JSON, and answers with a solution as JSON.

    plait select problem.json --solver "exec:./my_solver --fast"
    plait select problem.json --solver 'exec{command="./my_solver {problem} -o {solution}",memory=2000,time_limit=10}'

The problem (``routine-selection/1``) comes on standard input, or in a file whose path takes the place of ``{problem}``
in the command. The solution (``routine-selection-solution/1``) is read from standard output, or from the file at
``{solution}``. No shell is involved. Nothing that the program says is believed: its choice is checked and priced anew,
a cost that it claims must be that price, and neither its bound nor its "optimal" or "infeasible" counts.
"""

from __future__ import annotations

import contextlib
import errno
import json
import math
import os
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import attrs

from plait.ir.diagnostics import Diagnostic, PlaitError
from plait.passes.selection.json_files import SelectionFileError, parse_json
from plait.passes.selection.options import SolveOptions
from plait.passes.selection.problem import Problem, refuse_budgets
from plait.passes.selection.problem_io import problem_to_json
from plait.passes.selection.solution import Solution, check, objective
from plait.passes.selection.solution_io import solution_from_json
from plait.passes.selection.solvers.bounds import lower_bound
from plait.passes.selection.solvers.common import nothing_found, priced
from plait.passes.selection.solvers.option_values import text, whole

NAME = "exec"
_LINES = 5
"""Lines of standard error that a message shows."""

_LIMITED = """
import os, resource, sys
size = int(sys.argv[1])
resource.setrlimit(resource.RLIMIT_AS, (size, size))
os.execvp(sys.argv[2], sys.argv[2:])
"""


class ExternalSolverError(PlaitError):
    """A program that is used as a solver failed, or its answer is wrong (P704)."""


@attrs.frozen
class External:
    """A program of yours: problem as JSON in, solution as JSON out; its answer is checked and priced anew."""

    command: str = attrs.field(validator=text)
    """Program and arguments, in quotes where they have blanks."""
    memory: int = attrs.field(default=0, validator=whole(0))
    """MiB of address space that the program may take; 0 for no limit."""

    def __call__(self, problem: Problem, options: SolveOptions = SolveOptions()) -> Solution:
        """The plan of the program.

        Raises:
            ExternalSolverError: P704, it failed, took longer than ``options.time_limit``, or gave a wrong answer.
        """
        refuse_budgets(problem, NAME)
        started = time.perf_counter()
        with tempfile.TemporaryDirectory(prefix="plait-solver-") as folder:
            answer = self._run(problem, Path(folder), options.time_limit)
        claimed = self._read(problem, answer)
        if not claimed.found:
            return nothing_found(solver=NAME, started=started, bound=lower_bound(problem, options))
        self._check(problem, claimed)
        return priced(problem, claimed.choice, solver=NAME, started=started, bound=lower_bound(problem, options))

    def _run(self, problem: Problem, folder: Path, seconds: float) -> bytes:
        """What the program answers."""
        body = json.dumps(problem_to_json(problem), separators=(",", ":")).encode()
        problem_file, solution_file = folder / "problem.json", folder / "solution.json"
        try:
            words = shlex.split(self.command)
        except ValueError as error:
            raise self._error(f"cannot be read: {error}") from None
        arguments = [w.replace("{problem}", str(problem_file)).replace("{solution}", str(solution_file)) for w in words]
        if "{problem}" in self.command:
            problem_file.write_bytes(body)
            body = b""
        answer = self._communicate(arguments, body, seconds)
        if "{solution}" not in self.command:
            return answer
        if not solution_file.exists():
            raise self._error("wrote no solution file")
        return solution_file.read_bytes()

    def _communicate(self, arguments: list[str], body: bytes, seconds: float) -> bytes:
        """Standard output of the program, once it has ended well."""
        pipe = subprocess.PIPE
        try:
            # A session of its own, so that what the program starts ends with it.
            process = subprocess.Popen(
                self._limited(arguments), stdin=pipe, stdout=pipe, stderr=pipe, start_new_session=True
            )
        except OSError as error:
            raise self._error(f"cannot be started: {error.strerror or error}") from None
        with process:
            try:
                out, err = process.communicate(body, timeout=seconds)
            except subprocess.TimeoutExpired:
                raise self._error(f"took longer than {seconds:g} s", "the option time_limit sets the limit") from None
            finally:
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)
        if process.returncode != 0:
            raise self._error(_ending(process.returncode), self._hint(err))
        return out

    def _limited(self, arguments: list[str]) -> list[str]:
        """The command with the memory limit set before the program starts."""
        if shutil.which(arguments[0]) is None:
            raise FileNotFoundError(errno.ENOENT, "there is no such program")
        size = str(self.memory * 2**20)
        return [sys.executable, "-I", "-S", "-c", _LIMITED, size, *arguments] if self.memory else arguments

    def _hint(self, err: bytes) -> str:
        said = "\n        ".join(err.decode(errors="replace").strip().splitlines()[-_LINES:])
        limit = f"its memory was limited to {self.memory} MiB" if self.memory else ""
        return "; ".join(filter(None, [limit, f"it said: {said}" if said else ""]))

    def _read(self, problem: Problem, answer: bytes) -> Solution:
        """The solution in an answer."""
        try:
            return parse_json(answer, "its answer", lambda body: solution_from_json(problem, body))
        except SelectionFileError as error:
            first = error.diagnostics[0]
            place = f"line {first.span.line}" if first.span is not None else first.where.removeprefix("its answer: ")
            raise self._error(f"gave no valid solution: {place}: {first.message}") from None

    def _check(self, problem: Problem, claimed: Solution) -> None:
        """Refuse conversions that do not serve the choice, and costs that the parts do not sum to."""
        total = _total(problem, claimed)
        # The cost may be left out, and sums in another order differ in the last digits.
        close = math.isinf(claimed.cost) or math.isclose(claimed.cost, total, rel_tol=1e-9, abs_tol=1e-12)
        bound = claimed.bound if claimed.bound is None or claimed.bound > total * (1 + 1e-9) else None
        complaints = check(problem, attrs.evolve(claimed, cost=total if close else claimed.cost, bound=bound))
        if complaints:
            raise self._error(f"gave a wrong solution: {complaints[0]}")

    def _error(self, message: str, hint: str = "") -> ExternalSolverError:
        return ExternalSolverError(Diagnostic("P704", message, where=f"solver {self.command!r}", hint=hint))


def _total(problem: Problem, claimed: Solution) -> float:
    """What the parts of a solution sum to; infinite where it names conversions that are none."""
    values, formats = range(len(problem.values)), range(len(problem.formats))
    if any(v not in values or a not in formats or b not in formats for v, a, b in claimed.conversions):
        return math.inf
    return objective(problem, claimed.choice, claimed.conversions)


def _ending(status: int) -> str:
    if status > 0:
        return f"ended with status {status}"
    try:
        return f"was ended by {signal.Signals(-status).name}"
    except ValueError:
        return f"was ended by signal {-status}"
