"""A random layer on all routines on bytes that take it, compared with the layer's own meaning, bit for bit."""

from __future__ import annotations

import collections
from collections.abc import Iterable, Sequence
from typing import Any

import attrs
import numpy as np
from routine_cases.case import Case
from routine_cases.quantized import format_as
from routine_cases.running import alone, run_poisoned, ways
from routine_cases.storage import from_storage, to_storage

from plait.backends.program import Program
from plait.backends.routine import REFERENCE, Routine, known_routines
from plait.ir.activation import NONE
from plait.ir.dtypes import Array, DType, Quantized
from plait.ir.quantization import why_not_integer
from plait.ir.region import Region
from plait.ir.registry import layer_class
from plait.ir.types import TensorType
from plait.ir.values import Constant, Value
from plait.tuning.entries import detached_adapt
from random_layers.draw import Draw, Drawn, Recipe
from random_layers.families import FAMILIES

TURN = 128


@attrs.frozen
class Tally:
    """What was run: layers of each family, and runs of each routine of each kind of layer."""

    layers: collections.Counter[str] = attrs.field(factory=collections.Counter)
    runs: collections.Counter[str] = attrs.field(factory=collections.Counter)
    fixed_point: collections.Counter[str] = attrs.field(factory=collections.Counter)
    untaken: collections.Counter[str] = attrs.field(factory=collections.Counter)
    """Layers that no routine takes."""
    failures: list[str] = attrs.field(factory=list)


def sample(count: int) -> list[tuple[str, int]]:
    """So many layers, as families and seeds: of each hundred each family has its share."""
    order = [name for name, (share, _) in FAMILIES.items() for _ in range(share)]
    return [(order[seed * 37 % len(order)], seed) for seed in range(count)]


def check(layers: Iterable[tuple[str, int]]) -> Tally:
    """Runs random layers, by family and seed."""
    tally = Tally()
    for family, seed in layers:
        recipe = FAMILIES[family][1](Draw(np.random.default_rng(seed)))
        taken = _check_recipe(f"{family} {seed}", recipe, tally)
        tally.layers[family] += 1
        tally.untaken[family] += not taken
    return tally


def check_corners(tally: Tally, every: int = 1) -> None:
    """Runs the layers with the largest sums, or one of so many."""
    from random_layers.corners import corners

    for i, (name, recipe) in enumerate(corners()):
        if i % every == 0:
            taken = _check_recipe(name, recipe, tally)
            tally.layers["corners"] += 1
            tally.untaken["corners"] += not taken


def _check_recipe(name: str, recipe: Recipe, tally: Tally) -> int:
    """Adds to what was run; how many routines with their variants that were."""
    before = sum(tally.runs.values())
    case = case_of(name, recipe)
    wanted = case.reference()
    tasks = [(case, wanted)]
    if _turns(case, recipe):
        turned = case_of(name + " turned", _turned(recipe))
        signed = [_signed_bytes(v.type.dtype) for v in case.layer.results]
        flipped = tuple(w.view(np.uint8) ^ np.uint8(TURN) if s else w for w, s in zip(wanted, signed, strict=True))
        tasks.append((turned, flipped))
    for one, answer in tasks:
        for routine in known_routines(one.layer.op):
            if routine.path == REFERENCE or routine.refuse(one.layer) is not None:
                continue
            for variant in ways(routine, one):
                key = f"{one.layer.op} {routine.path.base}"
                tally.runs[key] += 1
                tally.fixed_point[key] += recipe.attributes.get("rounding") == "fixed_point"
                if problem := _check_routine(one, answer, routine, variant):
                    tally.failures.append(f"{one.name} by {routine.path_with(variant)}: {problem}: {recipe.attributes}")
    return sum(tally.runs.values()) - before


def _check_routine(case: Case, wanted: Sequence[Array], routine: Routine, variant: str) -> str:
    module = alone(case, routine, variant)
    for threads in (1, 2):
        program = Program(module, threads)
        inputs = [to_storage(a, v.type) for a, v in zip(case.arguments, module.main.arguments, strict=True)]
        outputs = run_poisoned(program, inputs)
        for found, value, want in zip(outputs, module.main.outputs, wanted, strict=True):
            got = from_storage(found, value.type)
            if got.shape != want.shape or got.dtype != want.dtype:
                return f"{got.dtype}{got.shape} on {threads} threads"
            if got.tobytes() != want.tobytes():
                bits = f"u{want.dtype.itemsize}"
                differ = int((np.ascontiguousarray(got).view(bits) != np.ascontiguousarray(want).view(bits)).sum())
                return f"{differ} of {want.size} elements differ on {threads} threads"
    return ""


def case_of(name: str, recipe: Recipe) -> Case:
    """The layer, attached to a region, with its data."""
    if recipe.kind == "adapt":
        return _adapt_case(name, recipe)
    values: list[Value | None] = []
    arguments: list[Array] = []
    for i, drawn in enumerate(recipe.operands):
        if drawn is None:
            values.append(None)
            continue
        type = TensorType(drawn.dtype, drawn.data.shape)
        values.append(Constant(f"c{i}", drawn.data, type=type) if drawn.constant else Value(f"x{i}", type))
        if not drawn.constant:
            arguments.append(drawn.data)
    cls: Any = layer_class(recipe.kind)
    variadic = cls.spec.operands[0].variadic
    layer = cls(tuple(values), **recipe.attributes) if variadic else cls(*values, **recipe.attributes)
    results = [f"y{i}" for i in range(len(recipe.attributes.get("sizes", "1")))]
    Region([v for v in values if v is not None and not isinstance(v, Constant)]).append(layer, results)
    return Case(name, layer, tuple(arguments))


def _adapt_case(name: str, recipe: Recipe) -> Case:
    (x,) = recipe.operands
    assert x is not None
    type = TensorType(x.dtype, x.data.shape)
    names = recipe.attributes["source"], recipe.attributes["target"]
    formats = [type.with_format(format_as(type, layout)).format for layout in names]
    return Case(name, detached_adapt(type, *formats), (x.data,))


def _signed_bytes(dtype: object) -> bool:
    return isinstance(dtype, Quantized) and dtype.storage is DType.I8 and dtype.axis is None


def _turns(case: Case, recipe: Recipe) -> bool:
    """Whether there is a layer of unsigned activations with the same numbers (pass `unsigned-activations`).

    Not of NaN, which becomes the byte 0, and of means in fixed point that round the stored integers.
    """
    signed = any(_is_signed(o) for o in recipe.operands) or _signed_bytes(recipe.attributes.get("to"))
    keeps = case.layer.operands[0].type.dtype == case.layer.results[0].type.dtype
    rounds = recipe.kind == "avg_pool2d" and recipe.attributes["rounding"] == "fixed_point" and keeps
    return signed and not rounds and not _has_nan(recipe, why_not_integer(case.layer) is None)


def _has_nan(recipe: Recipe, whole: bool) -> bool:
    """Whether a layer on numbers, not on integers, gives NaN somewhere; its activation may hide it."""
    if whole or recipe.kind in ("adapt", "split", "pad"):
        return False
    numbers = {**recipe.attributes, "to": DType.F32, "act": NONE}
    if "act" not in recipe.attributes:
        del numbers["act"]
    return any(
        np.isnan(found).any() for found in case_of("numbers", Recipe(recipe.kind, recipe.operands, numbers)).reference()
    )


def _is_signed(drawn: Drawn | None) -> bool:
    return drawn is not None and not drawn.weight and _signed_bytes(drawn.dtype)


def _unsigned(dtype: Quantized) -> Quantized:
    assert isinstance(dtype.zero, int)
    return attrs.evolve(dtype, storage=DType.U8, zero=dtype.zero + TURN)


def _turned(recipe: Recipe) -> Recipe:
    """The same numbers with signed activations as unsigned ones: each byte's top bit is turned."""
    operands = []
    for drawn in recipe.operands:
        if drawn is not None and _is_signed(drawn):
            assert isinstance(drawn.dtype, Quantized)
            turned = np.asarray(drawn.data.view(np.uint8) ^ np.uint8(TURN))
            drawn = attrs.evolve(drawn, dtype=_unsigned(drawn.dtype), data=turned)
        operands.append(drawn)
    attributes = dict(recipe.attributes)
    if _signed_bytes(attributes.get("to")):
        attributes["to"] = _unsigned(attributes["to"])
    return Recipe(recipe.kind, tuple(operands), attributes)
