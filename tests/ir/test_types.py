"""Types, layouts, formats, activations and attribute values."""

from __future__ import annotations

import math

import attrs
import numpy as np
import pytest

from plait.ir.activation import KINDS, RELU6, Activation, activation
from plait.ir.attributes import Call, attribute_text, boolean, dtype, integer, ints, number, pads, pair
from plait.ir.diagnostics import ShapeError
from plait.ir.dims import symbol
from plait.ir.dtypes import ConstantName, Quantized, element_type
from plait.ir.layout import ANY_SPLIT, NCHW, NHWC, ROW_MAJOR, SPLITS, Format, blocked, default_layout, layout_named
from plait.ir.text import parse_module
from plait.ir.types import DType, OptionalType, SequenceType, TensorType


def test_layout_defaults_by_rank() -> None:
    assert TensorType(DType.F32, (1, 2, 3, 4)).layout == NCHW
    assert TensorType(DType.F32, (1, 2)).layout == ROW_MAJOR
    assert default_layout(4) is NCHW and default_layout(3) is ROW_MAJOR


@pytest.mark.parametrize(
    ("layout", "storage"),
    [("nchw", (2, 20, 5, 7)), ("nhwc", (2, 5, 7, 20)), ("nchw16c", (2, 2, 5, 7, 16)), ("nchw8c", (2, 3, 5, 7, 8))],
)
def test_storage_shape_and_bytes(layout: str, storage: tuple[int, ...]) -> None:
    type = TensorType(DType.F32, (2, 20, 5, 7), layout_named(layout))
    assert type.storage_shape == storage
    assert type.nbytes == 4 * math.prod(storage)
    assert type.elements == 2 * 20 * 5 * 7
    assert str(type) == f"f32[2x20x5x7] {layout}"


def test_layouts_are_equal_by_name() -> None:
    assert blocked(16) == layout_named("nchw16c") != blocked(8)
    assert (NHWC.rank, ROW_MAJOR.rank, blocked(4).rank) == (4, None, 4)
    with pytest.raises(ValueError, match=r"unknown layout 'nchw0c' \(known: nchw, nhwc"):
        layout_named("nchw0c")


def test_formats_say_device_dtype_and_layout() -> None:
    type = TensorType(DType.F16, (1, 2, 3, 4), NHWC, "gpu0")
    assert str(type.format) == "gpu0/f16/nhwc"
    assert str(type) == "f16[1x2x3x4] nhwc on gpu0"
    other = type.with_format(Format("f32", "nchw16c"))
    assert str(other) == "f32[1x2x3x4] nchw16c"
    assert not type.same_logical(other) and type.same_logical(TensorType(DType.F16, (1, 2, 3, 4)))


@pytest.mark.parametrize("split", SPLITS)
def test_a_split_says_who_holds_what(split: str) -> None:
    whole = TensorType(DType.F32, (1, 2, 3, 4), NHWC, "gpu")
    type = attrs.evolve(whole, split=split)
    assert str(type) == f"f32[1x2x3x4] nhwc split {split} on gpu"
    assert str(type.format) == f"gpu/f32/nhwc/{split}" and type.format.whole == whole.format == whole.format.whole
    assert whole.with_format(type.format) == type and type.with_format(whole.format) == whole
    assert whole.with_format(attrs.evolve(whole.format, split=ANY_SPLIT)) == whole
    assert type.same_logical(whole) and type != whole and type.nbytes == whole.nbytes
    assert whole.placed_like(type) == type
    assert TensorType(DType.F32, (4,)).placed_like(type).split == ""


def test_only_images_are_split() -> None:
    with pytest.raises(ShapeError, match="only images are split by rows, not 2 dimensions"):
        TensorType(DType.F32, (2, 3), split="rows")
    with pytest.raises(ShapeError, match="unknown split 'row'; did you mean rows"):
        TensorType(DType.F32, (1, 2, 3, 4), split="row")


def test_symbolic_types() -> None:
    type = TensorType(DType.F32, (symbol("N"), 3, symbol("H") * 2))
    assert not type.is_static and type.symbols() == {"N", "H"}
    assert type.substitute({"N": 1, "H": 4}).static_shape == (1, 3, 8)
    with pytest.raises(ValueError, match="symbolic"):
        _ = type.static_shape


@pytest.mark.parametrize("type", list(DType))
def test_dtypes_have_a_numpy_counterpart(type: DType) -> None:
    assert type.size == type.numpy.itemsize and type.bits <= 8 * type.size
    assert DType.of(type.numpy) is type and type.storage is type
    assert str(type) == type.value and element_type(type.value) is type
    kinds = [type.is_float, type.is_integer, type.is_complex, type in (DType.BOOL, DType.STRING)]
    assert kinds.count(True) == 1 and type.is_inexact == (type.is_float or type.is_complex)
    if type.is_float and type.is_signed:
        assert type.numpy.type(-1.0) == -1.0


def test_integer_ranges() -> None:
    assert DType.I4.integer_range == (-8, 7) and DType.U2.integer_range == (0, 3)
    assert DType.U64.integer_range == (0, 2**64 - 1)
    with pytest.raises(ValueError, match="f32 is not an integer type"):
        _ = DType.F32.integer_range


def test_numpy_dtypes_without_counterpart() -> None:
    for wrong in (np.dtype("M8[s]"), np.dtype(">f4"), np.dtype([("a", "f4")]), np.dtype("S3")):
        with pytest.raises(ValueError, match="has no counterpart"):
            DType.of(wrong)
    assert DType.of(np.array(["a"]).dtype) is DType.STRING


@pytest.mark.parametrize(
    "text",
    [
        "q8<0.0235:-12>",
        "qu8<0.5>",
        "q8<[0.1, 0.2]:[0, 3] axis 0>",
        "q8<[0.1, 0.2]:3 axis 1>",
        "q8<@w.scale:@w.zero axis 0>",
        "q8<@w.scale>",
        "q4<@w.scale axis 0 block 32>",
        'qu2<@"a > b" axis 0>',
        "q32<1e-10>",
    ],
)
def test_text_of_quantized_types(text: str) -> None:
    found = element_type(text)
    assert isinstance(found, Quantized)
    assert found.value == str(found) == text and element_type(found.value) == found
    assert found.numpy == found.storage.numpy and (found.size, found.bits) == (found.storage.size, found.storage.bits)
    assert not (found.is_float or found.is_integer or found.is_complex or found.is_inexact)
    assert found != found.storage and found.is_signed == (text[1] != "u")


def test_quantized_types_of_other_spellings() -> None:
    assert str(element_type("q8 < 1 : 0 >")) == "q8<1.0>"
    assert element_type("q8<[1,2]:[0,0] axis 0>") == Quantized(DType.I8, (1.0, 2.0), axis=0)
    named = Quantized(DType.U8, ConstantName("s"), ConstantName("z"), 1)
    assert named.constant_names() == ("s", "z") and str(named.renamed({"s": "t"})) == "qu8<@t:@z axis 1>"
    assert element_type("q8<0.5>") is element_type("q8<0.5>")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("f31", "unknown dtype 'f31'; did you mean f32 or"),
        ("zzz", r"unknown dtype 'zzz' \(known: f64, f32"),
        ("q8", "needs its scale: q8<0.5>"),
        ("q9<1>", r"unknown quantized type 'q9' \(known: q8"),
        ("q8<>", "malformed quantized type q8<>"),
        ("q8<x>", "malformed"),
        ("q8<0>", "a scale must be positive and finite, got 0.0"),
        ("q8<-1>", "positive"),
        ("q8<inf>", "finite"),
        ("q8<nan>", "finite"),
        ("q8<1:200>", "zero point 200 is outside -128 to 127"),
        ("qu8<1:-1>", "outside 0 to 255"),
        ("q8<1:0.5>", "wants an integer, got '0.5'"),
        ("q8<[a] axis 0>", "wants a number, got 'a'"),
        ("q8<[1,] axis 0>", "wants a number, got ''"),
        ("q8<[1]>", "need an axis"),
        ("q8<[@a, 1.0] axis 0>", "wants numbers in a list, or the name of one constant"),
        ("q8<[1.0]:[@a] axis 0>", "wants numbers in a list, or the name of one constant"),
        ("q8<@s:[1, 2]>", "need an axis"),
        ("q8<1 axis 0>", "has no axis"),
        ("q8<[] axis 0>", "there is no scale"),
        ("q8<[1, 2]:[1] axis 0>", "2 scales but 1 zero points"),
        ("q8<[1, 2] axis 0 block 3>", "scales of blocks must be a constant"),
        ("q8<@s block 3>", "blocks need an axis"),
        ("q8<@s axis 0 block 0>", "at least 1 element"),
    ],
)
def test_wrong_element_types(text: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        element_type(text)


def test_quantized_types_must_fit_the_shape() -> None:
    dtype = element_type("q8<[0.1, 0.2] axis 1>")
    assert str(TensorType(dtype, (3, 2))) == "q8<[0.1, 0.2] axis 1>[3x2]"
    assert TensorType(dtype, (3, symbol("N"))).dtype == dtype and TensorType(dtype, (3, 2)).nbytes == 6
    with pytest.raises(ShapeError, match=r"axis 1 of .* is out of range for 1 dimension"):
        TensorType(dtype, (2,))
    with pytest.raises(ShapeError, match="has 2 scales but dimension 1 is 3"):
        TensorType(dtype, (2, 3))
    with pytest.raises(ShapeError, match="has 2 zero points but dimension 0 is 3"):
        TensorType(element_type("q8<@s:[1, 2] axis 0>"), (3,))
    named = TensorType(element_type("q8<@s:@z axis 0>"), (3,))
    assert named.constant_names() == SequenceType(named).constant_names() == ("s", "z")
    assert OptionalType(named).constant_names() == ("s", "z") and TensorType(DType.F32, ()).constant_names() == ()
    assert named.is_plain is False and TensorType(DType.F32, ()).is_plain


def test_sequences_and_optional_types() -> None:
    tensor = TensorType(DType.F32, (symbol("N"), symbol("_"), 4))
    several, maybe = SequenceType(tensor), OptionalType(SequenceType(tensor))
    assert (str(several), str(maybe)) == ("seq<f32[Nx_x4]>", "optional<seq<f32[Nx_x4]>>")
    assert several.symbols() == maybe.symbols() == {"N"} and not several.is_static
    assert str(maybe.substitute({"N": 2})) == "optional<seq<f32[2x_x4]>>" and not several.substitute({"N": 2}).is_static
    assert not several.is_plain and several.placed_like(tensor) is several
    on_gpu = SequenceType(attrs.evolve(tensor, device="gpu"))
    assert on_gpu != several and on_gpu.same_logical(several) and OptionalType(on_gpu).same_logical(maybe)
    assert not several.same_logical(maybe) and not tensor.same_logical(several) and not maybe.same_logical(several)


@pytest.mark.parametrize(
    "name",
    ["dtype", "shape", "layout", "device", "rank", "format", "static_shape", "elements", "storage_shape", "nbytes"],
)
def test_what_only_tensors_have(name: str) -> None:
    for type in (SequenceType(TensorType(DType.F32, (2,))), OptionalType(TensorType(DType.F32, (2,)))):
        with pytest.raises(ShapeError, match=r"wants a tensor, got (seq|optional)<f32\[2\]>"):
            getattr(type, name)


def test_quantized_types_are_checked_when_made() -> None:
    with pytest.raises(ValueError, match=r"cannot be stored as f32 \(known: q8"):
        Quantized(DType.F32, 1.0)
    with pytest.raises(ValueError, match="counts from the front"):
        Quantized(DType.I8, (1.0, 2.0), axis=-1)


@pytest.mark.parametrize("kind", list(KINDS))
def test_activations_keep_dtype_and_shape(kind: str) -> None:
    act = Activation(kind, (0.25, 0.5)[: KINDS[kind][0]])
    x = np.linspace(-8, 8, 33, dtype=np.float32).reshape(3, 11)
    y = act(x)
    assert y.dtype == x.dtype and y.shape == x.shape and np.isfinite(y).all()
    assert activation(Call(kind, act.params) if act.params else kind) == act
    assert bool(act) == (kind != "none")


def test_activation_values() -> None:
    x = np.array([-4, -1, 0, 1, 4], np.float64)
    np.testing.assert_allclose(Activation("hard_swish")(x), [0, -1 / 3, 0, 2 / 3, 4])
    assert RELU6(2 * x).tolist() == [0, 0, 0, 2, 6] and str(RELU6) == "relu6"
    np.testing.assert_allclose(Activation("gelu")(x), [-1.2668e-04, -1.5866e-01, 0, 8.4134e-01, 3.99987], rtol=1e-4)
    assert str(Activation("clip", (0.0, 1.0))) == "clip(0.0, 1.0)"


def test_wrong_activations() -> None:
    with pytest.raises(ValueError, match="unknown activation 'swosh'"):
        activation("swosh")
    with pytest.raises(ValueError, match="clip takes 2 parameters, got 1"):
        Activation("clip", (1.0,))
    with pytest.raises(TypeError, match="wants an activation"):
        activation(3)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (1, "1"),
        (True, "true"),
        (0.5, "0.5"),
        (1e-5, "1e-05"),
        (2.0, "2.0"),
        (math.inf, "inf"),
        (-math.inf, "-inf"),
        ("mean", "mean"),
        ("true", '"true"'),
        ("a b", '"a b"'),
        ((1, (2.5, "x")), "[1, [2.5, x]]"),
        (DType.F16, "f16"),
        (Call("clip", (0, 6)), "clip(0, 6)"),
        (RELU6, "relu6"),
    ],
)
def test_attribute_text(value: object, text: str) -> None:
    assert attribute_text(value) == text


def test_values_without_text() -> None:
    with pytest.raises(TypeError, match="set is not an attribute value"):
        attribute_text({1})


def test_converters() -> None:
    assert pair(2) == (2, 2) and pair([1, 2]) == (1, 2)
    assert pads(1) == (1, 1, 1, 1) and pads([1, 2]) == (1, 2, 1, 2) and pads([1, 2, 3, 4]) == (1, 2, 3, 4)
    assert (
        ints([1, np.int64(2)]) == (1, 2)
        and integer(3) == 3
        and number(3) == 3.0
        and boolean(True)
        and dtype("f32") is DType.F32
    )
    for converter, wrong in [
        (pair, [1]),
        (pads, [1, 2, 3]),
        (ints, [1.5]),
        (integer, True),
        (number, "1"),
        (boolean, 1),
        (dtype, "f31"),
    ]:
        with pytest.raises((TypeError, ValueError)):
            converter(wrong)  # type: ignore[operator]


def test_constants_that_types_name_are_kept() -> None:
    text = (
        "ir 1\nconst @s : f32[] = 0.5\nconst @t : f32[] = 0.5\n"
        "net @main(%x: seq<q8<@s>[2]>) -> (%x: seq<q8<@s>[2]>) {\n}\n"
    )
    module = parse_module(text)
    assert module.drop_unused_constants() == 1 and list(module.constants) == ["s"]
