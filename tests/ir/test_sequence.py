"""Sequences and optional values: result types, values, text, and what is refused."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from plait.backends.errors import RoutineError, RunError
from plait.backends.program import Program
from plait.backends.reference import evaluate
from plait.backends.routine import applicable
from plait.ir import IRError
from plait.ir.registry import known_layers, layer_class
from plait.ir.text import parse_module, print_module
from plait.passes.base import PassContext
from plait.passes.fold_constants import FoldConstants
from plait.tuning.tuner import tune


def run(body: str, arguments: str = "%x: f32[4x2]", inputs: dict[str, Any] | None = None) -> tuple[str, Any]:
    """Type and value of %y. The text must read back."""
    text = (
        "ir 1\nconst @i : i64[] = 1\nconst @last : i64[] = -1\nconst @two : i64[] = 2\nconst @three : i64[] = 3\n"
        "const @sizes : i64[3] = [1, 0, 3]\nconst @even : i64[2] = [2, 2]\nconst @far : i64[] = 9\n"
        "const @minus : i64[] = -4\nconst @f : f32[] = 1\n"
        f"net @main({arguments}) -> () {{\n{body}\n}}\n"
    )
    module = parse_module(text)
    y = next(r for layer in module.main for r in layer.results if r.name == "y")
    module.main.set_outputs([y])
    again = parse_module(print_module(module))
    assert again == module and print_module(again) == print_module(module)
    if inputs is None:
        inputs = {"x": np.arange(8, dtype=np.float32).reshape(4, 2)}
    return str(y.type), evaluate(again, inputs)["y"]


def lists(value: Any) -> Any:
    """Arrays and lists of arrays as nested lists."""
    return [lists(v) for v in value] if isinstance(value, list) else None if value is None else value.tolist()


SPLIT = "%s = split_to_sequence(%x)\n"
LAST = SPLIT + "%a = sequence_at(%s, @last)\n"
ALL = [[0, 1], [2, 3], [4, 5], [6, 7]]
ROWS = [[row] for row in ALL]


@pytest.mark.parametrize(
    ("body", "type", "value"),
    [
        ("%y = split_to_sequence(%x)", "seq<f32[1x2]>", ROWS),
        ("%y = split_to_sequence(%x) {axis = -1, keep = false}", "seq<f32[4]>", [[0, 2, 4, 6], [1, 3, 5, 7]]),
        ("%y = split_to_sequence(%x, @two)", "seq<f32[2x2]>", [[[0, 1], [2, 3]], [[4, 5], [6, 7]]]),
        ("%y = split_to_sequence(%x, @three)", "seq<f32[_x2]>", [[[0, 1], [2, 3], [4, 5]], [[6, 7]]]),
        ("%y = split_to_sequence(%x, @even)", "seq<f32[2x2]>", [[[0, 1], [2, 3]], [[4, 5], [6, 7]]]),
        ("%y = split_to_sequence(%x, @sizes)", "seq<f32[_x2]>", [[[0, 1]], [], [[2, 3], [4, 5], [6, 7]]]),
        ("%y = sequence_construct(%x, %x)", "seq<f32[4x2]>", [ALL] * 2),
        (SPLIT + "%a = sequence_at(%s, @i)\n%y = sequence_construct(%x, %a)", "seq<f32[_x2]>", [ALL, ROWS[1]]),
        ("%y = sequence_empty() {of = f32[_x2]}", "seq<f32[_x2]>", []),
        ("%e = sequence_empty() {of = f32[_x2]}\n%y = sequence_insert(%e, %x)", "seq<f32[_x2]>", [ALL]),
        (SPLIT + "%y = sequence_at(%s, @i)", "f32[1x2]", ROWS[1]),
        (SPLIT + "%y = sequence_at(%s, @minus)", "f32[1x2]", ROWS[0]),
        (LAST + "%y = relu(%a)", "f32[1x2]", ROWS[3]),
        (LAST + "%y = sequence_insert(%s, %a, @i)", "seq<f32[1x2]>", [ROWS[0], ROWS[3], *ROWS[1:]]),
        (SPLIT + "%a = sequence_at(%s, @i)\n%y = sequence_insert(%s, %a)", "seq<f32[1x2]>", [*ROWS, ROWS[1]]),
        (SPLIT + "%y = sequence_erase(%s)", "seq<f32[1x2]>", ROWS[:3]),
        (SPLIT + "%y = sequence_erase(%s, @i)", "seq<f32[1x2]>", [ROWS[0], *ROWS[2:]]),
        (SPLIT + "%y = sequence_length(%s)", "i64[]", 4),
        (SPLIT + "%y = concat_from_sequence(%s) {axis = 0}", "f32[_x2]", ALL),
        (SPLIT + "%y = concat_from_sequence(%s) {axis = 1}", "f32[1x_]", [list(range(8))]),
        (SPLIT + "%y = concat_from_sequence(%s) {axis = 0, new_axis = true}", "f32[_x1x2]", ROWS),
        (SPLIT + "%a = concat_from_sequence(%s) {axis = 0} : f32[4x2]\n%y = sub(%a, %x)", "f32[4x2]", [[0, 0]] * 4),
        ("%o = optional(%x)\n%y = optional_get(%o)", "f32[4x2]", ALL),
        ("%y = optional(%x)", "optional<f32[4x2]>", ALL),
        ("%y = optional() {of = seq<f32[2]>}", "optional<seq<f32[2]>>", None),
        ("%o = optional() {of = f32[2]}\n%y = optional_has(%o)", "bool[]", False),
        ("%o = optional(%x)\n%y = optional_has(%o)", "bool[]", True),
        ("%y = optional_has(%x)", "bool[]", True),
        ("%y = optional_has()", "bool[]", False),
        (SPLIT + "%y = optional_get(%s)", "seq<f32[1x2]>", ROWS),
    ],
)  # fmt: skip
def test_types_and_values(body: str, type: str, value: Any) -> None:
    found = run(body)
    assert found[0] == type and lists(found[1]) == value


def test_every_layer_is_here() -> None:
    names = {n for n in known_layers() if layer_class(n).__module__ == "plait.ir.layers.sequence"}  # type: ignore[union-attr]
    bodies = " ".join(case[0] for case in test_types_and_values.pytestmark[0].args[1])  # type: ignore[attr-defined]
    assert all(f"{name}(" in bodies for name in names) and len(names) == 11


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("%a = concat_from_sequence(%s) {axis = 0}\n%y = sub(%a, %x)", "do not broadcast"),
        (
            "%a = concat_from_sequence(%s) {axis = 0} : f32[4x3]\n%y = relu(%a)",
            "f32[4x3] but concat_from_sequence gives",
        ),
        ("%y = relu(%s)", "relu: wants a tensor, got seq<f32[1x2]>"),
        ("%y = sequence_at(%x, @i)", "s must be a sequence, got f32[4x2]"),
        ("%y = sequence_at(%s, @f)", "position must be one integer (i64 or i32), got f32[]"),
        ("%y = sequence_at(%s, %s)", "wants a tensor, got seq<f32[1x2]>"),
        ("%y = sequence_insert(%s, @f)", "f32[] does not fit into a sequence of f32[1x2]: elements have one dtype"),
        ("%y = sequence_insert(%s, %s)", "seq<f32[1x2]> does not fit into a sequence of f32[1x2]"),
        ("%y = sequence_construct()", "needs at least one operand"),
        ("%y = sequence_empty() {of = f32}", "wants a type such as f32[1x3]"),
        ("%y = sequence_empty()", "needs attribute of"),
        ("%y = split_to_sequence(%x, @f)", "split must be a scalar or vector of integers"),
        ("%y = split_to_sequence(%x, @minus)", "parts must have at least 1 element, got -4"),
        ("%y = split_to_sequence(%x, @sizes) {axis = 1}", "parts of [1, 0, 3] elements do not add up to 2"),
        ("%y = split_to_sequence(%x) {axis = 2}", "axis 2 is out of range"),
        ("%y = concat_from_sequence(%s) {axis = 2}", "axis 2 is out of range"),
        ("%y = optional()", "needs the type `of`"),
        ("%y = optional(%x) {of = f32[3]}", "the operand is f32[4x2], not f32[3]"),
    ],
)
def test_refused(body: str, message: str) -> None:
    with pytest.raises(IRError) as caught:
        run(SPLIT + body)
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("%y = sequence_at(%s, @far)", "position 9 is out of range for a sequence of 4"),
        ("%y = sequence_insert(%s, %e, @far)", "position 9 is out of range"),
        ("%z = sequence_empty() {of = f32[2]}\n%y = sequence_erase(%z)", "out of range for a sequence of 0"),
        ("%z = sequence_empty() {of = f32[2]}\n%y = concat_from_sequence(%z) {axis = 0}", "has nothing to concatenate"),
        ("%z = optional() {of = f32[2]}\n%y = optional_get(%z)", "the optional value holds nothing"),
        ("%y = split_to_sequence(%x, %n)", "parts of 0 elements"),
        ("%y = split_to_sequence(%x, %m)", "parts of [1, 1] elements do not add up to 4"),
    ],
)
def test_errors_of_a_run(body: str, message: str) -> None:
    inputs = {
        "x": np.zeros((4, 2), np.float32),
        "e": np.zeros((1, 2), np.float32),
        "n": np.array(0),
        "m": np.array([1, 1]),
    }
    with pytest.raises(RunError) as caught:
        run(SPLIT + body, "%x: f32[4x2], %e: f32[1x2], %n: i64[], %m: i64[2]", inputs)
    assert message in str(caught.value)


def test_inputs_and_outputs() -> None:
    arguments = "%s: seq<f32[_xN]>, %o: optional<seq<i4[]>>, %t: string[2]"
    body = "%y = sequence_erase(%s)\n%z = optional_get(%o)\n%w = reshape(%t) {shape = [2, 1]}"
    module = parse_module(f"ir 1\nnet @main({arguments}) -> () {{\n{body}\n}}\n")
    module.main.set_outputs([r for layer in module.main for r in layer.results])
    small = np.array(3).astype(module.main.arguments[1].type.element.element.dtype.numpy)  # type: ignore[attr-defined]
    good = {"s": [np.ones((1, 2), np.float32), np.ones((3, 2), np.float32)], "o": [small], "t": ["a", "b"]}
    found = evaluate(module, good)
    assert lists(found["y"]) == [[[1, 1]]] and lists(found["z"]) == [3] and lists(found["w"]) == [["a"], ["b"]]
    for wrong, message in [
        ({"s": np.ones(3)}, "input 's' must be a list, for seq<f32[_xN]>; got ndarray"),
        ({"s": [np.ones((1, 2))]}, "element 0 of input 's' must be f32"),
        (
            {"s": [good["s"][0], np.ones((1, 3), np.float32)]},
            "element 1 of input 's' must have the shape",
        ),
        ({"o": [np.int8(3)]}, "x.astype(ml_dtypes.int4)"),
        ({"o": None}, "the optional value holds nothing"),
        ({"t": np.array([1, 2])}, "must be string"),
    ]:
        with pytest.raises(RunError) as caught:
            evaluate(module, good | wrong)
        assert message in str(caught.value)


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ("%y = split_to_sequence(%x)\n%z = sequence_length(%y)", "%y is seq<f32[1x2]>, not a tensor"),
        ("%y = cast(%x) {to = string}\n%z = reshape(%y) {shape = [-1]}", "%y has strings for elements"),
    ],
)
def test_only_the_reference_runs_them(body: str, reason: str) -> None:
    module = parse_module(f"ir 1\nnet @main(%x: f32[4x2]) -> () {{\n{body}\n}}\n")
    for layer in module.main:
        reasons = [r for _, r in applicable(layer)]
        assert reasons and set(reasons) == {reason}
    module.main.set_outputs([next(iter(module.main)).result])
    with pytest.raises(RoutineError, match=r"P403.*%y (is seq|has strings)"):
        Program(module)
    with pytest.raises(RoutineError, match=r"only the reference runs this: %y (is seq|has strings)"):
        tune(module, None)  # type: ignore[arg-type]


def test_sequences_are_not_folded() -> None:
    text = "ir 1\nconst @c : f32[2] = [1, 2]\nnet @main() -> (%s: seq<f32[2]>) {\n%s = sequence_construct(@c)\n}\n"
    module = parse_module(text)
    FoldConstants().run(module, PassContext())
    assert [layer.op for layer in module.main] == ["sequence_construct"]
