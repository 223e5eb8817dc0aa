"""Files that ONNX Runtime has quantized, run here and there: whole networks, and each layer alone on the same inputs.

In a whole network a step that is rounded the other way grows on its way to the outputs; how much, ONNX Runtime shows by
its own distance from itself without optimisations. Layers alone show who is how far off.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import attrs
import numpy as np

import plait
from benchmarks.accuracy import onnx_runtime
from benchmarks.accuracy.agreement import outputs_of
from plait.backends.program import Program
from plait.frontends.onnx import import_onnx
from plait.ir.values import Array
from plait.tuning.untuned import untuned_module


@attrs.frozen
class Distance:
    """How far two sets of stored numbers are apart."""

    differing: float
    """The share of elements that differ."""
    most: int
    """By how many steps, at most."""


@attrs.frozen
class FileRow:
    """A quantized file. `layers` is None where layers cannot be told apart by the values between them."""

    file: str
    samples: int
    outputs: Distance
    itself: Distance
    """ONNX Runtime with all optimisations and with none."""
    layers: int | None = None
    layer: Distance | None = None
    """The largest share of any layer, and the largest distance."""

    def to_json(self) -> dict[str, Any]:
        return attrs.asdict(self)


def row_of(path: Path, inputs: Array, layer_inputs: Array) -> FileRow:
    """Compare outputs on all inputs, layers on some of them."""
    theirs = onnx_runtime.outputs_of(path, inputs)
    plain = onnx_runtime.outputs_of(path, inputs, optimize=False)
    ours = outputs_of(plait.optimize(plait.load(path)), inputs)
    step = float(np.diff(np.unique(theirs)).min())
    found = list(_layers(path, layer_inputs))
    return FileRow(
        path.name,
        len(inputs),
        _distance(ours / step, theirs / step),
        _distance(plain / step, theirs / step),
        len(found) or None,
        Distance(max(d.differing for d in found), max(d.most for d in found)) if found else None,
    )


def _distance(a: Array, b: Array) -> Distance:
    apart = np.rint(np.abs(a.astype(np.float64) - b.astype(np.float64)))
    return Distance(float(np.mean(apart > 0)), int(apart.max()))


def _layers(path: Path, inputs: Array) -> Iterator[Distance]:
    """Of a QDQ file: what lies between quantized values, one after the other."""
    import onnx

    model = onnx.load(path)
    made = {name: node for node in model.graph.node for name in node.output}
    quantized = [n.output[0] for n in model.graph.node if n.op_type == "QuantizeLinear"]
    if len(quantized) < 2:  # QLinear operators have no such values
        return
    values = _values(model, quantized, inputs)
    parts = onnx.utils.Extractor(onnx.shape_inference.infer_shapes(model))
    name = onnx_runtime.input_name(model)
    for value in quantized:
        reads = _quantized_before(value, made, {t.name for t in model.graph.initializer})
        part = parts.extract_model(sorted(reads), [value])
        session = onnx_runtime.session_of(part.SerializeToString())
        module = plait.optimize(import_onnx(part).module)
        program = Program(untuned_module(module))
        names = [a.name for a in module.main.arguments]
        distances = []
        for x, known in zip(inputs, values, strict=True):
            given = {n: x[None] if n == name else known[n] for n in reads}
            (theirs,) = session.run(None, given)
            (ours,) = program.run([np.ascontiguousarray(given[n]) for n in names])
            distances.append(_distance(ours.view(theirs.dtype), theirs))
        yield Distance(float(np.mean([d.differing for d in distances])), max(d.most for d in distances))


def _values(model: Any, names: list[str], inputs: Array) -> list[dict[str, Array]]:
    """Quantized values inside of a network, for each input."""
    from onnx import TensorProto, helper

    whole = type(model)()
    whole.CopyFrom(model)
    whole.graph.output.extend(helper.make_tensor_value_info(n, TensorProto.UNDEFINED, None) for n in names)
    types = {n.output[0]: _stored(model, n) for n in model.graph.node if n.op_type == "QuantizeLinear"}
    for output in whole.graph.output:
        if output.name in types:
            output.type.tensor_type.elem_type = types[output.name]
    session = onnx_runtime.session_of(whole.SerializeToString())
    name = onnx_runtime.input_name(model)
    return [dict(zip(names, session.run(names, {name: x[None]}), strict=True)) for x in inputs]


def _stored(model: Any, node: Any) -> int:
    """The element type of a QuantizeLinear: that of its zero point."""
    types = {t.name: t.data_type for t in model.graph.initializer}
    return int(types[node.input[2]])


def _quantized_before(value: str, made: Mapping[str, Any], constants: set[str]) -> set[str]:
    """The nearest quantized values, or inputs, that a quantized value is computed from."""
    found: set[str] = set()
    left = [made[value].input[0]]
    while left:
        name = left.pop()
        node = made.get(name)
        if name in constants:
            continue
        if node is None or node.op_type == "QuantizeLinear":
            found.add(name)
        else:
            left += [n for n in node.input if n]
    return found
