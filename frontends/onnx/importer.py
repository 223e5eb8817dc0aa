"""The import itself: model file to module."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import attrs
import numpy as np
import numpy.typing as npt
import onnx

from plait.frontends.errors import InconsistentModel
from plait.frontends.onnx.context import Context
from plait.frontends.onnx.inputs import Shapes, argument_types
from plait.frontends.onnx.loading import LoadedModel, check_texts, load_proto
from plait.frontends.onnx.nodes import DEFAULT_DOMAINS, Node, decode_attributes, in_order, needed, read_nodes, schema_of
from plait.frontends.onnx.registry import find_converter
from plait.frontends.onnx.report import ImportReport
from plait.frontends.onnx.tensors import TensorReader
from plait.frontends.onnx.tracking import FunctionBuilder, frozen
from plait.frontends.onnx.unsupported import Findings, Unsupported, missing_converter
from plait.ir.dtypes import Quantized
from plait.ir.layers.bits import Bitcast
from plait.ir.module import Function, Module
from plait.ir.types import TensorType
from plait.ir.values import Constant, Value

FOLD_LIMIT = 1 << 30
"""Bytes that constants made by folding (not those stored in the file) may have together."""


@attrs.frozen
class ImportResult:
    """The imported module and what the import did."""

    module: Module
    report: ImportReport


def import_onnx(
    source: str | Path | bytes | onnx.ModelProto,
    *,
    dims: Mapping[str, int] | None = None,
    input_shapes: Shapes | None = None,
    constants: Mapping[str, npt.ArrayLike] | None = None,
    fold_limit: int = FOLD_LIMIT,
) -> ImportResult:
    """Import an ONNX model.

    Args:
        source: path of the model, its bytes, or the proto. Only a path lets it have external data.
        dims: values of symbolic dimensions, by their name in the model or in the IR.
        input_shapes: shapes of graph inputs, instead of those in the model; entries are integers or names.
        constants: graph inputs that are to be constants of the module, with their elements.
        fold_limit: bytes that constants made by folding may have together.

    Raises:
        ModelError: P301, the file cannot be read or is no ONNX model.
        UnsupportedModel: P302, with everything that is not supported.
        InconsistentModel: P303, the model contradicts itself or the options.
    """
    return _Import(load_proto(source), fold_limit).run(dims or {}, input_shapes or {}, constants or {})


def _inlined(model: onnx.ModelProto, where: str) -> onnx.ModelProto:
    """The model with its own functions expanded."""
    if not model.functions:
        return model
    import onnx.inliner

    try:
        inlined = onnx.inliner.inline_local_functions(model)
    except Exception as error:  # the inliner is C++ and raises what it likes
        raise InconsistentModel(f"the functions of the model cannot be expanded: {_first_line(error)}", where) from None
    check_texts(inlined, where)
    return inlined


class _Import:
    def __init__(self, loaded: LoadedModel, fold_limit: int) -> None:
        self.where = loaded.where
        self.model = _inlined(loaded.proto, loaded.where)
        self.graph = self.model.graph
        self.reader = TensorReader(loaded.folder, loaded.where, loaded.blobs)
        self.function = Function("main")
        self.builder = FunctionBuilder(self.function, fold_limit)
        self.findings = Findings()
        self.env: dict[str, Value | None] = {}
        """Tensor name -> value; None stands for what an unsupported node would have made."""
        self.opsets = self._opsets()
        self.report = ImportReport(
            loaded.name, self.model.producer_name, self.model.ir_version, self.opsets.get("", 0), len(self.graph.node)
        )

    def run(self, dims: Mapping[str, int], shapes: Shapes, constants: Mapping[str, npt.ArrayLike]) -> ImportResult:
        nodes = read_nodes(self.graph, self.opsets, self.where)
        initializers = self._initializers()
        inputs = {i.name for i in self.graph.input}
        ordered = in_order(nodes, inputs | set(initializers), self.where)
        outputs = [o.name for o in self.graph.output]
        live, read = needed(ordered, outputs)
        self._read_initializers({n: t for n, t in initializers.items() if n in read})
        self._make_arguments(initializers, dims, shapes, constants)
        for node in live:
            self._convert(node, read)
        self.report.dead_nodes = len(nodes) - len(live)
        if self.findings:
            raise self.findings.error(self.where)
        self._set_outputs(outputs)
        return ImportResult(self._module(), self.report)

    # --- what the graph states ---

    def _opsets(self) -> dict[str, int]:
        opsets: dict[str, int] = {}
        for entry in self.model.opset_import:
            domain = "" if entry.domain in DEFAULT_DOMAINS else entry.domain
            if entry.version < 1:
                raise InconsistentModel(f"opset version {entry.version} of domain {domain or 'ai.onnx'!r}", self.where)
            opsets[domain] = entry.version
        if not self.model.opset_import and self.model.ir_version < 3:
            opsets[""] = 1  # before IR version 3 there was only this
        return opsets

    def _initializers(self) -> dict[str, onnx.TensorProto]:
        tensors: dict[str, onnx.TensorProto] = {}
        for tensor in self.graph.initializer:
            if tensor.name in tensors:
                raise InconsistentModel(f"initializer {tensor.name!r} is defined twice", self.where)
            tensors[tensor.name] = tensor
        for sparse in self.graph.sparse_initializer:
            self.findings.add(
                "sparse initializer", "", self.opsets.get("", 0), sparse.values.name, "only dense tensors are supported"
            )
        return tensors

    def _read_initializers(self, tensors: Mapping[str, onnx.TensorProto]) -> None:
        for name, tensor in tensors.items():
            try:
                self.env[name] = self.reader.constant(tensor, name, f"initializer {name!r}")
            except Unsupported as error:
                self.env[name] = None
                self.findings.add("initializer", "", self.opsets.get("", 0), name, error.reason)

    def _make_arguments(
        self,
        initializers: Mapping[str, onnx.TensorProto],
        dims: Mapping[str, int],
        shapes: Shapes,
        constants: Mapping[str, npt.ArrayLike],
    ) -> None:
        names = [i.name for i in self.graph.input]
        if twice := [n for i, n in enumerate(names) if n in names[:i]] if len(set(names)) < len(names) else []:
            raise InconsistentModel(f"graph input {twice[0]!r} is defined twice", self.where)
        self.report.initializer_inputs = sum(name in initializers for name in names)
        inputs = [i for i in self.graph.input if i.name not in initializers and i.name not in constants]
        if strange := sorted(set(constants) - (set(names) - set(initializers))):
            raise InconsistentModel(f"constants= names {strange[0]!r}, which is not a free input", self.where)
        for name, data in constants.items():
            self.env[name] = frozen(name, np.asarray(data))
        for name, found in argument_types(inputs, dims, shapes, self.where).items():
            if isinstance(found, Unsupported):
                self.env[name] = None
                self.findings.add("input", "", self.opsets.get("", 0), name, found.reason)
            else:
                self.env[name] = argument = Value(name, found)
                self.function.arguments.append(argument)

    # --- nodes ---

    def _convert(self, node: Node, read: set[str]) -> None:
        # Names read from outer scopes (bodies of control flow) are not operands.
        operands = [self.env[name] if name else None for name in node.inputs]
        self.env.update({name: None for name in node.outputs if name})
        converter = find_converter(node.op, node.opset, node.domain)
        if converter is None:
            self._unsupported(node, missing_converter(node.op, node.domain, node.opset))
            return
        if any(name and self.env[name] is None for name in node.inputs):
            return
        schema = schema_of(node.op, node.opset, node.domain)
        if schema is None and not node.domain:
            raise InconsistentModel(f"{node}: ONNX has no operator {node.op} at opset {node.opset}", self.where)
        if schema and not schema.min_inputs <= len(node.inputs) <= schema.max_inputs:
            raise InconsistentModel(
                f"{node}: has {len(node.inputs)} inputs, ONNX wants {schema.min_inputs}"
                + (f" to {schema.max_inputs}" if schema.max_inputs != schema.min_inputs else ""),
                self.where,
            )
        if schema and len(node.outputs) > schema.max_outputs:
            raise InconsistentModel(
                f"{node}: has {len(node.outputs)} outputs, ONNX has at most {schema.max_outputs}", self.where
            )
        context = Context(
            node,
            decode_attributes(node, schema, self.where),
            operands,
            self.builder,
            self.reader,
            self.report.file,
            read,
        )
        try:
            with np.errstate(all="ignore"):
                results = converter.convert(context)
            self._bind(context, [results] if isinstance(results, Value) else results)
        except Unsupported as error:
            self._unsupported(node, error.reason)
        except (
            ValueError,
            TypeError,
            IndexError,
            OverflowError,
            ArithmeticError,
            MemoryError,
            RecursionError,
        ) as error:
            # `ShapeError` is a ValueError; the others are what attributes of the wrong length or sign lead to.
            raise InconsistentModel(f"{node}: {_first_line(error)}", self.where) from None

    def _bind(self, context: Context, results: Sequence[Value | None]) -> None:
        made = set(context.made)
        for i, name in enumerate(context.node.outputs):
            value = results[i] if i < len(results) else None
            if value is None:
                if context.wants(i):
                    raise Unsupported(f"output {i} of {context.node.op}")
                continue
            if value in made:
                made.discard(value)
                value.name = name or value.name
            if name:
                self.env[name] = value
        if all(value is None or value.owner is None for value in results):
            self.report.folded_nodes += 1

    def _unsupported(self, node: Node, reason: str) -> None:
        self.findings.add(node.op, node.domain, node.opset, node.name, reason)

    # --- the end ---

    def _set_outputs(self, names: Sequence[str]) -> None:
        for i, name in enumerate(names):
            if name not in self.env:
                raise InconsistentModel(f"graph output {name!r} is not defined", self.where)
            if name in names[:i]:
                raise InconsistentModel(f"graph output {name!r} is stated twice", self.where)
        values = [self.env[name] for name in names]
        self.function.set_outputs([self.builder.materialise(v) for v in values if v is not None], names)

    def _retype_arguments(self) -> None:
        """Arguments that are read as quantized elements of one type only are of that type."""
        for argument in self.function.arguments:
            readers = list(argument.users)
            kinds = {layer.to if isinstance(layer, Bitcast) else None for layer in readers}
            if len(kinds) != 1 or not isinstance(to := kinds.pop(), Quantized) or to.storage != argument.type.dtype:
                continue
            argument.type = TensorType(to, argument.type.shape)
            for layer in readers:
                self.function.body.replace_uses(layer.results[0], argument)
                self.function.body.remove(layer)

    def _module(self) -> Module:
        self._retype_arguments()
        module = Module([self.function])
        for parameter in self.builder.parameters.values():
            module.adopt(parameter)
        read = [v for layer in self.function for v in layer.operands] + list(self.function.outputs)
        for value in read:
            if isinstance(value, Constant) and module.constants.get(value.name) is not value:
                value.name = module.free_name(value.name)
                module.adopt(value)
        module.drop_unused_constants()
        self.report.layers = len(self.function.body)
        self.report.constants = len(module.constants)
        self.report.constant_bytes = sum(c.type.nbytes for c in module.constants.values())
        self.report.symbols = tuple(self.function.symbols())
        return module


def _first_line(error: BaseException) -> str:
    return (str(error) or type(error).__name__).splitlines()[0]
