"""Checks of the ONNX frontend: one-node models, and comparison of an import with ONNX Runtime."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
from onnx import helper, numpy_helper

from plait.backends.reference import evaluate
from plait.frontends.onnx import import_onnx
from plait.ir.module import Module
from plait.ir.text import parse_module, print_module
from plait.ir.verify import verify
from plait.testing.compare import assert_close

Array = npt.NDArray[Any]
Arrays = Mapping[str, npt.ArrayLike]

_IR_VERSION = {1: 3, 9: 4, 10: 5, 11: 6, 12: 7, 15: 8, 19: 9, 21: 10, 23: 11, 24: 12, 25: 13, 27: 14}
"""First opset -> IR version that files of it carry (ONNX, Versioning)."""


def node_model(
    op: str,
    inputs: Arrays,
    constants: Arrays | None = None,
    *,
    opset: int = 17,
    outputs: Sequence[str] = ("y",),
    slots: Sequence[str] | None = None,
    domain: str = "",
    **attributes: Any,
) -> onnx.ModelProto:
    """A model of one node.

    Args:
        op: operator.
        inputs: run-time operands with an example each, which gives dtype and shape.
        constants: operands that are initializers; they follow the inputs.
        opset: version of the operator's domain.
        outputs: names of the outputs.
        slots: names of the operands in order, `""` for absent ones; by default inputs, then constants.
        domain: domain of the operator.
        attributes: of the node.
    """
    arrays = {name: np.asarray(data) for name, data in inputs.items()}
    weights = {name: np.asarray(data) for name, data in (constants or {}).items()}
    node = helper.make_node(op, slots or [*arrays, *weights], outputs, name=f"the_{op}", domain=domain, **attributes)
    return graph_model([node], arrays, weights, outputs, opset=opset, domains={domain: opset} if domain else {})


def graph_model(
    nodes: Sequence[onnx.NodeProto],
    inputs: Arrays,
    constants: Arrays,
    outputs: Sequence[str],
    *,
    opset: int = 17,
    shapes: Mapping[str, Sequence[int | str | None]] | None = None,
    domains: Mapping[str, int] | None = None,
) -> onnx.ModelProto:
    """A model of these nodes; `shapes` replaces those of the example inputs, `domains` adds opsets."""
    arrays = {name: np.asarray(data) for name, data in inputs.items()}
    arguments = [
        helper.make_tensor_value_info(
            name, helper.np_dtype_to_tensor_dtype(a.dtype), list((shapes or {}).get(name, a.shape))
        )
        for name, a in arrays.items()
    ]
    weights = [numpy_helper.from_array(np.asarray(a), name) for name, a in constants.items()]
    results = [onnx.ValueInfoProto(name=name) for name in outputs]
    graph = helper.make_graph(list(nodes), "test", arguments, results, weights)
    opsets = [helper.make_opsetid("", 17 if domains else opset)]
    opsets += [helper.make_opsetid(name, version) for name, version in (domains or {}).items()]
    version = max(v for first, v in _IR_VERSION.items() if first <= opset)
    return helper.make_model(graph, opset_imports=opsets, ir_version=version)


def onnxruntime_outputs(model: onnx.ModelProto | str, inputs: Arrays) -> dict[str, Array]:
    """What ONNX Runtime computes, without graph optimisations."""
    import onnxruntime  # type: ignore[import-untyped]

    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.log_severity_level = 4
    source = model if isinstance(model, str) else _with_output_types(model).SerializeToString()
    session = onnxruntime.InferenceSession(source, options, providers=["CPUExecutionProvider"])
    names = [o.name for o in session.get_outputs()]
    return dict(zip(names, session.run(names, {n: np.asarray(a) for n, a in inputs.items()}), strict=True))


def _with_output_types(model: onnx.ModelProto) -> onnx.ModelProto:
    """ONNX Runtime wants types of the outputs."""
    if all(o.type.WhichOneof("value") for o in model.graph.output):
        return model
    bare = onnx.ModelProto()
    bare.CopyFrom(model)
    del bare.graph.output[:]
    inferred = {v.name: v for v in onnx.shape_inference.infer_shapes(bare).graph.value_info}
    for output in model.graph.output:
        bare.graph.output.append(inferred.get(output.name, output))
    return bare


def check_import(model: onnx.ModelProto, inputs: Arrays, tolerance: float = 1e-5, **options: Any) -> Module:
    """Import, verify, print and parse back, evaluate, and compare with ONNX Runtime; returns the module.

    Raises:
        AssertionError: something differs.
    """
    module = import_onnx(model, **options).module
    check_text(module)
    actual = evaluate(module, {a.name: inputs[a.name] for a in module.main.arguments})
    wanted = onnxruntime_outputs(model, inputs)
    for name, array in wanted.items():
        assert actual[name].dtype == array.dtype, f"{name} is {actual[name].dtype}, not {array.dtype}"
    assert_close(actual, wanted, tolerance)
    return module


def check_text(module: Module) -> None:
    """The module is valid and its text reads back as the same text.

    Raises:
        IRError: it is not valid.
        AssertionError: the text differs.
    """
    verify(module)
    text = print_module(module)
    assert print_module(parse_module(text)) == text


def example(*shape: int, seed: int = 0, low: float = -2.0, high: float = 2.0) -> Array:
    """Seeded float32 numbers, uniform between two bounds."""
    return np.random.default_rng(seed).uniform(low, high, shape).astype(np.float32)
