"""Recipes for layers over sequences and optional values."""

from __future__ import annotations

import numpy as np

from plait.ir.layer import Layer
from plait.ir.layers import sequence as layers
from plait.ir.types import OptionalType, SequenceType, TensorType, Type
from plait.ir.values import Value
from plait.testing.generation import pieces
from plait.testing.generation.network import Net
from plait.testing.generation.recipes import recipe


def _element(net: Net) -> Type:
    """A type for elements of a new sequence."""
    if net.style.computable:
        return net.tensor(net.style.floats).type
    return pieces.tensor_type(net.source, net.style) if net.source.chance(50) else net.anything().type


def _sequence(net: Net) -> tuple[Value, SequenceType]:
    """A sequence that holds something: an old one, a new one, or an argument."""
    old = [v for v in net.values if isinstance(v.type, SequenceType)]
    if not old or net.source.chance(40):
        made = net.append(_construct(net)).result if net.source.chance(60) else None
        old = [made or net.argument(SequenceType(_element(net)))]
    value = net.source.choice(old[::-1])
    assert isinstance(value.type, SequenceType)
    return value, value.type


def _position(net: Net) -> Value:
    """The first or the last place, which every sequence has that is not empty."""
    return net.constant(np.array(net.source.choice((0, -1)), net.source.choice((np.int64, np.int32))))


@recipe("sequence_construct")
def _construct(net: Net) -> Layer:
    first = net.tensor(net.style.floats)
    return layers.SequenceConstruct((first, *(net.exact(first.type) for _ in range(net.source.integer(0, 2)))))


@recipe("sequence_empty", computable=False)
def _empty(net: Net) -> Layer:
    return layers.SequenceEmpty(of=_element(net))


@recipe("sequence_at", computable=False)
def _at(net: Net) -> Layer:
    return layers.SequenceAt(_sequence(net)[0], _position(net))


@recipe("sequence_insert")
def _insert(net: Net) -> Layer:
    sequence, type = _sequence(net)
    return layers.SequenceInsert(sequence, net.exact(type.element), _position(net) if net.source.chance(50) else None)


@recipe("sequence_erase", computable=False)
def _erase(net: Net) -> Layer:
    return layers.SequenceErase(_sequence(net)[0], _position(net) if net.source.chance(50) else None)


@recipe("sequence_length")
def _length(net: Net) -> Layer:
    return layers.SequenceLength(_sequence(net)[0])


@recipe("split_to_sequence")
def _split(net: Net) -> Layer:
    x = net.tensor(net.style.floats, least=1, static=(0,))
    size = x.type.shape[0]
    assert isinstance(size, int)
    match net.source.integer(0, 2):
        case 0:
            return layers.SplitToSequence(x, keep=net.source.chance(50), axis=-x.type.rank)
        case 1:
            return layers.SplitToSequence(x, net.constant(np.array(net.source.integer(1, size))))
    first = net.source.integer(0, size)
    return layers.SplitToSequence(x, net.constant(np.array([first, size - first])))


@recipe("concat_from_sequence", computable=False)
def _concat(net: Net) -> Layer:
    fitting = [v for v in net.values if isinstance(v.type, SequenceType) and isinstance(v.type.element, TensorType)]
    sequence = net.source.choice(fitting[::-1]) if fitting else net.append(_construct(net)).result
    assert isinstance(sequence.type, SequenceType)
    rank = sequence.type.element.rank
    blocks = bool(getattr(sequence.type.element.dtype, "block", 0))
    new_axis = rank == 0 or (net.source.chance(50) and not blocks)
    return layers.ConcatFromSequence(sequence, axis=net.source.integer(0, rank - (not new_axis)), new_axis=new_axis)


@recipe("optional")
def _optional(net: Net) -> Layer:
    if net.source.chance(30):
        return layers.Optional(of=_element(net))
    x = net.tensor(net.style.floats)
    return layers.Optional(x, of=x.type if net.source.chance(30) else None)


@recipe("optional_get", computable=False)
def _get(net: Net) -> Layer:
    held = [v for v in net.values if isinstance(v.type, OptionalType)]
    return layers.OptionalGet(net.source.choice(held[::-1]) if held else net.argument(OptionalType(_element(net))))


@recipe("optional_has")
def _has(net: Net) -> Layer:
    held = [v for v in net.values if isinstance(v.type, OptionalType)]
    if not held and net.source.chance(30):
        return layers.OptionalHas()
    return layers.OptionalHas(net.source.choice(held[::-1]) if held else net.append(_optional(net)).result)
