"""Random modules: valid, determined by the seed, with everything that the language has; and those that run."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings

from plait.backends.reference import evaluate
from plait.ir import known_layers
from plait.ir.attributes import Call, SymbolRef, attribute_text
from plait.ir.dims import Dim
from plait.ir.dtypes import ConstantName, DType, Quantized
from plait.ir.layer import OpaqueLayer
from plait.ir.module import Module
from plait.ir.text import print_module
from plait.ir.types import OptionalType, SequenceType, TensorType
from plait.ir.values import Constant, Value
from plait.ir.verify import verify
from plait.testing import assert_equivalent, random_inputs
from plait.testing import strategies as ir
from plait.testing.generation.recipes import RECIPES
from plait.testing.random_modules import COMPUTABLE, random_module


@pytest.fixture(scope="module")
def modules() -> list[Module]:
    return [random_module(seed) for seed in range(650)]


def test_every_layer_has_a_recipe() -> None:
    assert set(RECIPES) == set(known_layers())


def test_they_are_valid(modules: list[Module]) -> None:
    for module in modules:
        verify(module, allow_unknown=True)


def test_a_seed_determines_the_module(modules: list[Module]) -> None:
    texts = [print_module(m) for m in modules[:50]]
    assert texts == [print_module(random_module(seed)) for seed in range(50)]
    assert len(set(texts)) == 50


def test_they_hold_every_kind_of_layer_with_every_attribute(modules: list[Module]) -> None:
    layers = [layer for m in modules for layer in m.walk()]
    assert {layer.op for layer in layers if not isinstance(layer, OpaqueLayer)} == set(known_layers())
    stated = {(layer.op, name) for layer in layers for name in layer.attributes()}
    wanted = {(kind, a.name) for kind, spec in known_layers().items() for a in spec.attributes}
    assert wanted == stated & wanted
    absent = {(layer.op, o.name) for layer in layers for o in layer.spec.operands if getattr(layer, o.name) is None}
    assert absent == {(kind, o.name) for kind, spec in known_layers().items() for o in spec.operands if o.optional}


def all_values(module: Module) -> list[Value]:
    regions = [r for f in module.functions.values() for r in f.body.nest()]
    return [v for r in regions for v in (*r.arguments, *(v for layer in r for v in layer.results))]


def test_they_hold_every_type(modules: list[Module]) -> None:
    found = [v.type for m in modules for v in all_values(m)]
    types = [t for t in found if isinstance(t, TensorType)]
    assert {t.dtype for t in types if isinstance(t.dtype, DType)} == set(DType)
    constants = [c.type.dtype for m in modules for c in m.constants.values()]
    assert {d for d in constants if isinstance(d, DType)} == set(DType)
    assert {t.rank for t in types} >= set(range(5)) and {t.device for t in types} >= {"cpu", "gpu"}
    assert {t.layout.name for t in types} >= {"", "nchw", "nhwc", "nchw16c", "nchw8c"}
    assert any(t.layout.name.startswith("<") and "%" in t.layout.name for t in types)
    dims = [str(d) for t in types for d in t.shape if not isinstance(d, int)]
    assert all(any(sign in text for text in dims) for sign in "+-*/%")
    assert any(isinstance(t, SequenceType) for t in found) and any(isinstance(t, OptionalType) for t in found)


def test_they_hold_every_sort_of_quantized_type(modules: list[Module]) -> None:
    quantized = {v.type.dtype for m in modules for v in all_values(m) if isinstance(v.type, TensorType)}
    found = [d for d in quantized if isinstance(d, Quantized)]
    assert {d.storage.value for d in found} == {"i8", "u8", "i4", "u4", "i16", "i32", "u16", "i2", "u2"}
    assert any(d.axis is None and d.zero for d in found) and any(d.block for d in found)
    assert any(isinstance(d.scale, tuple) and isinstance(d.zero, tuple) for d in found)
    assert any(isinstance(d.scale, ConstantName) and isinstance(d.zero, ConstantName) for d in found)


def test_they_hold_annotations_names_and_constants_of_all_sorts(modules: list[Module]) -> None:
    functions = [f for m in modules for f in m.functions.values()]
    layers = [layer for f in functions for layer in f.walk()]
    assert any(layer.via and layer.cost_us is None for layer in layers)
    assert any(layer.cost_us is not None for layer in layers) and any(len(x.locations) > 1 for x in layers)
    assert any("\n" in x.comment for x in layers) and any(f.comment for f in functions)
    names = {v.name for m in modules for v in all_values(m)}
    assert {"%x", "line\nbreak", "層", 'say "hi"', "\u2028", "7"} <= names
    counts = [c.type.elements for m in modules for c in m.constants.values()]
    assert min(counts) <= 1 and max(counts) > 16
    assert any(f.name != "main" for f in functions)
    assert any(isinstance(v, Constant) for f in functions for v in f.outputs)
    assert any(len(f.outputs) > len(set(f.outputs)) for f in functions)


def test_they_hold_regions_of_all_sorts(modules: list[Module]) -> None:
    layers = [layer for m in modules for layer in m.walk()]
    nested = [r for layer in layers for r in layer.regions()]
    assert any(r.parent and r.parent.parent for r in nested) and any(not len(r) for r in nested)
    assert any(isinstance(x, OpaqueLayer) and len(x.bodies) > 1 for x in layers)
    assert any(isinstance(x, OpaqueLayer) and "x" in x.fields for x in layers)
    assert any(v.owner and v.owner.region is r.parent for r in nested for x in r for v in x.operands)


def test_they_hold_nested_attributes(modules: list[Module]) -> None:
    opaque = [x for m in modules for x in m.walk() if isinstance(x, OpaqueLayer)]
    values = [v for layer in opaque for v in layer.values.values()]
    for kind in (bool, int, float, str, tuple, Call, dict, DType, SymbolRef, TensorType, Dim):
        assert any(type(v) is kind for v in values), kind
    assert any(isinstance(inner, (tuple, Call)) for v in values if isinstance(v, tuple) for inner in v)


def test_computable_modules_run_on_small_numbers() -> None:
    kinds = set()
    for seed in range(150):
        module = random_module(seed, style=COMPUTABLE)
        verify(module)
        assert_equivalent(module, module.clone())
        kinds |= {layer.op for layer in module.walk()}
        if not module.main.symbols():
            results = evaluate(module, random_inputs(module)).values()
            outputs = [a for a in results if isinstance(a, np.ndarray)]
            assert all(np.isfinite(a).all() and np.abs(a.astype(np.float64)).max() < 1e3 for a in outputs)
    assert kinds == {r.kind for r in RECIPES.values() if r.computable}


@settings(max_examples=50, deadline=None, derandomize=True, database=None)
@given(ir.modules(COMPUTABLE))
def test_strategy_of_computable_modules(module: Module) -> None:
    verify(module)
    random_inputs(module)


@settings(max_examples=100, deadline=None, derandomize=True, database=None)
@given(ir.dtypes(), ir.types(), ir.attributes(), ir.names(), ir.layouts(), ir.dims())
def test_strategies_of_pieces(dtype, type, attribute, name, layout, dim) -> None:
    assert isinstance(dtype, (DType, Quantized)) and isinstance(type, TensorType) and isinstance(name, str)
    assert attribute_text(attribute) and (layout is None or layout.rank == 4)
    assert isinstance(dim, int) or dim.symbols()
