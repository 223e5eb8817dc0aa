"""Routine selection: which routine runs each layer, and where formats are converted.

    problem = read_problem("net.json")
    solution = solver("exact")(problem)

See ``docs/design/selection.md`` for the model and the algorithms.
"""

from plait.passes.selection.builder import ProblemBuilder
from plait.passes.selection.json_files import SelectionFileError
from plait.passes.selection.nbest import Ranking, n_best
from plait.passes.selection.options import SolveOptions, Solver
from plait.passes.selection.problem import (
    Adapts,
    Budget,
    Format,
    LayerSpec,
    Problem,
    ProblemError,
    Routine,
    RoutineTable,
    ValueSpec,
)
from plait.passes.selection.problem_io import (
    problem_digest,
    problem_from_json,
    problem_to_json,
    read_problem,
    write_problem,
)
from plait.passes.selection.sensitivity import (
    LayerSensitivity,
    RoutineSensitivity,
    RunnerUp,
    runners_up,
    sensitivity,
    sensitivity_to_json,
)
from plait.passes.selection.solution import Solution, check, evaluate, objective
from plait.passes.selection.solution_io import read_solution, solution_from_json, solution_to_json, write_solution
from plait.passes.selection.solver_text import SolverError
from plait.passes.selection.solvers import known_solvers, register_solver, solver

__all__ = [
    "Adapts",
    "Budget",
    "Format",
    "LayerSensitivity",
    "LayerSpec",
    "Problem",
    "ProblemBuilder",
    "ProblemError",
    "Ranking",
    "Routine",
    "RoutineSensitivity",
    "RoutineTable",
    "RunnerUp",
    "SelectionFileError",
    "Solution",
    "SolveOptions",
    "Solver",
    "SolverError",
    "ValueSpec",
    "check",
    "evaluate",
    "known_solvers",
    "n_best",
    "objective",
    "problem_digest",
    "problem_from_json",
    "problem_to_json",
    "read_problem",
    "read_solution",
    "register_solver",
    "runners_up",
    "sensitivity",
    "sensitivity_to_json",
    "solution_from_json",
    "solution_to_json",
    "solver",
    "write_problem",
    "write_solution",
]
