"""Every layer: its shape rule against its reference, its text, its symbolic shapes, and what its shape rule refuses."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from plait.ir import Function, Layer, Module, TensorType, Value, known_layers, layer_class
from plait.ir.attributes import Call
from plait.ir.diagnostics import Location, ShapeError
from plait.ir.dims import Dimension, symbol
from plait.ir.layout import layout_named
from plait.ir.text import parse_attributes, parse_module, print_module
from plait.ir.types import DType

IMAGE = "f32[2x4x7x6]"
# layer -> examples: operand types ("-" for an absent one), attributes.
EXAMPLES: dict[str, list[tuple[str, str]]] = {
    "conv2d": [
        (f"{IMAGE} f32[6x4x3x3]", "{}"),
        (f"{IMAGE} f32[6x2x3x2] f32[6]", "{stride = [2, 1], pad = [1, 0, 2, 1], groups = 2}"),
        (f"{IMAGE} f32[4x1x3x3] - f32[2x4x7x6]", "{pad = 1, groups = 4, act = relu6}"),
        (f"{IMAGE} f32[4x4x2x2] f32[4] f32[2x4x5x4]", "{dilation = 2, act = leaky_relu(0.1)}"),
        ("f16[1x4x5x5] f16[2x4x1x1]", "{stride = 3}"),
        (f"{IMAGE} f32[8x1x3x3]", "{groups = 4}"),
    ],
    "fully_connected": [("f32[3x5] f32[4x5]", "{}"), ("f32[2x3x5] f32[4x5] f32[4]", "{act = hard_swish}")],
    "matmul": [("f32[3x5] f32[5x4]", "{}"), ("f32[2x1x3x5] f32[6x5x4]", "{}"), ("i32[3x5] i32[5x4]", "{}")],
    "batch_norm": [
        (f"{IMAGE} f32[4] f32[4] f32[4] f32[4]", "{epsilon = 0.001}"),
        ("f32[3x5] f32[5] f32[5] f32[5] f32[5]", "{}"),
    ],
    "scale_shift": [(f"{IMAGE} f32[4] f32[4]", "{act = clip(-1, 1)}"), ("f32[3x5x2] f32[5] f32[5]", "{}")],
    "local_response_norm": [(IMAGE, "{size = 3}"), (IMAGE, "{size = 4, alpha = 0.01, beta = 0.5, k = 2}")],
    "softmax": [("f32[3x5]", "{}"), (IMAGE, "{axis = 1}")],
    "layer_norm": [("f32[3x4x5] f32[5] f32[5]", "{}"), ("f32[3x4x5] f32[4x5]", "{axis = 1, epsilon = 0.01}")],
    "max_pool2d": [
        (IMAGE, "{kernel = 2}"),
        (IMAGE, "{kernel = [3, 2], stride = 2, pad = 1, ceil = true}"),
        ("i8[1x2x6x6]", "{kernel = 2, dilation = 3}"),
        (IMAGE, "{kernel = 3, stride = 2, ceil = true}"),
    ],
    "avg_pool2d": [
        (IMAGE, "{kernel = 2, dilation = [3, 2]}"),
        (IMAGE, "{kernel = 2}"),
        (IMAGE, "{kernel = [3, 2], stride = 2, pad = 1, ceil = true}"),
        (IMAGE, "{kernel = 3, stride = 2, pad = [1, 0, 1, 1], count_pad = true}"),
        (IMAGE, "{kernel = 3, stride = 2, pad = 1, ceil = true, count_pad = true}"),
    ],
    "global_avg_pool": [(IMAGE, "{}")],
    "resize": [
        (IMAGE, "{size = [14, 12]}"),
        (IMAGE, "{size = [5, 9], mode = linear, coordinates = align_corners}"),
        (IMAGE, "{size = [3, 3], mode = linear, coordinates = half_pixel_symmetric, scale = [0.5, 0.6]}"),
        ("i8[1x2x6x6]", "{size = 8, coordinates = asymmetric, rounding = floor}"),
    ],
    "separable_conv2d": [
        (f"{IMAGE} f32[4x1x3x3] f32[5x4x1x1]", "{}"),
        (
            f"{IMAGE} f32[4x1x3x2] f32[5x4x1x1] f32[4] f32[5]",
            "{stride = [2, 1], pad = [1, 0, 2, 1], dilation = [1, 2], depthwise_act = relu6}",
        ),
        (f"{IMAGE} f32[4x1x3x3] f32[4x4x1x1] - - f32[2x4x7x6]", "{pad = 1, act = relu}"),
    ],
    "squeeze_excite": [
        (f"{IMAGE} f32[3x4x1x1] f32[4x3x1x1]", "{}"),
        (f"{IMAGE} f32[3x4x1x1] f32[4x3x1x1] f32[3] f32[4]", "{gate = hard_sigmoid(0.2, 0.5), act = relu}"),
        (f"{IMAGE} f32[1x4x1x1] f32[4x1x1x1] - f32[4]", "{reduce_act = silu}"),
    ],
    "reduce": [
        (IMAGE, "{fn = mean}"),
        (IMAGE, "{fn = max, axes = [-1, 1], keep = false}"),
        ("i32[3x4]", "{fn = sum, axes = [0]}"),
        ("f32[2x3]", "{fn = prod, keep = false}"),
        ("f32[2x3]", "{fn = min, axes = [1]}"),
    ],
    "reshape": [
        (IMAGE, "{shape = [0, -1]}"),
        (IMAGE, "{shape = [8, 42]}"),
        ("f32[4]", "{shape = [1, 1, 2, 2]}"),
        ("f32[1]", "{shape = []}"),
    ],
    "transpose": [(IMAGE, "{perm = [0, 2, 3, 1]}"), ("bool[3x4]", "{perm = [1, 0]}"), ("f32[]", "{perm = []}")],
    "concat": [("f32[2x3] f32[2x1] f32[2x4]", "{}"), ("i64[2] i64[3]", "{axis = -1}"), (IMAGE, "{axis = 0}")],
    "split": [
        ("f32[2x7]", "{sizes = [3, 4]}"),
        ("f32[6x2]", "{sizes = [1, 2, 3], axis = -2}"),
        ("f32[2x3]", "{sizes = [3]}"),
    ],
    "slice": [
        ("f32[7x6]", "{axes = [0, -1], starts = [1, -3], stops = [5, 1000]}"),
        ("f32[7x6]", "{axes = [0], starts = [-1], stops = [-1000], steps = [-2]}"),
        ("f32[7x6]", "{axes = [1], starts = [4], stops = [2]}"),
        ("f32[7]", "{axes = [0], starts = [5], stops = [1], steps = [-3]}"),
    ],
    "pad": [
        ("f32[2x3]", "{before = [1, 0], after = [0, 2]}"),
        ("f32[4x5]", "{before = [-1, 2], after = [0, -1], value = 1.5}"),
        ("i8[2]", "{before = [1], after = [1], value = 7}"),
    ],
    "gather": [("f32[5x3] i64[2x2]", "{}"), ("f32[2x5] i32[3]", "{axis = 1}"), ("f32[5] i64[]", "{}")],
    "expand": [("f32[3x1]", "{shape = [2, 1, 4]}"), ("f32[3x4]", "{shape = [1]}"), ("f32[]", "{shape = []}")],
    "shape": [(IMAGE, "{}"), ("f32[]", "{}")],
    "unary": [
        ("f32[3x4]", f"{{fn = {fn}}}")
        for fn in ("exp", "log", "sqrt", "abs", "neg", "floor", "ceil", "reciprocal", "erf")
    ],
    "bitcast": [("u8[2x3]", "{to = i8}"), ("f32[3]", "{to = i32}"), ("i4[5]", "{to = u4}")],
    "lookup": [("u8[2x3] u8[256]", "{}"), ("i8[5] u8[256]", "{to = u8}")],
    "cast": [
        ("f32[3x4]", "{to = i32}"),
        ("i64[3]", "{to = f16}"),
        ("u8[2]", "{to = bool}"),
        ("f32[3]", "{to = f8e5m2, saturate = false}"),
        ("f32[3]", "{to = f8e8m0, rounding = nearest}"),
        ("i4[3]", "{to = bf16, explicit = true}"),
    ],
    "adapt": [(IMAGE, "{}")],
    "clip": [("f32[3x4]", "{low = -1, high = 0.5}"), ("f32[3]", "{low = 0}"), ("f32[3]", "{}")],
    "hard_sigmoid": [("f32[3x4]", "{alpha = 0.5, beta = 0.25}")],
    "leaky_relu": [("f32[3x4]", "{alpha = 0.5}")],
    "elu": [("f32[3x4]", "{alpha = 0.5}")],
    **{
        name: [("f32[3x4]", "{}"), ("f64[2]", "{}")]
        for name in ("relu", "hard_swish", "sigmoid", "silu", "tanh", "gelu")
    },
    **{
        name: [("f32[2x3x4] f32[3x1]", "{}"), ("f32[1x4] f32[3x1]", "{act = relu}"), ("i32[4] i32[4]", "{}")]
        for name in ("add", "sub", "mul", "div", "minimum", "maximum", "pow")
    },
}
CASES = [(name, types, attributes) for name, examples in EXAMPLES.items() for types, attributes in examples]


def type_of(text: str) -> TensorType:
    dtype, _, shape = text.rstrip("]").partition("[")
    return TensorType(DType(dtype), tuple(int(d) for d in shape.split("x") if d))


def make(name: str, values: list[Value | None], attributes: str) -> Layer:
    cls = layer_class(name)
    assert cls is not None
    options = parse_attributes(attributes)
    operands = [tuple(values)] if cls.spec.operands[0].variadic else values
    return cls(*operands, **options)


def values_for(types: str) -> list[Value | None]:
    return [None if t == "-" else Value(f"a{i}", type_of(t)) for i, t in enumerate(types.split())]


def test_every_layer_has_examples() -> None:
    elsewhere = {"if", "loop", "call"}  # test_control.py
    foreign = ("test", "plait.ir.layers.sequence")  # test_sequence.py
    known = {name for name in known_layers() if not layer_class(name).__module__.startswith(foreign)}
    assert set(EXAMPLES) == known - elsewhere


@pytest.mark.parametrize(("name", "types", "attributes"), CASES)
def test_shape_rule_agrees_with_reference(name: str, types: str, attributes: str) -> None:
    rng = np.random.default_rng(0)
    layer = make(name, values_for(types), attributes)
    Function("main").body.append(layer)
    arrays = [
        None if v is None else (rng.uniform(0.1, 3, v.type.static_shape)).astype(v.type.dtype.numpy)
        for v in layer.operand_slots()
    ]
    copies = [None if a is None else a.copy() for a in arrays]
    with np.errstate(all="ignore"):
        found = layer.reference(*arrays)
    for array, result in zip(found if isinstance(found, tuple) else (found,), layer.results, strict=True):
        assert array.shape == result.type.static_shape
        assert array.dtype == result.type.dtype.numpy
    for array, copy in zip(arrays, copies, strict=True):
        assert (array is None and copy is None) or np.array_equal(array, copy), "a reference changed its input"
    assert isinstance(layer.flops(), int) and layer.flops() >= 0
    assert layer.nbytes() == sum(v.type.nbytes for v in (*layer.operands, *layer.results))


@pytest.mark.parametrize(("name", "types", "attributes"), CASES)
def test_symbolic_batch(name: str, types: str, attributes: str) -> None:
    """A symbol in place of a dimension gives the types of the bound layer, wherever the layer takes a symbol at all."""
    values = values_for(types)
    static = make(name, values, attributes).result_types()
    first = next(v for v in values if v is not None)
    if not first.type.rank:
        return
    size = first.type.static_shape[0]
    shape: tuple[Dimension, ...] = (symbol("N"), *first.type.shape[1:])
    others = [
        Value(v.name, TensorType(v.type.dtype, (symbol("N"), *v.type.shape[1:])))
        if v is not None and v.type.shape[:1] == (size,) and v is not first and name in ("concat", "add")
        else v
        for v in values
    ]
    others[values.index(first)] = Value("n", TensorType(first.type.dtype, shape))
    try:
        types_ = make(name, others, attributes).result_types()
    except ShapeError:
        return
    assert tuple(t.substitute({"N": size}) for t in types_) == static


@pytest.mark.parametrize(
    ("name", "types", "attributes", "message"),
    [
        ("conv2d", "f32[1x3x4x4] f32[2x4x1x1]", "{}", "x has 3 channels but weight"),
        ("conv2d", "f32[1x4x4x4] f32[3x2x1x1]", "{groups = 2}", "3 output channels do not divide into 2 groups"),
        ("conv2d", "f32[1x3x4x4] f32[2x3x5x1]", "{}", "a window of 5 does not fit into 4"),
        ("conv2d", "f32[1x3x4x4] f32[2x3x1x1] f32[3]", "{}", "bias must be"),
        ("conv2d", "f32[1x3x4x4] f32[2x3x1x1] - f32[1x2x4x3]", "{}", "residual must be"),
        ("conv2d", "f32[1x3x4x4] f32[2x3x1x1]", "{stride = 0}", "must be positive"),
        ("conv2d", "f32[3x4x4] f32[2x3x1x1]", "{}", "x must have 4 dimensions"),
        ("fully_connected", "f32[3x5] f32[4x6]", "{}", "x has 5 features but weight takes 6"),
        ("fully_connected", "f32[5] f32[4x5]", "{}", "x must have at least 2 dimensions"),
        ("matmul", "f32[3x5] f32[4x6]", "{}", "inner dimensions 5 and 4 differ"),
        ("matmul", "f32[5] f32[5]", "{}", "at least 2 dimensions"),
        ("add", "f32[3] f32[4]", "{}", "do not broadcast"),
        ("add", "f32[3] i32[3]", "{}", "dtypes f32 and i32"),
        ("relu", "bool[3]", "{}", "x must hold numbers, got bool\\[3\\]"),
        ("mul", "string[3] string[3]", "{}", "a must hold numbers"),
        ("softmax", "i32[3]", "{}", "x must hold floating-point numbers"),
        ("conv2d", "f32[1x3x4x4] f16[2x3x1x1]", "{}", "dtypes f32 and f16"),
        ("reduce", "bool[3]", "{fn = sum}", "x must hold numbers"),
        ("batch_norm", "f32[1x3] f32[3] f32[3] f32[2] f32[3]", "{}", "mean must be"),
        ("scale_shift", "f32[1x3] f32[3] f32[2]", "{}", "scale and shift must be"),
        ("max_pool2d", "f32[1x3x4x4]", "{kernel = 0}", "must be positive"),
        ("max_pool2d", "f32[1x3x4x4]", "{kernel = 5}", "does not fit"),
        ("resize", "f32[1x3x4x4]", "{size = 0}", "must be positive"),
        ("resize", "f32[1x3x4x4]", "{size = 8, scale = [2, 0]}", "must be positive"),
        ("resize", "f32[1x3x4x4]", "{size = 8, mode = cubic}", "mode"),
        ("resize", "f32[1x3x4x4]", "{size = 8, coordinates = nowhere}", "coordinates"),
        ("resize", "f32[3x4x4]", "{size = 8}", "4 dimensions"),
        ("reshape", "f32[6]", "{shape = [4]}", "cannot be reshaped"),
        ("reshape", "f32[6]", "{shape = [-1, -1]}", "one -1"),
        ("reshape", "f32[6]", "{shape = [-1, 4]}", "cannot be reshaped"),
        ("reshape", "f32[6]", "{shape = [6, 0]}", "copies a dimension"),
        ("transpose", "f32[2x3]", "{perm = [0, 0]}", "not a permutation"),
        ("concat", "f32[2x3] f32[3x3]", "{}", "does not fit"),
        ("concat", "", "{}", "at least one"),
        ("split", "f32[2x3]", "{sizes = [1, 1]}", "do not add up to 3"),
        ("slice", "f32[3]", "{axes = [0], starts = [0], stops = [1], steps = [0]}", "a step is 0"),
        ("slice", "f32[3]", "{axes = [0], starts = [], stops = [1]}", "equal lengths"),
        ("slice", "f32[3]", "{axes = [1], starts = [0], stops = [1]}", "out of range"),
        ("pad", "f32[3]", "{before = [1, 1], after = [1]}", "need 1 entries"),
        ("gather", "f32[3] f32[1]", "{}", "i64 or i32"),
        ("softmax", "f32[3]", "{axis = 1}", "axis 1 is out of range"),
        ("local_response_norm", "f32[1x3x2x2]", "{size = 0}", "must be positive"),
    ],
)
def test_refused_shapes(name: str, types: str, attributes: str, message: str) -> None:
    with pytest.raises(ShapeError, match=message):
        make(name, values_for(types), attributes).result_types()


NAMES = st.sampled_from(["a", "conv1.w", "x-1", "$0", "0", "with space", 'quo"te', "ünï", "back\\slash", "v"])
LOCATIONS = st.lists(st.builds(Location, st.sampled_from(["m.onnx", "a b.tf"]), NAMES), max_size=2, unique=True).map(
    tuple
)
VIAS = st.sampled_from([None, "cpu/f32/nchw/direct", "cpu/f32/nchw16c/winograd_f4[tile=14x2]"])


@st.composite
def modules(draw: st.DrawFn) -> Module:
    """Nets of any layers; operands are shared where types allow, else new arguments."""
    function = Function(draw(st.sampled_from(["main", "preprocess"])))
    module = Module([function])
    values: list[Value] = []
    for name, types, attributes in draw(st.lists(st.sampled_from(CASES), max_size=6)):
        operands: list[Value | None] = []
        for text in types.split():
            if text == "-":
                operands.append(None)
                continue
            type = type_of(text)
            same = [v for v in values if v.type == type]
            match draw(st.sampled_from(["old", "argument", "constant"])):
                case "old" if same:
                    operands.append(draw(st.sampled_from(same)))
                case "constant" if type.elements <= 16:
                    data = np.arange(type.elements).reshape(type.static_shape).astype(type.dtype.numpy)
                    operands.append(module.add_constant(draw(NAMES), data))
                case _:
                    operands.append(Value(draw(NAMES), type))
                    function.arguments.append(operands[-1])  # type: ignore[arg-type]
        layer = make(name, operands, attributes)
        layer.via, layer.locations = draw(VIAS), draw(LOCATIONS)
        layer.cost_us = draw(st.sampled_from([None, 0.25, 1234.5]))
        function.body.append(layer, [draw(NAMES)])
        if name != "adapt" and draw(st.booleans()):
            for result in layer.results:
                if result.type.rank == 4:
                    result.type = TensorType(
                        result.type.dtype,
                        result.type.shape,
                        layout_named(draw(st.sampled_from(["nchw", "nhwc", "nchw8c"]))),
                    )
        values += [*layer.results, *(v for v in operands if v is not None and v.type.rank)]
    outputs = draw(st.lists(st.sampled_from(values), max_size=3)) if values else []
    function.set_outputs(outputs, [draw(NAMES) for _ in outputs])
    return module


@settings(max_examples=150, deadline=None, derandomize=True)
@given(modules())
def test_text_reads_back(module: Module) -> None:
    text = print_module(module)
    again = parse_module(text)
    assert print_module(again) == text
    assert again == module
    assert module.clone() == module


def test_examples_cover_every_attribute() -> None:
    for name, examples in EXAMPLES.items():
        cls = layer_class(name)
        assert cls is not None
        given_ = {option for _, attributes in examples for option in parse_attributes(attributes)}
        missing = {a.name for a in cls.spec.attributes} - given_
        # What `to` and `rounding` do is told by test_quantized_layers.
        assert not missing - {"act", "to", "rounding"}, f"{name}: no example sets {missing}"


def test_calls_as_attributes() -> None:
    assert parse_attributes("{act = clip(0, 6)}") == {"act": Call("clip", (0, 6))}
