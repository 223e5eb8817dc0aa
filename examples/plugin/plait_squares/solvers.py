"""The solver `local`."""

import time

from plait.passes.selection import Problem, Solution, SolveOptions, evaluate, register_solver
from plait.passes.selection.solvers.common import cheap_bound, priced


@register_solver("local")
def local(problem: Problem, options: SolveOptions | None = None) -> Solution:
    """From the first routine of each layer, change one at a time as long as that helps."""
    started, before, choice = time.perf_counter(), None, (0,) * len(problem.layers)
    while choice != before:
        before = choice
        for i in range(len(choice)):
            tried = [(*choice[:i], k, *choice[i + 1 :]) for k in range(len(problem.routines(i)))]
            choice = min([choice, *tried], key=lambda plan: evaluate(problem, plan)[0])
    return priced(problem, choice, solver="local", started=started, bound=cheap_bound(problem))
