"""Values that lie inside others: which may, and that programs with them compute the same."""

from __future__ import annotations

import networks
import numpy as np
import pytest
from routine_cases.storage import from_storage, to_storage

from plait.backends.aliasing import Alias, Homes
from plait.backends.build import build, lower
from plait.backends.executable import Call, Executable
from plait.backends.memory import overlaps
from plait.backends.reference import evaluate
from plait.ir.module import Module
from plait.ir.text.parser import parse_module
from plait.ir.types import DType, TensorType
from plait.ir.values import Constant, Value
from plait.testing.compare import assert_close

VECTOR, ANY, IN_PLACE = "cpu/f32/{0}/vector", "cpu/any/nchw/", "cpu/f32/{0}/in_place"
MOVES = ("copy_nd", "f32_concat_part_nchw16c")


# --- homes ---


def value(name: str, elements: int) -> Value:
    return Value(name, TensorType(DType.F32, (elements,)))


def homes(*fixed: Value) -> Homes:
    return Homes(lambda v: v.type.nbytes, fixed)


def test_offsets_of_nested_homes_add_up() -> None:
    a, b, c = value("a", 2), value("b", 6), value("c", 12)
    found = homes()
    assert found.settle(Alias(a, b, 8)) and found.settle(Alias(b, c, 4))
    assert found.root(a) == (c, 12)
    assert found.lies_in(Alias(a, c, 12)) and not found.lies_in(Alias(a, c, 8))


def test_the_first_home_is_kept() -> None:
    a, b, c = value("a", 2), value("b", 6), value("c", 6)
    found = homes()
    assert found.settle(Alias(a, b, 8)) and found.settle(Alias(a, b, 8))
    assert not found.settle(Alias(a, b, 0)) and not found.settle(Alias(a, c, 8))
    assert found.home(a) == (b, 8) and found.home(c) is None


def test_a_view_takes_what_it_views_along() -> None:
    x, view, whole = value("x", 4), value("view", 4), value("whole", 8)
    found = homes()
    assert found.settle(Alias(view, x)) and found.settle(Alias(view, whole, 16))
    assert found.root(x) == (whole, 16) == found.root(view)


def test_a_part_does_not_take_the_rest_along() -> None:
    x, first, last, whole = value("x", 4), value("first", 2), value("last", 2), value("whole", 8)
    found = homes()
    assert found.settle(Alias(first, x)) and found.settle(Alias(last, x, 8))
    assert not found.settle(Alias(first, whole, 16)) and not found.settle(Alias(last, whole, 0))


@pytest.mark.parametrize(
    "alias",
    [
        pytest.param(Alias(value("a", 2), Constant("c", np.zeros(8, np.float32))), id="host is a constant"),
        pytest.param(Alias(Constant("c", np.zeros(2, np.float32)), value("b", 8)), id="constant"),
        pytest.param(Alias(value("a", 2), value("b", 8), 2), id="place that plans cannot name"),
        pytest.param(Alias(value("a", 2), value("b", 8), 28), id="beyond the end"),
    ],
)
def test_aliases_that_are_refused(alias: Alias) -> None:
    assert not homes().settle(alias)


def test_inputs_and_outputs_stay_where_they_are_but_may_be_hosts() -> None:
    part, whole = value("part", 2), value("whole", 4)
    assert not homes(part).settle(Alias(part, whole))
    assert homes(whole).settle(Alias(part, whole))


def test_of_two_values_that_are_all_of_each_other_either_moves() -> None:
    made, output, part = value("made", 4), value("output", 4), value("part", 3)
    found = homes(output)
    assert found.settle(Alias(output, made)) and found.root(made) == (output, 0)
    assert not homes(part).settle(Alias(part, made))
    assert not homes(output, made).settle(Alias(output, made))


def test_padding_of_an_input_is_no_place_for_elements() -> None:
    """A block of 8 channels has as many bytes as one of 16."""
    x, whole = (Value(n, TensorType(DType.F32, (1, c, 2, 2))) for n, c in (("x", 8), ("whole", 16)))
    found = Homes(lambda v: 256, [x])
    assert not found.settle(Alias(x, whole))


def test_nothing_lies_in_itself() -> None:
    a, b = value("a", 4), value("b", 4)
    found = homes()
    assert found.settle(Alias(a, b)) and found.settle(Alias(b, a))
    assert found.root(a) == found.root(b) == (b, 0)


# --- programs ---


def net(arguments: str, outputs: str, *layers: str, layout: str = "nchw", constants: str = "") -> Module:
    """A module; `in_place`, `vector`, `view` and `copy` stand for the routines of the layout."""
    vias = {"vector": VECTOR.format(layout), "copy": ANY + "copy", "view": ANY + "view"}
    vias["in_place"] = ANY + "in_place" if layout == "nchw" else IN_PLACE.format(layout)
    lines = "".join(f"  {body} via {vias[via]}\n" for body, _, via in (line.rpartition(" ") for line in layers))
    return parse_module(f"ir 1\n{constants}net @main({arguments}) -> ({outputs}) {{\n{lines}}}\n")


def check(module: Module, copies: int) -> Executable:
    """Run with all memory poisoned that is not alive; nothing but `copies` parts is copied."""
    lowering = lower(module, threads=1)
    logical = [
        np.random.default_rng(i).standard_normal(v.type.static_shape).astype(np.float32)
        for i, v in enumerate(module.main.arguments)
    ]
    stored = [to_storage(x, v.type) for x, v in zip(logical, module.main.arguments, strict=True)]
    found = networks.run_and_poison(module, lowering, stored)
    assert overlaps(lowering.buffers) == []
    results = {o.name: from_storage(y, o.type) for y, o in zip(found, module.main.outputs, strict=True)}
    assert_close(results, evaluate(module, logical))
    program = build(module)
    assert sum(isinstance(s, Call) and s.kernel in MOVES for s in program.steps) == copies
    return program


A, B = "%a = relu(%x) vector", "%b = sigmoid(%x) vector"


def test_operands_lie_in_the_result() -> None:
    program = check(
        net(
            "%x: f32[1x3x4x5] nchw",
            "%y: f32[1x6x4x5] nchw",
            A,
            B,
            "%c = concat(%a, %b) in_place",
            "%y = tanh(%c) vector",
        ),
        copies=0,
    )
    assert program.arena_bytes == 512  # 480 bytes for all three


def test_an_operand_that_is_read_elsewhere_too() -> None:
    check(
        net(
            "%x: f32[1x3x4x5] nchw",
            "%y: f32[1x6x4x5] nchw, %d: f32[1x3x4x5] nchw",
            A,
            B,
            "%c = concat(%a, %b) in_place",
            "%y = tanh(%c) vector",
            "%d = add(%a, %b) vector",
        ),
        copies=0,
    )


@pytest.mark.parametrize(
    "operands, copies",
    [("%x, %a", 1), ("%a, @k", 1), ("%a, %a", 1), ("%a, %b, %a, %b", 2), ("%x, %x", 2), ("%a", 0)],
    ids=["argument", "constant", "twice", "both twice", "arguments only", "alone"],
)
def test_operands_that_cannot_lie_there_are_copied(operands: str, copies: int) -> None:
    count = 3 * len(operands.split(","))
    check(
        net(
            "%x: f32[1x3x2x1] nchw",
            f"%y: f32[1x{count}x2x1] nchw",
            A,
            B,
            f"%c = concat({operands}) in_place",
            "%y = tanh(%c) vector",
            constants="const @k : f32[1x3x2x1] = [1, 2, 3, 4, 5, 6]\n",
        ),
        copies,
    )


def test_outputs_are_hosts_and_are_copied_from() -> None:
    check(
        net(
            "%x: f32[1x3x4x5] nchw",
            "%a: f32[1x3x4x5] nchw, %c: f32[1x6x4x5] nchw",
            A,
            B,
            "%c = concat(%a, %b) in_place",
        ),
        copies=1,
    )


def test_an_operand_of_two_concatenations_lies_in_the_first() -> None:
    check(
        net(
            "%x: f32[1x3x4x5] nchw",
            "%y: f32[1x6x4x5] nchw, %z: f32[1x6x4x5] nchw",
            A,
            B,
            "%c = concat(%a, %b) in_place",
            "%d = concat(%b, %a) in_place",
            "%y = tanh(%c) vector",
            "%z = tanh(%d) vector",
        ),
        copies=2,
    )


def test_growing_concatenations_are_one_buffer() -> None:
    program = check(
        net(
            "%x: f32[1x4x4x4] nchw",
            "%y: f32[1x16x4x4] nchw",
            A,
            "%b = tanh(%a) vector",
            "%c = concat(%a, %b) in_place",
            "%d = sigmoid(%c) vector",
            "%e = concat(%c, %d) in_place",
            "%y = relu(%e) vector",
        ),
        copies=0,
    )
    assert program.arena_bytes == 16 * 16 * 4


def test_views_move_with_what_they_view() -> None:
    check(
        net(
            "%x: f32[1x3x4x5] nchw",
            "%y: f32[1x120]",
            A,
            B,
            "%r = reshape(%a) {shape = [1, 60]} view",
            "%s = reshape(%b) {shape = [1, 60]} view",
            "%c = concat(%r, %s) in_place",
            "%y = tanh(%c) vector",
        ),
        copies=0,
    )


def test_a_view_that_is_an_output_is_made_there() -> None:
    program = check(
        net(
            "%x: f32[1x3x4x5] nchw", "%y: f32[1x60]", A, "%y = reshape(%a) {shape = [1, 60]} view",
        ),
        copies=0,
    )  # fmt: skip
    assert program.arena_bytes == 0


def test_parts_of_a_split_are_views() -> None:
    program = check(
        net(
            "%x: f32[1x6x4x5] nchw",
            "%y: f32[1x3x4x5] nchw, %b: f32[1x2x4x5] nchw",
            "%a, %b, %c = split(%x) {sizes = [3, 2, 1]} in_place",
            "%y = add(%a, %c) vector",
        ),
        copies=1,
    )
    assert program.arena_bytes == 0


def test_a_part_that_is_joined_again_is_copied() -> None:
    """A value has one home: half of what a shuffle block joins is a part of its input."""
    check(
        net(
            "%x: f32[1x6x4x5] nchw",
            "%y: f32[1x6x4x5] nchw",
            "%r = relu(%x) vector",
            "%a, %b = split(%r) {sizes = [3, 3]} in_place",
            "%c = tanh(%b) vector",
            "%d = concat(%a, %c) in_place",
            "%y = sigmoid(%d) vector",
        ),
        copies=1,
    )


@pytest.mark.parametrize(
    "channels, copies",
    [((16, 32), 0), ((16, 5), 0), ((8, 16), 1), ((8, 8, 16), 1), ((24, 3, 5, 16), 2), ((8, 7), 1)],
)
def test_parts_that_start_at_a_whole_block(channels: tuple[int, ...], copies: int) -> None:
    arguments = ", ".join(f"%x{i}: f32[1x{c}x3x2] nchw16c" for i, c in enumerate(channels))
    layers = [f"%a{i} = relu(%x{i}) : f32[1x{c}x3x2] nchw16c vector" for i, c in enumerate(channels)]
    total = sum(channels)
    names = ", ".join(f"%a{i}" for i in range(len(channels)))
    check(
        net(
            arguments,
            f"%y: f32[1x{total}x3x2] nchw16c",
            *layers,
            f"%c = concat({names}) : f32[1x{total}x3x2] nchw16c in_place",
            f"%y = tanh(%c) : f32[1x{total}x3x2] nchw16c vector",
            layout="nchw16c",
        ),
        copies,
    )
