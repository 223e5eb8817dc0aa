"""A float network in the two forms that mixed networks are made of, and which layers of one are a layer of the other.

    prepared    each value that may have 8 bits stands alone: the ground of integer layers
    module      the same after the passes of floats: layers as they are measured and chosen

The first becomes the second by fusions, so a layer of `module` is one or several of `prepared`: those between the
values that it reads and those that it gives, which have the same names in both.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping

import attrs

from plait.ir.layer import Layer
from plait.ir.module import Module
from plait.ir.values import Constant, Value
from plait.passes.manager import PassManager
from plait.passes.pipeline import PIPELINES, Pipeline
from plait.passes.quantize.convert import quantize_layers
from plait.passes.quantize.plan import Plan, make_plan
from plait.passes.quantize.prepare import PIPELINE, prepare
from plait.tuning.api import optimized
from plait.tuning.calibration import Progress, Samples
from plait.tuning.quantize import Calibration, Kept, QuantizeOptions, calibrate, check_floats
from plait.tuning.untuned import twins_of


def finish(module: Module) -> None:
    """Run the default passes, but for the one that makes integer layers of floats between casts: which layers are
    integer has been decided."""
    passes = Pipeline.parse(PIPELINES["default"])
    PassManager(Pipeline(tuple(p for p in passes if p.name != "form-integer-layers"))).run(module)


@attrs.frozen(eq=False)
class Prepared:
    """A float network, ready to become one of several precisions.

    Args:
        prepared: the form for integer layers, equalised.
        module: the form in which layers are chosen; of the same numbers.
        pieces: for each layer of `module`, by the name of its first result: the layers of `prepared` that it is.
        plan: which layers of `prepared` have a rule for integers, and why the others have none.
        usual: layers of `prepared` that are integer where all should be, see `make_plan`.
        calibration: types and biases; None where there was no plan to calibrate.
    """

    prepared: Module
    module: Module
    pieces: Mapping[str, tuple[Layer, ...]]
    plan: Plan
    usual: frozenset[Layer]
    calibration: Calibration | None

    def integer(self, names: Collection[str]) -> Integers:
        """A copy of `prepared` in which the layers that make up these layers of `module` are integer."""
        assert self.calibration is not None
        copy = self.prepared.clone()
        values: dict[Value, Value] = twins_of(self.prepared, copy)
        values.update((c, copy.constants[name]) for name, c in self.prepared.constants.items())
        layers = dict(zip(self.prepared.main, copy.main, strict=True))
        chosen = {layer for name in names for layer in self.pieces[name]}
        plan = self.plan.only(chosen).on(copy.main, layers, values)
        types = {values[v]: dtype for v, dtype in self.calibration.types.items()}
        corrections = {layers[layer]: by for layer, by in self.calibration.corrections.items()}
        weights = {layers[layer]: of for layer, of in self.calibration.weights.items()}
        stored = quantize_layers(copy, plan, types, corrections, weights)
        return Integers(copy, {v: stored[twin] for v, twin in values.items() if twin in stored}, values)


@attrs.frozen(eq=False)
class Integers:
    """A module with integer layers; the values of 8 bits that stand for values of the prepared module, and copies of
    its values."""

    module: Module
    stored: Mapping[Value, Value]
    copies: Mapping[Value, Value]


def prepare_for(
    module: Module,
    samples: Samples | None,
    options: QuantizeOptions | None = None,
    progress: Progress = lambda done, what: None,
) -> Prepared:
    """Both forms of a float network of static shapes.

    Args:
        samples: what types are chosen by; None: no layer will be integer.

    Raises:
        QuantizationError: P520, there are no samples, numbers are not finite, something is quantized already, or a
            pattern of layers to keep matches none.
        RunError: P401, a sample does not fit the inputs.
    """
    check_floats(module)
    options = options or QuantizeOptions()
    kept = Kept(options.keep_float)
    prepared = optimized(module, PIPELINE)
    prepare(prepared, kept)
    name_apart(prepared)
    plan = make_plan(prepared.main, kept, anywhere=True)
    kept.check(prepared)
    usual = frozenset(make_plan(prepared.main, kept).integer)
    calibration = None
    if samples is not None and plan.integer:
        calibration = calibrate(prepared, plan, samples, options, progress)
    floats = prepared.clone()
    finish(floats)
    return Prepared(prepared, floats, pieces_of(floats, prepared), plan, usual, calibration)


def name_apart(module: Module) -> None:
    """Give each value of `main` a name of its own, in place."""
    taken: set[str] = set()
    for value in module.main.body.values():
        name, n = value.name, 0
        while name in taken:
            n += 1
            name = f"{value.name}.{n}"
        taken.add(name)
        value.name = name


def pieces_of(fused: Module, prepared: Module) -> dict[str, tuple[Layer, ...]]:
    """For each layer of a fused module the layers of the module that it was made of, in order, by the name of its first
    result; layers that passes made in another way are left out."""
    named = {value.name: value for value in (*prepared.main.arguments, *_results(prepared))}
    order = {layer: i for i, layer in enumerate(prepared.main)}
    found = {}
    for layer in fused.main:
        reads = [v.name for v in layer.reads() if not isinstance(v, Constant)]
        if any(name not in named for name in (*reads, *(r.name for r in layer.results))):
            continue
        piece = _between([named[name] for name in reads], [named[r.name] for r in layer.results])
        if piece is not None and _is_closed(piece, {r.name for r in layer.results}):
            found[layer.results[0].name] = tuple(sorted(piece, key=order.__getitem__))
    return found


def _results(module: Module) -> list[Value]:
    return [r for layer in module.main for r in layer.results]


def _between(reads: Collection[Value], gives: Collection[Value]) -> set[Layer] | None:
    """The layers that make some values of others and constants; None if they need more than those."""
    border, found = set(reads), set[Layer]()
    open = [v for v in gives if v not in border]
    while open:
        value = open.pop()
        if value.owner is None:
            return None
        if value.owner in found:
            continue
        found.add(value.owner)
        open += [v for v in value.owner.reads() if v not in border and not isinstance(v, Constant)]
    return found


def _is_closed(piece: Collection[Layer], gives: Collection[str]) -> bool:
    """Whether nothing else reads what is made between."""
    inner = [r for layer in piece for r in layer.results if r.name not in gives]
    return bool(piece) and all(user in piece for value in inner for user in value.users)
