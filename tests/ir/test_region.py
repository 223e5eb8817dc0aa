"""Regions keep their list and the use lists of values true; modules and constants."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from plait.ir import Constant, Function, Layer, Module, TensorType, Value, layer, verify
from plait.ir.layer import OpaqueLayer
from plait.ir.layers.activations import Relu, Tanh
from plait.ir.layers.elementwise import Add
from plait.ir.plugins import PluginError
from plait.ir.region import Region
from plait.ir.registry import known_layers, layer_class
from plait.ir.text import parse_module, print_module
from plait.ir.types import DType
from plait.ir.values import scalar

T = TensorType(DType.F32, (2,))


def ops(region: Region) -> list[str]:
    assert [x.op for x in reversed(region)] == [x.op for x in region][::-1]
    assert len(region) == len(list(region))
    return [x.op for x in region]


def chain() -> tuple[Region, Value, Layer, Layer]:
    x = Value("x", T)
    region = Region([x])
    a = region.append(Relu(x), ("a",))
    b = region.append(Add(a.result, a.result), ("b",))
    region.outputs = [b.result]
    return region, x, a, b


def test_append_names_results_and_counts_uses() -> None:
    region, x, a, b = chain()
    assert ops(region) == ["relu", "add"]
    assert (a.result.name, a.result.owner, a.result.type) == ("a", a, T)
    assert x.users == {a: 1} and a.result.users == {b: 2} and a.result.use_count == 2
    assert region.is_output(b.result) and not region.is_output(a.result) and b.result.use_count == 1


def test_replace_keeps_names_and_uses() -> None:
    region, x, a, b = chain()
    new = region.replace(a, Tanh(x))
    assert ops(region) == ["tanh", "add"] and new.result.name == "a"
    assert b.operands == (new.result, new.result) and new.result.users == {b: 2}
    assert a.region is None and not a.result.users and x.users == {new: 1}
    new = region.replace(b, Relu(new.result))
    assert region.outputs == (new.result,)


def test_remove_refuses_what_is_in_use() -> None:
    region, _, a, b = chain()
    with pytest.raises(AssertionError, match=r"%a \(relu\) is in use"):
        region.remove(a)
    with pytest.raises(AssertionError, match="in use"):
        region.remove(b)
    region.outputs = []
    region.remove(b)
    region.remove(a)
    assert ops(region) == [] and region.first is None and region.last is None


def test_insert_refuses_attached_layers() -> None:
    region, _, a, _ = chain()
    with pytest.raises(AssertionError, match="attached already"):
        region.append(a)


def test_replace_uses_reaches_outputs_and_repeated_operands() -> None:
    region, x, a, b = chain()
    region.outputs = [a.result, b.result, a.result]
    region.replace_uses(a.result, x)
    assert region.outputs == (x, b.result, x) and b.operands == (x, x)
    assert not a.result.users and x.use_count == 5
    region.replace_uses(x, x)
    assert x.use_count == 5


def test_move_before() -> None:
    region, x, a, b = chain()
    c = region.append(Tanh(x), ("c",))
    region.move_before(c, a)
    assert ops(region) == ["tanh", "relu", "add"] and x.users == {a: 1, c: 1}
    region.move_before(c, None)
    assert ops(region) == ["relu", "add", "tanh"]
    region.move_before(c, b)
    assert ops(region) == ["relu", "tanh", "add"]


def test_iteration_survives_changes() -> None:
    x = Value("x", T)
    region = Region([x])
    layers = [region.append(Relu(x), (f"r{i}",)) for i in range(4)]
    seen = []
    for current in region:
        seen.append(current.results[0].name)
        if current is layers[0]:
            region.remove(layers[0])
            region.remove(layers[1])
        if current is layers[2]:
            region.replace(current, Tanh(x))
    assert seen == ["r0", "r2", "r3"] and ops(region) == ["tanh", "relu"]
    for current in reversed(region):
        region.remove(current)
    assert ops(region) == []


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.sampled_from(["append", "insert", "remove", "move", "replace"]), st.integers(0, 99), st.integers(0, 99)
        ),
        max_size=30,
    )
)
def test_random_edits_keep_the_list_true(edits: list[tuple[str, int, int]]) -> None:
    x = Value("x", T)
    region = Region([x])
    model: list[Layer] = []
    for edit, i, j in edits:
        at = model[i % len(model)] if model else None
        if edit == "append" or at is None:
            model.append(region.append(Relu(x)))
        elif edit == "insert":
            model.insert(model.index(at), region.insert(Tanh(x), at))
        elif edit == "remove":
            region.remove(at)
            model.remove(at)
        elif edit == "replace":
            model[model.index(at)] = region.replace(at, Relu(x))
        elif (other := model[j % len(model)]) is not at:
            region.move_before(at, other)
            model.remove(at)
            model.insert(model.index(other), at)
        assert list(region) == model and list(reversed(region)) == model[::-1]
        assert set(x.users) == set(model)


def test_constants_have_unique_names_and_read_only_lazy_data() -> None:
    module = Module([Function("main")])
    a, b = (module.add_constant("c", np.zeros(2, np.float32)) for _ in range(2))
    assert [a.name, b.name] == ["c", "c.1"] and module.free_name("c") == "c.2"
    loads: list[int] = []

    def load() -> np.ndarray:  # type: ignore[type-arg]
        loads.append(1)
        return np.ones(2, np.float32)

    lazy = module.adopt(Constant("lazy", type=T, load=load))
    assert not loads
    assert lazy.data.tolist() == [1, 1] and lazy.data is lazy.data and loads == [1]
    with pytest.raises(ValueError, match="read-only"):
        lazy.data[0] = 3
    module.main.set_outputs([lazy])
    assert module.drop_unused_constants() == 2 and list(module.constants) == ["lazy"]


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_numbers_of_constants_read_back_exactly(dtype: type) -> None:
    limits = np.finfo(dtype)
    data = np.array(
        [
            0,
            -0.0,
            1,
            0.1,
            1 / 3,
            limits.max,
            limits.tiny,
            limits.smallest_subnormal,
            np.inf,
            -np.inf,
            np.nan,
            6e4,
            1e-4,
        ],
        dtype,
    )
    module = Module([Function("main")])
    module.add_constant("c", data)
    again = parse_module(print_module(module))
    assert again.constants["c"].data.tobytes() == data.tobytes()


def test_scalars() -> None:
    assert scalar(Constant("c", np.full((1, 1), 2.5, np.float32))) == 2.5
    assert (
        scalar(Constant("c", np.zeros(2, np.float32))) is None
        and scalar(Value("x", T)) is None
        and scalar(None) is None
    )


def test_clones_are_independent() -> None:
    head = "ir 1\nconst @c : f32[2] = [1, 2]\n"
    text = head + "net @main(%x: f32[2]) -> (%y: f32[2]) {\n%a = relu(%x)\n%y = add(%a, @c)\n}\n"
    module = parse_module(text)
    copy = module.clone()
    assert copy == module and copy.constants["c"] is not module.constants["c"]
    last = copy.main.body.last
    assert last is not None
    copy.main.body.replace(last, Tanh(last.operands[0]))
    verify(copy)
    verify(module)
    assert copy != module and print_module(module) == print_module(parse_module(text))


def test_opaque_layers_keep_what_they_were() -> None:
    text = (
        "ir 1\nnet @main(%x: f32[2]) -> (%y: f32[3]) {\n"
        '  %y, %z = plugin_op(%x, %x) {size = 3, mode = "a b"} : f32[3], i32[]'
        ' via gpu/f32/custom !1.50us loc "m":"n"\n}\n'
    )
    module = parse_module(text, allow_unknown=True)
    assert isinstance(module.main.body.first, OpaqueLayer)
    assert print_module(module) == text
    assert print_module(module.clone()) == text


def test_layer_names_have_one_owner() -> None:
    import attrs

    with pytest.raises(
        PluginError, match=r"'relu' is registered by both plait\.ir\.layers\.activations:Relu \(built in\) and .*Mine"
    ):

        @layer("relu")
        @attrs.define(eq=False)
        class Mine(Layer):
            """Another relu."""

            declares_types = True

    with pytest.raises(TypeError, match="a repeated operand must be the last one"):

        @layer("both")
        @attrs.define(eq=False)
        class Both(Layer):
            """Two kinds of operands."""

            declares_types = True
            x: Value | None = None
            xs: tuple[Value, ...] = ()

    assert layer_class("both") is None and known_layers()["relu"].cls is Relu
    assert all(spec.summary for spec in known_layers().values())


def test_a_removed_region_that_changes_counts_no_uses_until_it_is_back() -> None:
    module = parse_module(
        "ir 1\nnet @main(%c: bool[], %x: f32[4]) -> (%y: f32[4]) {\n  %y = if(%c)\n"
        "    then () -> (%x: f32[4]) {\n    }\n    else () -> (%a: f32[4]) {\n      %a = relu(%x)\n    }\n}\n"
    )
    body, (c, x) = module.main.body, module.main.arguments
    module.main.set_outputs([])
    (branch,) = body
    body.remove(branch)
    inner = branch.regions()[1]
    added = inner.append(Tanh(x), ["b"])
    inner.set_operand(added, "x", x)
    assert not x.users
    body.append(branch)
    assert x.use_count == 3 and x.users[added] == 1 and c.users == {branch: 1}
    module.main.set_outputs(branch.results, ["y"])
    verify(module)
