"""What concatenations cost in a network: nothing where their operands lie in the result."""

from __future__ import annotations

import numpy as np
import pytest

from plait.backends.build import build
from plait.backends.executable import Call, Executable
from plait.backends.null import FixedCosts
from plait.backends.program import Program
from plait.frontends.onnx import import_onnx
from plait.ir.module import Module
from plait.ir.text.parser import parse_module
from plait.passes.manager import PassManager
from plait.passes.pipeline import Pipeline
from plait.testing import networks
from plait.tuning import tune
from plait.tuning.moving import moved_shares

MOVES = ("copy_nd", "f32_concat_part_nchw16c")


def shares(text: str) -> dict[tuple[str, str], float]:
    numbers = ", ".join(map(str, range(64)))
    module = parse_module(f"ir 1\nconst @k : f32[1x16x2x2] = [{numbers}]\n{text}")
    return {
        (layer.results[0].name, path.removeprefix("cpu/")): share
        for (layer, path), share in moved_shares(module.main).items()
    }


def test_what_is_moved_of_a_concatenation() -> None:
    found = shares(
        "net @main(%x: f32[1x16x2x2]) -> (%e: f32[1x32x2x2], %f: f32[1x24x2x2], %g: f32[1x80x2x2]) {\n"
        "  %a = relu(%x)\n  %b = tanh(%x)\n  %s = slice(%x) {axes = [1], starts = [0], stops = [8]}\n"
        "  %e = concat(%a, %b)\n  %f = concat(%s, %x)\n  %g = concat(%a, %x, @k, %e)\n}\n"
    )
    assert found["e", "any/nchw/in_place"] == found["e", "f32/nchw16c/in_place"] == 0
    assert found["f", "any/nchw/in_place"] == pytest.approx(2 / 3)  # %x is an argument
    assert found["f", "f32/nchw16c/in_place"] == pytest.approx(2 / 3)
    assert found["g", "any/nchw/in_place"] == 1  # %a lies in %e, and %e is an output
    assert ("e", "f32/nhwc/in_place") not in found


def test_what_is_moved_depends_on_the_layout() -> None:
    found = shares(
        "net @main(%x: f32[1x8x2x2]) -> (%z: f32[1x16x2x2]) {\n"
        "  %a = relu(%x)\n  %b = tanh(%x)\n  %c = concat(%a, %b)\n  %z = relu(%c)\n}\n"
    )
    assert (found["c", "any/nchw/in_place"], found["c", "f32/nchw16c/in_place"]) == (0, 0.5)


def test_costs_are_shares_of_what_was_measured() -> None:
    module = parse_module(
        "ir 1\nnet @main(%x: f32[1x16x2x2] nchw) -> (%z: f32[1x32x2x2] nchw, %y: f32[1x32x2x2] nchw) {\n"
        "  %a = relu(%x)\n  %b = tanh(%x)\n  %c = concat(%a, %b)\n  %d = concat(%x, %a)\n  %e = tanh(%x)\n"
        "  %f = concat(%x, %e)\n  %z = relu(%c)\n  %g = relu(%d)\n  %h = relu(%f)\n  %y = add(%g, %h)\n}\n"
    )
    costs = FixedCosts({"cpu/nchw/in_place": 7.0, "cpu/nchw/copy": 6.0}, default=100.0)
    tuned = tune(module, costs, routines=["cpu:nchw"])
    found = {layer.results[0].name: (layer.via, layer.cost_us) for layer in tuned.module.main}
    in_place, copy = "cpu/any/nchw/in_place", "cpu/any/nchw/copy"
    assert [found[name] for name in "cdf"] == [(in_place, 0.0), (copy, 6.0), (in_place, 3.5)]


def test_routines_that_move_nothing_are_not_measured() -> None:
    module = parse_module(
        "ir 1\nnet @main(%x: f32[1x16]) -> (%z: f32[1x32]) {\n"
        "  %a = relu(%x)\n  %b = tanh(%x)\n  %c = concat(%a, %b)\n  %z = relu(%c)\n}\n"
    )
    costs = FixedCosts(default=10.0)
    tune(module, costs)
    measured = {job.routine for job in costs.jobs if job.signature.startswith("concat")}
    assert measured == {"cpu/any/nchw/copy", "cpu/any/nchw/reference"}


# --- whole networks ---


def with_copies(module: Module) -> Module:
    """The same plan with all concatenations by copies."""
    module = module.clone()
    for layer in module.main:
        if layer.op == "concat" and layer.via:
            layer.via = layer.via.replace("in_place", "copy")
    return module


def moves(program: Executable) -> int:
    return sum(isinstance(s, Call) and s.kernel in MOVES for s in program.steps)


@pytest.mark.parametrize(
    "name, layout, before, now",
    [
        ("squeezenet", "nchw16c", 17, 1),  # the last block of 1000 channels has padding, the output has not
        ("squeezenet", "nchw", 16, 0),
        ("densenet121", "nchw16c", 116, 0),
        ("densenet121", "nchw", 116, 0),
        ("googlenet", "nchw16c", 36, 0),
        ("googlenet", "nchw", 36, 0),
    ],
)
def test_concatenations_of_networks_copy_nothing(name: str, layout: str, before: int, now: int) -> None:
    module = import_onnx(networks.build(name, image=64)).module
    PassManager(Pipeline.parse("default")).run(module)
    best = FixedCosts(lambda job: 1.0 if f"/{layout}/" in job.routine else 50.0 + 500 * ("reference" in job.routine))
    tuned = tune(module, best).module
    ours, theirs = build(tuned), build(with_copies(tuned))
    assert (moves(ours), moves(theirs)) == (now, before)
    x = np.random.default_rng(0).standard_normal((1, 3, 64, 64)).astype(np.float32)
    assert Program(ours).run([x])[0].tobytes() == Program(theirs).run([x])[0].tobytes()
    assert ours.arena_bytes <= theirs.arena_bytes
