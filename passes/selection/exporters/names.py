"""Names for formats whose tokens end at blanks and brackets."""

from __future__ import annotations

import re

from plait.passes.selection.problem import Problem

_OTHERS = re.compile(r"[^A-Za-z0-9_./+-]+")
_LONGEST = 60


def plain(name: str) -> str:
    """A name with underscores for what is not a letter, a digit or one of ``_./+-``, and not too long."""
    return _OTHERS.sub("_", name)[:_LONGEST]


def layer_name(problem: Problem, layer: int) -> str:
    """``L3_conv_1``: unique by the number of the layer."""
    return f"L{layer}_{plain(problem.layers[layer].name)}"


def routine_name(problem: Problem, layer: int, routine: int) -> str:
    """``r7_cpu/f32/nchw``: unique in its layer by its index there, which a solution needs."""
    return f"r{routine}_{plain(problem.routines(layer)[routine].name)}"
