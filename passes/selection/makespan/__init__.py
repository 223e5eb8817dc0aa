"""Several devices that work at the same time: when a plan is done, and plans that are done early.

found = minimize_makespan(problem)
print(found.timeline.makespan, found.bound, found.timeline.busy)
"""

from plait.passes.selection.makespan.bounds import critical_path, makespan_bound
from plait.passes.selection.makespan.search import Scheduled, minimize_makespan
from plait.passes.selection.makespan.timeline import Task, Timeline, Transfers, chrome_trace, simulate

__all__ = [
    "Scheduled",
    "Task",
    "Timeline",
    "Transfers",
    "chrome_trace",
    "critical_path",
    "makespan_bound",
    "minimize_makespan",
    "simulate",
]
