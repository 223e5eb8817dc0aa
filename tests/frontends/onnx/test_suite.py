"""The ONNX backend suite on the reference evaluator. The counts of passes only ever rise."""

from __future__ import annotations

import warnings
from collections import Counter
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import numpy_helper
from onnx.backend.test.loader import load_model_tests

from plait.backends.reference import evaluate
from plait.frontends import UnsupportedModel
from plait.frontends.onnx import import_onnx, supported_operators
from plait.ir.diagnostics import PlaitError
from plait.testing.onnx_check import check_text

PASSES = {"node": 993, "pytorch-converted": 67, "pytorch-operator": 34}
"""Tests of operators that have a converter that pass; raise a number when more do."""

CLAIMED = """
    Abs Add And AveragePool BatchNormalization BitCast Cast CastLike Ceil Celu Clip Concat Constant
    ConstantOfShape Conv ConvInteger DepthToSpace DequantizeLinear Div Dropout DynamicQuantizeLinear Elu Equal
    Erf Exp Expand Flatten Floor Gather Gelu Gemm GlobalAveragePool GlobalMaxPool Greater GreaterOrEqual
    HardSigmoid HardSwish Identity InstanceNormalization LRN LayerNormalization LeakyRelu Less LessOrEqual Log
    LogSoftmax MatMul MatMulInteger Max MaxPool Mean Min Mul Neg Not Or PRelu Pad Pow QLinearConv QLinearMatMul
    QuantizeLinear Range Reciprocal ReduceL1 ReduceL2 ReduceLogSum ReduceLogSumExp ReduceMax ReduceMean
    ReduceMin ReduceProd ReduceSum ReduceSumSquare Relu Reshape Resize Round Selu Shape Sigmoid Sign Size Slice
    Softmax Softplus Softsign SpaceToDepth Split Sqrt Squeeze Sub Sum Swish Tanh Tile Transpose Unsqueeze
    Upsample Where Xor
""".split()  # noqa: SIM905 - one name a word is easier to read and to merge

# What is refused, and why. Every other failure of a claimed operator is a bug.
REFUSED = (
    "element type", "over 3 spatial dimensions", "training", "a graph input of kind", "output 1 of MaxPool",
    "mode 'cubic'", "mode 'tf_crop_and_resize'", "antialiasing",
    "quantized elements stored as",
    "a reshape of an empty tensor", "zero-size array to reduction", "run-time data", "must be known at import",
)  # fmt: skip


def test_list_of_claimed_operators_is_current():
    assert supported_operators() == CLAIMED


def _array(data):
    return numpy_helper.to_array(data) if isinstance(data, onnx.TensorProto) else np.asarray(data)


def _import(model, feed):
    """The module and the inputs that it takes: inputs that must be known at import become constants."""
    try:
        return import_onnx(model).module, feed
    except UnsupportedModel as error:
        constants = _must_be_known(str(error), feed)
        if constants is None:
            raise
    module = import_onnx(model, constants=constants).module
    return module, {n: a for n, a in feed.items() if n not in constants}


def _must_be_known(message, feed):
    if "scale and zero point must be constants" in message:
        return scales_and_zeros(feed)
    if "run-time data" in message:
        return feed
    if "must be known at import" in message or "must be a constant" in message:
        return {n: a for n, a in feed.items() if a.dtype.kind in "iub" or a.size == 1 or n == "scales"}
    return None


def scales_and_zeros(feed):
    return {n: a for n, a in feed.items() if n.endswith(("scale", "zero_point", "zero_points"))}


def _check(model, inputs, outputs, rtol, atol):
    stored = {t.name for t in model.graph.initializer}
    names = [i.name for i in model.graph.input if i.name not in stored]
    feed = dict(zip(names, inputs, strict=False))
    _compare(*_import(model, feed), model, outputs, rtol, atol)
    if (constants := scales_and_zeros(feed)) and "Linear" in model.graph.node[0].op_type:
        # As in files, where scales are part of the types.
        module = import_onnx(model, constants=constants).module
        _compare(module, {n: a for n, a in feed.items() if n not in constants}, model, outputs, rtol, atol)


def _compare(module, feed, model, outputs, rtol, atol):
    check_text(module)
    results = evaluate(module, feed)
    for output, wanted in zip(model.graph.output, outputs, strict=False):
        got = results[output.name]
        assert (got.shape, got.dtype) == (wanted.shape, wanted.dtype)
        np.testing.assert_allclose(got, wanted, rtol, atol)


def _tally(tests):
    counts, bugs = Counter(), []
    for name, model, data, rtol, atol in tests:
        if not {n.op_type for n in model.graph.node} <= set(CLAIMED):
            counts["not claimed"] += 1
            continue
        try:
            for inputs, outputs in data():
                _check(model, [_array(a) for a in inputs], [_array(a) for a in outputs], rtol, atol)
            counts["passed"] += 1
        except PlaitError as error:
            counts["refused"] += 1
            if not any(reason in str(error) for reason in REFUSED):
                bugs.append(f"{name}: {error}")
        except AssertionError as error:
            bugs.append(f"{name}: {error}")
    return counts, bugs


@pytest.mark.filterwarnings("ignore:overflow encountered in cast")  # float16 constants in the printer
def test_node_suite():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the suite overflows on purpose while it is made
        cases = [c for c in load_model_tests(kind="node") if c.model is not None]
    counts, bugs = _tally((c.name, c.model, lambda c=c: c.data_sets, c.rtol, c.atol) for c in cases)
    assert not bugs, "\n".join(bugs)
    assert counts["passed"] >= PASSES["node"], counts


@pytest.mark.parametrize("kind", ["pytorch-converted", "pytorch-operator"])
def test_suite_of_old_opsets(kind):
    """Opset 6 files as PyTorch wrote them: attributes where there are operands now, `axis` and `broadcast`."""
    folder = Path(onnx.__file__).parent / "backend" / "test" / "data" / kind

    def read(place):
        def load(pattern):
            paths = sorted(place.glob(f"test_data_set_0/{pattern}"), key=lambda p: int(p.stem.split("_")[-1]))
            return [numpy_helper.to_array(onnx.load_tensor(p)) for p in paths]

        return lambda: [(load("input_*.pb"), load("output_*.pb"))]

    places = sorted(p for p in folder.iterdir() if p.is_dir())
    counts, bugs = _tally((p.name, onnx.load(p / "model.onnx"), read(p), 1e-3, 1e-6) for p in places)
    assert not bugs, "\n".join(bugs)
    assert counts["passed"] >= PASSES[kind], counts
