"""The pass `find-squares`, and a file of patterns."""

from pathlib import Path

import attrs

from plait.ir import Layer, Module
from plait.ir.layers.elementwise import Mul
from plait.passes.base import Pass, PassContext
from plait.passes.registry import register_pass
from plait.passes.rewriting import No, rewrite, rewrite_module
from plait_squares.layers import Square

PATTERNS = Path(__file__).with_name("squares.pdl")


@rewrite(Mul)
def product_to_square(mul: Mul) -> Layer | No:
    """x * x -> square(x)"""
    return Square(mul.a) if mul.a is mul.b and not mul.act else No("not a plain product of a value with itself")


@register_pass
@attrs.frozen
class FindSquares(Pass):
    """Compute x * x by the layer `square`."""

    name = "find-squares"

    def run(self, module: Module, context: PassContext) -> bool:
        return rewrite_module(module, (product_to_square,), context)
