"""Single steps on small modules: functions, outputs, operands, attributes, symbols, constants, names."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from plait.ir import Module
from plait.ir.text import parse_module, print_module
from plait.passes.reduce import Predicate, Progress, Size, reduce_module


def reduced(text: str, fails: Predicate) -> str:
    return print_module(reduce_module(parse_module(text), fails).module)


def says(*words: str) -> Predicate:
    """A failure that needs nothing but words in the text."""
    return lambda module: all(word in print_module(module) for word in words)


def test_functions_that_are_not_needed() -> None:
    text = """ir 1
    const @k : f32[1] = [2.0]
    net @main(%x: f32[4]) -> (%y: f32[4]) {
      %y = relu(%x)
    }
    net @other(%x: f32[4]) -> (%y: f32[4]) {
      %a = mul(%x, @k)
      %y = tanh(%a)
    }"""
    assert reduced(text, says("tanh")) == (
        "ir 1\nnet @main(%x: f32[1]) -> (%y: f32[1]) {\n  %y = tanh(%x) : f32[1]\n}\n"
    )
    assert "@other" not in reduced(text, says("relu"))
    both = reduced(text, says("net @main", "net @other"))
    assert both.count("\n  %") == 0 and "@k" not in both


def test_outputs() -> None:
    text = """ir 1
    net @main(%x: f32[4]) -> (%a: f32[4], %b: f32[4], %c: f32[4], %d: f32[4]) {
      %a = relu(%x)
      %b = tanh(%a)
      %c = sigmoid(%b)
      %d = relu(%c)
    }"""

    def two_readers(module: Module) -> bool:
        return any(len(r.users) >= 2 for layer in module.main for r in layer.results)

    found = reduce_module(parse_module(text), two_readers).module
    # One layer: its result is an output, and read by another, or an output twice.
    assert len(found.main.body) <= 2 and len(found.main.outputs) <= 2
    assert two_readers(found)


def test_operands_and_attributes() -> None:
    text = """ir 1
    const @w : f32[2x2x1x1] = [1.0, 2.0, 3.0, 4.0]
    const @b : f32[2] = [1.0, 2.0]
    net @main(%x: f32[1x2x4x4], %r: f32[1x2x4x4]) -> (%y: f32[1x2x4x4]) {
      %y = conv2d(%x, @w, @b, %r) {stride = [1, 1], pad = [0, 0, 0, 0], act = clip(0.0, 6.0)}
    }"""
    assert "conv2d(%x, @w) :" in reduced(text, says("conv2d"))
    # Which residual it is does not matter.
    assert "conv2d(%x, @w, residual = %x) :" in reduced(text, lambda m: any(layer.residual for layer in m.main))  # type: ignore[attr-defined]
    acted = reduced(text, says("act ="))
    assert "conv2d(%x, @w) {act = relu6} :" in acted and "@b" not in acted


def test_operands_go_with_what_computes_them() -> None:
    text = """ir 1
    const @w : f32[2x2x1x1] = [1.0, 2.0, 3.0, 4.0]
    net @main(%x: f32[1x2x4x4]) -> (%y: f32[1x2x4x4]) {
      %a = relu(%x)
      %b = tanh(%a)
      %c = conv2d(%x, @w, residual = %b) {act = relu}
      %y = conv2d(%c, @w, residual = %c) {act = relu}
    }"""

    def two_layers_or_three(module: Module) -> bool:
        # Keeps the search for layers from finding what dropping an operand finds.
        convs = [layer for layer in module.main if layer.op == "conv2d"]
        return len(convs) == 2 and len(module.main.body) in (2, 4) and "act = relu" in str(module)

    found = reduce_module(parse_module(text), two_layers_or_three).module
    assert [layer.op for layer in found.main] == ["conv2d", "conv2d"]


def test_members_of_attributes() -> None:
    text = """ir 1
    net @main(%x: f32[1x3x9x9]) -> (%y: f32[1x3x5x5]) {
      %y = max_pool2d(%x) {kernel = [3, 3], stride = [2, 2], pad = [1, 1, 1, 1]}
    }"""

    def padded_right(module: Module) -> bool:
        return any(getattr(layer, "pad", (0, 0, 0, 0))[3] == 1 for layer in module.main)

    assert reduced(text, padded_right) == (
        "ir 1\nnet @main(%x: f32[1x1x1x1] nchw) -> (%y: f32[1x1x1x2] nchw) {\n"
        "  %y = max_pool2d(%x) {kernel = [1, 1], pad = [0, 0, 0, 1]} : f32[1x1x1x2] nchw\n}\n"
    )


def test_repeated_operands() -> None:
    text = """ir 1
    net @main(%a: f32[1x2], %b: f32[1x3], %c: f32[1x4]) -> (%y: f32[1x9]) {
      %y = concat(%a, %b, %c)
    }"""
    two = reduced(text, lambda m: any(len(layer.operands) >= 2 for layer in m.main))
    assert "concat(%a, %a) : f32[1x2]" in two


def test_symbols_are_bound_unless_needed() -> None:
    text = """ir 1
    net @main(%x: f32[NxHx4]) -> (%y: f32[NxHx4]) {
      %y = relu(%x)
    }"""
    assert "%y = relu(%x) : f32[1x1x1]" in reduced(text, says("relu"))
    kept = reduced(text, lambda m: m.main.symbols() != [])
    assert "f32[Nx1x1]" in kept or "f32[1xHx1]" in kept
    assert "f32[3x1x1]" in reduced(text, lambda m: m.main.arguments[0].type.shape[0] not in (1, 2))


@pytest.mark.parametrize(
    ("fails", "wanted"),
    [
        (lambda d: True, [0.0]),
        (lambda d: bool((d > 0).any()), [1.0]),
        (lambda d: bool((d < 0).any()), [-1.0]),
        (lambda d: float(d.max()) > 1.2, [2.0]),
        (lambda d: len(set(d.tolist())) > 1, [1.0, -1.0]),
        (lambda d: 0.25 in d.tolist(), [0.25]),
    ],
)
def test_constants(fails: Callable[[np.ndarray], bool], wanted: list[float]) -> None:
    text = """ir 1
    const @k : f32[5] = [0.5, -1.5, 0.25, 1.25, 1.5]
    net @main(%x: f32[5]) -> (%y: f32[5]) {
      %y = add(%x, @k)
    }"""

    def predicate(module: Module) -> bool:
        return any(fails(c.data) for c in module.constants.values())

    found = reduce_module(parse_module(text), predicate).module
    assert [c.data.tolist() for c in found.constants.values()] == [wanted]


def test_symbols_are_bound_to_numbers_that_make_sense() -> None:
    text = """ir 1
    net @main(%x: f32[N], %z: f32[N-2]) -> (%y: f32[N], %w: f32[N-2]) {
      %y = relu(%x)
      %w = tanh(%z)
    }"""
    found = parse_module(reduced(text, says("relu", "tanh")))
    assert [str(a.type) for a in found.main.arguments] == ["f32[1]"]
    found = parse_module(reduced(text, lambda m: len(m.main.arguments) == 2))
    assert [str(a.type) for a in found.main.arguments] == ["f32[1]", "f32[1]"]


def test_what_layers_carry() -> None:
    text = """ir 1
    net @main(%input: f32[1]) -> ("net/out:0" = %act: f32[1]) {
      %act = relu(%input) : f32[1] via cpu/any/reference !1.00us loc "a.onnx":"Relu_0"
    }"""
    assert reduced(text, says("relu")) == (
        "ir 1\nnet @main(%0: f32[1]) -> (%1: f32[1]) {\n  %1 = relu(%0) : f32[1]\n}\n"
    )
    # What the failure needs stays; the rest goes.
    assert '"net/out:0" = %' in reduced(text, says("net/out"))
    assert 'loc "a.onnx":"Relu_0"' in reduced(text, says("Relu_0")) and "via" not in reduced(text, says("Relu_0"))
    assert "%input" in reduced(text, says("%input"))


def test_idle_layers_can_be_the_failure() -> None:
    text = """ir 1
    net @main(%x: f32[4]) -> (%y: f32[4]) {
      %a = relu(%x)
      %b = tanh(%a)
      %y = sigmoid(%x)
    }"""

    def has_dead_layer(module: Module) -> bool:
        return any(not r.users for layer in module.main for r in layer.results)

    found = reduce_module(parse_module(text), has_dead_layer).module
    assert len(found.main.body) == 1 and has_dead_layer(found)


# --- the search itself ---

RELU = """ir 1
net @main(%x: f32[8]) -> (%y: f32[8]) {
  %a = tanh(%x)
  %y = relu(%a)
}"""


def test_no_module_is_asked_about_twice_and_each_is_smaller() -> None:
    asked: list[str] = []
    accepted: list[Size] = []

    def fails(module: Module) -> bool:
        asked.append(print_module(module))
        return "relu" in asked[-1]

    def note(progress: Progress) -> None:
        assert progress.checks == len(asked)
        if progress.improved:
            accepted.append(progress.size)
            assert Size.of(progress.module) == progress.size

    reduction = reduce_module(parse_module(RELU), fails, progress=note)
    assert len(asked) == len(set(asked)) == reduction.checks
    assert accepted == sorted(accepted, reverse=True) and len(set(accepted)) == len(accepted) > 1
    assert reduction.after == accepted[-1] < reduction.before


def test_predicates_may_change_what_they_get() -> None:
    def fails(module: Module) -> bool:
        found = "relu" in str(module)
        module.functions.clear()
        return found

    assert "relu" in print_module(reduce_module(parse_module(RELU), fails).module)


def test_limited_number_of_checks() -> None:
    full = reduce_module(parse_module(RELU), says("relu"))
    for limit in range(1, full.checks + 1):
        part = reduce_module(parse_module(RELU), says("relu"), max_checks=limit)
        assert part.checks == limit and "relu" in str(part.module)
        assert part.complete == (limit == full.checks)
    with pytest.raises(ValueError, match="at least 1"):
        reduce_module(parse_module(RELU), says("relu"), max_checks=0)


def test_what_does_not_fail_is_refused() -> None:
    with pytest.raises(ValueError, match="does not show the failure"):
        reduce_module(parse_module(RELU), says("conv2d"))


def test_errors_of_the_predicate_come_through() -> None:
    def fails(module: Module) -> bool:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        reduce_module(parse_module(RELU), fails)
