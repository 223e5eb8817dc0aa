"""The arena: live ranges and offsets."""

from __future__ import annotations

import networks
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from plait.backends.build import assemble, lower
from plait.backends.lowering import Buffer, KernelCall, Place, PythonCall, Step
from plait.backends.memory import ALIGNMENT, assign_offsets, overlaps, set_live_ranges
from plait.backends.program import Program
from plait.backends.reference import evaluate
from plait.ir.text.parser import parse_module
from plait.ir.types import DType, TensorType
from plait.ir.values import Value
from plait.testing.compare import assert_close

STEADY = settings(derandomize=True, deadline=None, max_examples=300)


@st.composite
def buffers(draw: st.DrawFn) -> list[Buffer]:
    found = []
    for i in range(draw(st.integers(0, 25))):
        first = draw(st.integers(0, 12))
        found.append(
            Buffer(
                f"b{i}",
                draw(st.sampled_from((0, 1, 63, 64, 65, 128, 1000, 4096))),
                first=first,
                last=first + draw(st.integers(0, 6)),
            )
        )
    return found


def bytes_in_use(placed: list[Buffer], step: int) -> list[int]:
    return [at for b in placed if b.first <= step <= b.last for at in range(b.offset, b.offset + b.nbytes)]


@given(buffers())
@STEADY
def test_no_byte_has_two_owners(placed: list[Buffer]) -> None:
    size = assign_offsets(placed)
    for step in range(20):
        used = bytes_in_use(placed, step)
        assert len(used) == len(set(used))
        assert max(used, default=-1) < size
    assert overlaps(placed) == []


@given(buffers())
@STEADY
def test_offsets_are_aligned_and_the_arena_has_no_slack(placed: list[Buffer]) -> None:
    size = assign_offsets(placed)
    assert all(b.offset >= 0 and b.offset % ALIGNMENT == 0 for b in placed)
    rounded = [-(-b.nbytes // ALIGNMENT) * ALIGNMENT for b in placed]
    assert size == max((b.offset + n for b, n in zip(placed, rounded, strict=True)), default=0)
    assert size <= sum(rounded)
    peak = max(
        (sum(n for b, n in zip(placed, rounded, strict=True) if b.first <= s <= b.last) for s in range(20)), default=0
    )
    assert size >= peak


@given(buffers())
@STEADY
def test_offsets_are_deterministic(placed: list[Buffer]) -> None:
    again = [Buffer(b.name, b.nbytes, first=b.first, last=b.last) for b in placed]
    assert assign_offsets(placed) == assign_offsets(again)
    assert [b.offset for b in placed] == [b.offset for b in again]


def test_buffers_that_never_meet_share_memory() -> None:
    chain = [Buffer(f"b{i}", 256, first=i, last=i + 1) for i in range(10)]
    assert assign_offsets(chain) == 512


@pytest.mark.parametrize(
    "second, clash",
    [
        (Buffer("b", 64, first=2, last=5, offset=0), True),
        (Buffer("b", 64, first=2, last=5, offset=127), True),
        (Buffer("b", 64, first=2, last=5, offset=128), False),
        (Buffer("b", 64, first=3, last=5, offset=0), False),
        (Buffer("b", 64, first=-1, last=-1, offset=0), False),
    ],
)
def test_overlaps_are_seen(second: Buffer, clash: bool) -> None:
    first = Buffer("a", 128, first=0, last=2, offset=0)
    assert overlaps([first, second]) == ([(first, second)] if clash else [])


@st.composite
def mentions(draw: st.DrawFn) -> tuple[list[Buffer], list[list[int]]]:
    """Buffers, some of them aliases of earlier ones, and the numbers of those that each step mentions."""
    found: list[Buffer] = []
    for i in range(draw(st.integers(1, 10))):
        alias = found[draw(st.integers(0, i - 1))] if i and draw(st.booleans()) else None
        found.append(Buffer(f"b{i}", 64, alias=alias, alias_offset=4 * draw(st.integers(0, 3)) if alias else 0))
    numbers = st.lists(st.integers(0, len(found) - 1), max_size=4)
    return found, draw(st.lists(numbers, max_size=12))


def test_a_buffer_lives_from_its_first_mention_to_its_last() -> None:
    a, b = Buffer("a", 4), Buffer("b", 4)
    set_live_ranges(
        [KernelCall("k", {"x": Place(a), "n": 3, "none": None}), KernelCall("k", {"x": Place(a), "y": Place(b)})]
    )
    assert (a.first, a.last, b.first, b.last) == (0, 1, 1, 1)


@given(mentions())
@STEADY
def test_live_ranges_cover_every_mention_of_a_buffer_or_its_aliases(
    drawn: tuple[list[Buffer], list[list[int]]],
) -> None:
    found, steps = drawn
    value = Value("v", TensorType(DType.F32, (1,)))
    calls: list[Step] = []
    for number, indices in enumerate(steps):
        places = [Place(found[i]) for i in indices]
        if number % 2:
            calls.append(PythonCall(lambda: None, tuple((value, p) for p in (*places, None)), ()))
        else:
            calls.append(KernelCall("k", {f"f{i}": p for i, p in enumerate(places)}))
    set_live_ranges(calls)
    for buffer in found:
        if buffer.alias is not None:
            continue
        at = [s for s, indices in enumerate(steps) if any(found[i].root() is buffer for i in indices)]
        assert (buffer.first, buffer.last) == ((at[0], at[-1]) if at else (-1, -1))


def test_kept_buffers_live_until_the_end() -> None:
    a, b = Buffer("a", 64), Buffer("b", 64)
    alias = Buffer("alias", 64, alias=a)
    set_live_ranges([KernelCall("k", {"x": Place(a)}), KernelCall("k", {"x": Place(b)})], kept=[alias])
    assert (a.first, a.last) == (0, 2)
    assert assign_offsets([a, b, alias]) == 128


def test_offsets_of_aliases_add_up() -> None:
    root = Buffer("root", 256, external=0)
    inner = Buffer("inner", 64, alias=Buffer("outer", 128, alias=root, alias_offset=32), alias_offset=16)
    assert (inner.root(), inner.root_offset(), inner.in_arena) == (root, 48, False)


@pytest.mark.parametrize("seed", range(20))
@pytest.mark.parametrize("world", ["mixed", *networks.WORLDS])
def test_memory_of_random_networks(seed: int, world: str) -> None:
    module = networks.tuned(seed, world)
    lowering = lower(module, 1)
    executable = assemble(module, lowering)
    assert overlaps(lowering.buffers) == []
    arena = [b for b in lowering.buffers if b.alias is None and b.in_arena and b.first >= 0]
    assert all(b.offset >= 0 and b.offset + b.nbytes <= executable.arena_bytes for b in arena)
    again = lower(module, 1)
    assert again.steps is not lowering.steps and assemble(module, again).arena_bytes == executable.arena_bytes
    assert [(b.name, b.offset) for b in again.buffers] == [(b.name, b.offset) for b in lowering.buffers]


def test_memory_is_reused() -> None:
    """Over all networks the arenas are much smaller than their buffers side by side."""
    lowered = [lower(networks.tuned(seed), 1) for seed in range(20)]
    together = sum(b.nbytes for lowering in lowered for b in lowering.buffers if b.alias is None and b.in_arena)
    assert sum(assign_offsets(lowering.buffers) for lowering in lowered) < 0.6 * together


GATE = """ir 1
const @r : f32[1x2x1x1] = [1, 2]
const @e : f32[2x1x1x1] = [1, -2]
net @main(%x: f32[1x2x4x4] nchw) -> (OUTPUTS) {
  %a = VALUE
  %g = squeeze_excite(%a, @r, @e) via cpu/f32/nchw/gate
  %y = relu(%g) via cpu/f32/nchw/vector
  OTHER
}
"""
IMAGE = "f32[1x2x4x4] nchw"


@pytest.mark.parametrize(
    "value, outputs, other, overwritten",
    [
        ("tanh(%x) via cpu/f32/nchw/vector", ["y"], "", True),
        ("tanh(%x) via cpu/f32/nchw/vector", ["y", "z"], "%z = relu(%a) via cpu/f32/nchw/vector", False),
        ("tanh(%x) via cpu/f32/nchw/vector", ["y", "a"], "", False),
        ("tanh(%x) via cpu/f32/nchw/vector", ["y", "g"], "", False),
        ("reshape(%x) {shape = [1, 2, 4, 4]} via cpu/any/nchw/view", ["y"], "", False),
    ],
    ids=["last reader", "read later", "an output", "the result is an output", "a view of an argument"],
)
def test_only_what_nobody_reads_again_is_overwritten(
    value: str, outputs: list[str], other: str, overwritten: bool
) -> None:
    text = GATE.replace("OUTPUTS", ", ".join(f"%{name}: {IMAGE}" for name in outputs))
    module = parse_module(text.replace("VALUE", value).replace("OTHER", other))
    lowering = lower(module, 1)
    operand, result = (next(la.result for la in module.main if la.result.name == name) for name in "ag")
    assert (lowering.place(operand).buffer is lowering.place(result).buffer.root()) == overwritten
    x = np.random.default_rng(0).standard_normal((1, 2, 4, 4)).astype(np.float32)
    kept = x.copy()
    found = Program(module).run([x])
    np.testing.assert_array_equal(x, kept)
    assert_close(dict(zip(outputs, found, strict=True)), evaluate(module, [x]))
