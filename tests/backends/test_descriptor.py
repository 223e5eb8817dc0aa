"""Paths and patterns of routines."""

from __future__ import annotations

import itertools

import pytest

from plait.backends.descriptor import LayerSet, RoutinePath, RoutinePattern, allowed
from plait.backends.errors import DescriptorError
from plait.backends.routine import known_routines

DIRECT = RoutinePath("cpu", "f32", "nchw16c", "direct", "tile=0x2")
GEMM = RoutinePath("cpu", "f32", "nhwc", "gemm")
NAIVE = RoutinePath("cpu", "f32", "nchw", "naive")
REFERENCE = RoutinePath("cpu", "any", "nchw", "reference")
MATMUL = RoutinePath("cpu", "f32", "row", "gemm")
ALL = (DIRECT, GEMM, NAIVE, REFERENCE, MATMUL)


def error(text: str) -> DescriptorError:
    with pytest.raises(DescriptorError) as caught:
        RoutinePattern.parse(text)
    return caught.value


# --- paths ---


@pytest.mark.parametrize("path", ALL)
def test_paths_read_back(path: RoutinePath) -> None:
    assert RoutinePath.parse(str(path)) == path


def test_base_has_no_variant() -> None:
    assert (str(DIRECT), DIRECT.base) == ("cpu/f32/nchw16c/direct[tile=0x2]", "cpu/f32/nchw16c/direct")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "cpu",
        "cpu/f32/nchw",
        "cpu/f32/nchw/",
        "cpu//nchw/gemm",
        "cpu/f32/nchw/gemm/x",
        "cpu/f32/nchw/gemm[a",
        "cpu/f32/nchw/gemm[a]b",
        "cpu/f32/nchw/gemm[a]\n",
    ],
)
def test_malformed_paths(text: str) -> None:
    with pytest.raises(DescriptorError, match=r"error\[P404\]: a routine path is device/dtype/layout/algorithm"):
        RoutinePath.parse(text)


# --- what patterns match ---


@pytest.mark.parametrize(
    "text, matched",
    [
        ("cpu", ALL),
        ("*", ALL),
        ("opencl", ()),
        ("cpu/f32", (DIRECT, GEMM, NAIVE, MATMUL)),
        ("cpu:any", (REFERENCE,)),
        ("*:*/nchw", (NAIVE, REFERENCE, MATMUL)),
        # Matrices have no layout to choose, so no layout excludes them.
        ("cpu/f32/nchw16c", (DIRECT, MATMUL)),
        ("cpu:nchw16c", (DIRECT, MATMUL)),
        ("cpu:nchw*c", (DIRECT, MATMUL)),
        ("cpu:row", (MATMUL,)),
        ("cpu/gemm", (GEMM, MATMUL)),
        ("*/naive", (NAIVE,)),
        ("cpu/*/*/direct", (DIRECT,)),
        ("cpu/g*", (GEMM, MATMUL)),
        ("cpu/f32/nchw16c/direct[tile=0x2]", (DIRECT,)),
        ("cpu/f32/nchw16c/direct[tile=0x1]", ()),
        ("cpu/direct[tile=*]", (DIRECT,)),
        ("cpu/direct/tile=0x2", (DIRECT,)),
        ("cpu/f16", ()),
    ],
)
def test_patterns(text: str, matched: tuple[RoutinePath, ...]) -> None:
    pattern = RoutinePattern.parse(text)
    assert tuple(path for path in ALL if pattern.matches(path)) == matched


@pytest.mark.parametrize(
    "text, matched",
    [
        # The forms of SoftNeuro's manual.
        ("cpu:chf/naive", (NAIVE,)),
        ("cpu:float32:chl", (GEMM, MATMUL)),
        ("cpu:chl", (GEMM, MATMUL)),
        ("cpu/fast", (DIRECT, GEMM, MATMUL)),
        ("cpu/faster", (DIRECT, GEMM, MATMUL)),
        ("cpu/faster/wg3x3_nxn", ()),
        ("cpu/faster/direct", (DIRECT,)),
        ("cpu:float32/fast/gemm", (GEMM, MATMUL)),
        ("cpu/fast/direct/tile=0x2", (DIRECT,)),
        ("opencl:float16", ()),
        ("cpu:qint8/*", ()),
        ("cpu:float32:chf/naive", (NAIVE,)),
    ],
)
def test_softneuro_forms(text: str, matched: tuple[RoutinePath, ...]) -> None:
    pattern = RoutinePattern.parse(text)
    assert tuple(path for path in ALL if pattern.matches(path)) == matched


def test_aux_is_the_algorithm() -> None:
    pattern = RoutinePattern.parse("cpu/faster/wg3x3_nxn")
    assert pattern.algorithm == "wg3x3_nxn"
    assert pattern.matches(RoutinePath("cpu", "f32", "nhwc", "wg3x3_nxn"))


@pytest.mark.parametrize(
    "alias, word",
    [
        ("float32", "f32"),
        ("float16", "f16"),
        ("bfloat16", "bf16"),
        ("float64", "f64"),
        ("int64", "i64"),
        ("int32", "i32"),
        ("qint8", "q8"),
    ],
)
def test_aliases_of_dtypes(alias: str, word: str) -> None:
    assert RoutinePattern.parse(f"cpu:{alias}").dtype == RoutinePattern.parse(f"cpu:{word}").dtype == word


def test_every_routine_is_matched_by_its_own_path_and_by_no_other() -> None:
    paths = list(dict.fromkeys(r.path for r in known_routines()))
    for path, other in itertools.product(paths, paths):
        # A row-major path is matched by patterns for all layouts.
        same = path == other or (
            other.layout == "row"
            and (path.device, path.dtype, path.algorithm) == (other.device, other.dtype, other.algorithm)
        )
        assert RoutinePattern.parse(str(path)).matches(other) == same, (path, other)


# --- layers ---


@pytest.mark.parametrize(
    "text, inside, outside",
    [
        ("cpu", [(0, "a"), (99, "conv_1")], []),
        ("cpu@2", [(2, "a")], [(1, "a"), (3, "2")]),
        ("cpu@2..4", [(2, "a"), (4, "a")], [(1, "a"), (5, "a")]),
        ("cpu@1,24", [(1, "a"), (24, "a")], [(2, "a"), (12, "a")]),
        ("cpu@0..1,7,9..9", [(0, "a"), (1, "a"), (7, "a"), (9, "a")], [(2, "a"), (8, "a"), (10, "a")]),
        ("cpu@conv_1,fc*", [(5, "conv_1"), (6, "fc"), (7, "fc_out")], [(5, "conv_10"), (1, "my_fc")]),
        ("cpu@3,add*", [(3, "x"), (8, "add.1")], [(4, "x")]),
    ],
)
def test_layer_sets(text: str, inside: list[tuple[int, str]], outside: list[tuple[int, str]]) -> None:
    layers = RoutinePattern.parse(text).layers
    assert [layer for layer in inside if layer not in layers] == []
    assert [layer for layer in outside if layer in layers] == []


def test_a_pattern_without_layers_names_all() -> None:
    assert RoutinePattern.parse("cpu").layers == LayerSet()


def test_the_last_pattern_that_names_a_layer_decides() -> None:
    everything, some, one = (RoutinePattern.parse(t) for t in ("cpu", "cpu:nhwc@2..4", "cpu:nchw@conv"))
    assert allowed([everything, some, one], 3, "relu") is some
    assert allowed([everything, some, one], 3, "conv") is one
    assert allowed([one, some, everything], 3, "conv") is everything
    assert allowed([everything, some, one], 9, "relu") is everything
    assert allowed([some], 9, "relu") is None
    assert allowed([], 0, "relu") is None


# --- errors ---


@pytest.mark.parametrize(
    "text, column, width, message",
    [
        ("", 1, 1, "a routine descriptor starts with a device, such as cpu or *"),
        ("@3", 1, 1, "a routine descriptor starts with a device, such as cpu or *"),
        ("cpu:f32:f16", 9, 3, "'f16' is a second dtype"),
        ("cpu/nchw/nhwc", 10, 4, "'nhwc' is a second layout"),
        ("cpu/gemm/a/b", 12, 1, "'b' is a second variant"),
        ("cpu:f$2", 5, 3, "'f$2' is not a field of a routine descriptor"),
        ("c pu", 1, 4, "'c pu' is not a field of a routine descriptor"),
        ("cpu@", 5, 1, "a layer number, range or name is missing"),
        ("cpu@1,,3", 7, 1, "a layer number, range or name is missing"),
        ("cpu@1,", 7, 1, "a layer number, range or name is missing"),
        ("cpu/gemm@1,7..3", 12, 4, "the range 7..3 is empty: it ends before it starts"),
    ],
)
def test_errors_point_at_the_field(text: str, column: int, width: int, message: str) -> None:
    (found,) = error(text).diagnostics
    assert (found.code, found.message) == ("P404", message)
    assert found.span is not None
    assert (found.span.file, found.span.column, found.span.end) == ("--routine", column, column + width)


def test_errors_show_the_text_with_carets() -> None:
    assert (
        str(error("cpu:f32:f16@2")) == "--routine:1:9: error[P404]: 'f16' is a second dtype\ncpu:f32:f16@2\n        ^^^"
    )
