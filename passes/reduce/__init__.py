"""Reduction of failing modules to minimal ones. Knows nothing of processes: the failure is a function of a module.

`search` holds the state; `layers`, `regions`, `signatures`, `attributes`, `shapes`, `constants` and `labels` are the
steps, each a list of
changes to try; `edit` and `fit` make a valid module of a change; `size` is the order in which modules get smaller.
"""

from plait.passes.reduce.reduction import STEPS, Reduction, reduce_module
from plait.passes.reduce.search import Predicate, Progress
from plait.passes.reduce.size import Size

__all__ = ["STEPS", "Predicate", "Progress", "Reduction", "Size", "reduce_module"]
