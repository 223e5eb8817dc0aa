"""Twins: layers of a float network in lower precision, each as a module of its own.

    %y = conv2d(%x, @w) {act = hard_swish}

has as its twin in qint8

    net @main(%x: f32[...]) -> (%y: f32[...]) {
      %x.q = cast(%x) {to = qu8<0.0235:128>}
      %y.pre = conv2d(%x.q, @w.q) {to = qu8<0.0471:130>}
      %y.q = hard_swish(%y.pre) {to = qu8<0.0312:4>}
      %y = cast(%y.q) {to = f32}
    }

with the types, weights and biases that it has in the network of which all is quantized; in bfloat16 and float16, the
layer on numbers of these types between casts.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import attrs

from plait.ir.dtypes import DType, Quantized
from plait.ir.layer import Layer
from plait.ir.layers.elementwise import Cast
from plait.ir.module import Module
from plait.ir.types import TensorType
from plait.ir.values import Constant, Value
from plait.passes.base import PassContext
from plait.passes.dtypes.conversion import Conversion
from plait.tuning.calibration import Progress, Samples
from plait.tuning.precision.extract import extract
from plait.tuning.precision.prepared import Integers, Prepared, prepare_for
from plait.tuning.quantize import QuantizeOptions

QINT8 = "qint8"
FLOATS: Mapping[str, DType] = {"bfloat16": DType.BF16, "float16": DType.F16}
"""Precisions that are types of floating point."""
PRECISIONS = ("float32", QINT8, *FLOATS)
"""All of them; the first is that of the network itself."""


@attrs.frozen(eq=False)
class Twin:
    """A layer in lower precision.

    Args:
        layer: the name of its first result.
        module: from its non-constant operands to its results, under their names, all in the types of the float network.
        inner: the same without casts: what is of lower precision is so in arguments and results.
    """

    layer: str
    precision: str
    module: Module
    inner: Module


@attrs.frozen(eq=False)
class Twins:
    """All twins of a network.

    Args:
        prepared: the network that they belong to; its names are those of `prepared.module`, in which the weights may
            have been equalised.
        by_layer: by the name of the first result of a layer, then by precision.
        reasons: in the same way, why layers have none.
    """

    prepared: Prepared
    by_layer: Mapping[str, Mapping[str, Twin]]
    reasons: Mapping[str, Mapping[str, str]]

    @property
    def module(self) -> Module:
        """The float network: each layer is the key of what is known of it."""
        return self.prepared.module

    def usual(self, precision: str) -> frozenset[str]:
        """The layers that have this precision where all is to have it."""
        found = frozenset(name for name, twins in self.by_layer.items() if precision in twins)
        if precision != QINT8:
            return found
        return frozenset(n for n in found if self.prepared.usual.issuperset(self.prepared.pieces[n]))


def twins(
    module: Module,
    samples: Samples | None,
    options: QuantizeOptions | None = None,
    precisions: Sequence[str] = (QINT8,),
    progress: Progress = lambda done, what: None,
) -> Twins:
    """The twins of all layers of a float network of static shapes.

    Args:
        samples: what the types of 8 bits are chosen by; needed for `qint8` only.
        precisions: of `PRECISIONS`; float32 has none.

    Raises:
        QuantizationError: P520, there are no samples, numbers are not finite, or a pattern of layers to keep matches
            none.
        RunError: P401, a sample does not fit the inputs.
    """
    prepared = prepare_for(module, samples if QINT8 in precisions else None, options, progress)
    return twins_of_prepared(prepared, precisions)


def twins_of_prepared(prepared: Prepared, precisions: Sequence[str]) -> Twins:
    """The twins of a network that is prepared."""
    found: dict[str, dict[str, Twin]] = {layer.results[0].name: {} for layer in prepared.module.main}
    reasons: dict[str, dict[str, str]] = {name: {} for name in found}
    for precision in precisions:
        if precision == PRECISIONS[0]:
            continue
        maker = _Integer(prepared) if precision == QINT8 else _Float(prepared, precision)
        for layer in prepared.module.main:
            name = layer.results[0].name
            made = maker.twin(layer)
            if isinstance(made, Twin):
                found[name][precision] = made
            else:
                reasons[name][precision] = made
    return Twins(prepared, found, reasons)


class _Integer:
    """Twins of 8 bits, cut out of the network of which all is quantized."""

    def __init__(self, prepared: Prepared) -> None:
        self.prepared = prepared
        self.named = {v.name: v for v in prepared.prepared.main.body.values()}
        self.whole: Integers | None = None
        if prepared.calibration is not None:
            names = [layer.results[0].name for layer in prepared.module.main]
            self.whole = prepared.integer([name for name in names if not self.why_not(name)])

    def why_not(self, name: str) -> str:
        """Why a layer has no twin; empty if it has."""
        piece = self.prepared.pieces.get(name)
        if piece is None:
            return "passes made it in a way that leaves no trace of its parts"
        return next((reason for layer in piece if (reason := self.prepared.plan.reasons.get(layer))), "")

    def twin(self, layer: Layer) -> Twin | str:
        """The twin of a layer of the module, or why there is none."""
        name = layer.results[0].name
        if reason := self.why_not(name):
            return reason
        if self.whole is None:
            return "nothing was calibrated"
        stored = self.whole.stored
        owners = [stored[part.results[0]].owner for part in self.prepared.pieces[name]]
        layers = [owner for owner in owners if owner is not None]
        read = {v for one in layers for v in one.operands}
        reads = {}
        for value in data_of(layer):
            own = self.named[value.name]
            reads[value.name] = stored[own] if stored.get(own) in read else self.whole.copies[own]
        gives = {r.name: stored[self.named[r.name]] for r in layer.results}
        inner = extract(self.whole.module, layers, reads, gives)
        return Twin(name, QINT8, between_casts(inner), inner)


class _Float:
    """Twins of another type of floating point."""

    def __init__(self, prepared: Prepared, precision: str) -> None:
        self.module = prepared.module
        self.precision = precision
        self.to = FLOATS[precision]

    def twin(self, layer: Layer) -> Twin | str:
        """The twin of a layer of the module, or why there is none."""
        alone = extract(self.module, [layer], {v.name: v for v in data_of(layer)}, {r.name: r for r in layer.results})
        inner = alone.clone()
        for module, convert_io in ((alone, False), (inner, True)):
            context = PassContext()
            Conversion(module, context, self.to, lambda _: False).run(convert_io=convert_io)
            if context.refusals:
                return context.refusals[0].reason
        if not any(v.type.dtype is self.to for v in alone.main.body.values() if isinstance(v.type, TensorType)):
            return "it computes on no floats"
        return Twin(layer.results[0].name, self.precision, alone, inner)


def data_of(layer: Layer) -> tuple[Value, ...]:
    """The operands of a layer that are no constants, each once."""
    return tuple(v for v in layer.reads() if not isinstance(v, Constant))


def between_casts(inner: Module) -> Module:
    """A module whose arguments and outputs are quantized, as one from floats to floats."""
    module = inner.clone()
    body = module.main.body
    for i, argument in enumerate(list(body.arguments)):
        if isinstance(argument.type, TensorType) and isinstance(argument.type.dtype, Quantized):
            floats = Value(argument.name, attrs.evolve(argument.type, dtype=DType.F32))
            body.arguments[i] = floats
            cast = Cast(floats, to=argument.type.dtype)
            body.insert(cast, body.first, (f"{argument.name}.q",))
            body.replace_uses(argument, cast.result)
    outputs = []
    for value in body.outputs:
        if isinstance(value.type, TensorType) and isinstance(value.type.dtype, Quantized):
            cast = Cast(value, to=DType.F32)
            body.append(cast, (value.name,))
            value.name, value = f"{value.name}.q", cast.result
        outputs.append(value)
    body.outputs = outputs
    return module
