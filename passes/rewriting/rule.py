"""Patterns: what looks at a layer and says what stands in its place.

A function is made a pattern by `@rewrite`. A pattern with parameters or state is a subclass of `Pattern`.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import TypeVar

import attrs

from plait.ir.layer import Layer
from plait.ir.values import Value
from plait.passes.rewriting.builder import Builder


@attrs.frozen
class No:
    """A refusal, with its reason in words."""

    reason: str

    def __bool__(self) -> bool:
        return False


Outcome = Layer | Value | tuple[Value, ...] | No
"""A detached layer with as many results as the root, a value for its only result, a value for each, or a refusal."""
L = TypeVar("L", bound=Layer)


class Pattern:
    """Base of all patterns. Subclasses set `name` and `classes`, and `benefit` if they are to be asked before others:

    @attrs.frozen
    class SmallSplit(Pattern):
        '''split(x) in at most `parts` parts -> slices'''

        name = "small_split"
        classes = (Split,)
        parts: int = 2

        def match_and_rewrite(self, root: Layer, builder: Builder) -> Outcome: ...
    """

    name: str
    classes: tuple[type[Layer], ...]
    """Kinds of layers that it looks at; a layer of a subclass is one too."""
    benefit: int = 1
    """Of the patterns for a layer those with a higher benefit are asked first, and equal ones in the order given."""
    quantized: bool = False
    """Whether it is asked of layers with quantized operands or results, whose equations are others: these round."""

    def match_and_rewrite(self, root: Layer, builder: Builder) -> Outcome:
        """What stands in the place of `root`. Changes nothing itself but through `builder`."""
        raise NotImplementedError(type(self).__name__)

    @property
    def equation(self) -> str:
        """First line of the docstring: what becomes what."""
        return (inspect.getdoc(type(self)) or "").partition("\n")[0]


@attrs.frozen
class Rule(Pattern):
    """A function as a pattern, made by `@rewrite`."""

    name: str
    classes: tuple[type[Layer], ...]
    function: Callable[..., Outcome] = attrs.field(repr=False)
    takes_builder: bool = False
    benefit: int = 1
    quantized: bool = False

    def match_and_rewrite(self, root: Layer, builder: Builder) -> Outcome:
        return self.function(root, builder) if self.takes_builder else self.function(root)

    @property
    def equation(self) -> str:
        return (inspect.getdoc(self.function) or "").partition("\n")[0]


def rewrite(
    *classes: type[L], benefit: int = 1, quantized: bool = False
) -> Callable[[Callable[[L], Outcome] | Callable[[L, Builder], Outcome]], Rule]:
    """Decorator: a function of a layer (and a `Builder`) as a pattern for layers of these classes; with `quantized`
    also for those with quantized operands or results."""

    def make(function: Callable[..., Outcome]) -> Rule:
        parameters = len(inspect.signature(function).parameters)
        return Rule(function.__name__, classes, function, parameters > 1, benefit, quantized)

    return make


def has_one_use(value: Value) -> bool:
    """Whether exactly one operand of one layer reads this value, and in the region where it is made: a layer that is
    moved into a loop would run many times. Outputs of regions count as uses."""
    if len(value.users) != 1 or value.use_count != 1:
        return False
    (user,) = value.users
    return value.owner is None or value.owner.region is user.region
