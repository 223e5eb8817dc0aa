"""Rewrites: patterns that look at a layer and say what stands in its place, and their application to a fixed point.

    @rewrite(Relu)
    def relu_into_conv(relu: Relu) -> Layer | No:
        '''relu(conv2d(x)) -> conv2d(x) {act = relu}'''
        conv = relu.x.owner
        if not isinstance(conv, Conv2d):
            return No("the operand is not a conv2d")
        if not has_one_use(relu.x):
            return No(f"%{relu.x.name} has other uses")
        return attrs.evolve(conv, act="relu")

A pattern returns a detached layer that replaces the one it looked at (the *root*), a value that replaces its only
result, a tuple with a value for each result, or `No(why)`. It changes nothing itself; constants and helper layers are
made through a `Builder`, taken as an optional second parameter.

`driver` applies patterns, to the layers of nested regions too; `trail` finds those that undo one another.
"""

from plait.passes.rewriting.builder import Builder
from plait.passes.rewriting.driver import apply_rewrites, rewrite_module
from plait.passes.rewriting.errors import RewriteError, RewriteLoop
from plait.passes.rewriting.listener import Limit, Listener, TextLog
from plait.passes.rewriting.rule import No, Outcome, Pattern, Rule, has_one_use, rewrite

__all__ = [
    "Builder",
    "Limit",
    "Listener",
    "No",
    "Outcome",
    "Pattern",
    "RewriteError",
    "RewriteLoop",
    "Rule",
    "TextLog",
    "apply_rewrites",
    "has_one_use",
    "rewrite",
    "rewrite_module",
]
