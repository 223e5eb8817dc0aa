"""Nodes of a graph as plain records, with attributes decoded and defaults taken from the operator's schema."""

from __future__ import annotations

import functools
from collections.abc import Iterable, Mapping
from typing import Any

import attrs
import onnx
from onnx import AttributeProto

from plait.frontends.errors import InconsistentModel

DEFAULT_DOMAINS = ("", "ai.onnx")


@attrs.frozen(eq=False)
class Node:
    """One node: its operator with the opset version that defines it, and names of tensors in and out."""

    op: str
    domain: str
    opset: int
    name: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    proto: onnx.NodeProto = attrs.field(repr=False)

    def __str__(self) -> str:
        return f"node {self.name} ({self.op})"


@attrs.frozen
class Schema:
    """What ONNX says of an operator at one opset version."""

    attributes: Mapping[str, tuple[int, Any]]
    """name -> (type code, default or None)."""
    required: frozenset[str]
    min_inputs: int
    max_inputs: int
    max_outputs: int
    since: int


@functools.lru_cache(maxsize=4096)
def schema_of(op: str, opset: int, domain: str) -> Schema | None:
    """The schema of an operator, or None if ONNX does not define it."""
    try:
        found = onnx.defs.get_schema(op, opset, domain)
    except (onnx.defs.SchemaError, TypeError, OverflowError):
        return None
    attributes = {}
    for name, attribute in found.attributes.items():
        default = attribute.default_value
        attributes[name] = (_code(attribute.type), _plain(default) if default.type else None)
    required = frozenset(name for name, attribute in found.attributes.items() if attribute.required)
    return Schema(attributes, required, found.min_input, found.max_input, found.max_output, found.since_version)


def _code(kind: Any) -> int:
    return int(kind.value)  # the stubs of onnx do not know that it is an enumeration


def decode_attributes(node: Node, schema: Schema | None, where: str) -> dict[str, Any]:
    """All attributes of a node that are given or have a default.

    Raises:
        InconsistentModel: one is unknown, missing or of the wrong type.
    """
    values: dict[str, Any] = (
        {} if schema is None else {n: d for n, (_, d) in schema.attributes.items() if d is not None}
    )
    for attribute in node.proto.attribute:
        if schema is not None and attribute.name not in schema.attributes:
            raise InconsistentModel(
                f"{node}: ONNX {node.op} at opset {node.opset} has no attribute {attribute.name!r}", where
            )
        code = attribute.type or (schema.attributes[attribute.name][0] if schema else 0)
        if schema is not None and code != schema.attributes[attribute.name][0]:
            raise InconsistentModel(f"{node}: attribute {attribute.name!r} has the wrong type", where)
        try:
            values[attribute.name] = _plain(attribute, code)
        except UnicodeDecodeError:
            raise InconsistentModel(f"{node}: attribute {attribute.name!r} is not UTF-8 text", where) from None
    if schema is not None and (missing := sorted(schema.required - set(values))):
        raise InconsistentModel(f"{node}: attribute {missing[0]!r} is missing", where)
    return values


def _plain(attribute: AttributeProto, code: int = 0) -> Any:
    match code or attribute.type:
        case AttributeProto.FLOAT:
            return attribute.f
        case AttributeProto.INT:
            return attribute.i
        case AttributeProto.STRING:
            return attribute.s.decode("utf-8")
        case AttributeProto.FLOATS:
            return tuple(attribute.floats)
        case AttributeProto.INTS:
            return tuple(attribute.ints)
        case AttributeProto.STRINGS:
            return tuple(s.decode("utf-8") for s in attribute.strings)
        case AttributeProto.TENSOR:
            return attribute.t
    return attribute


def read_nodes(graph: onnx.GraphProto, opsets: Mapping[str, int], where: str) -> list[Node]:
    """The nodes of a graph in the order of the file.

    Raises:
        InconsistentModel: a node's domain is not among the opset imports.
    """
    nodes = []
    for index, proto in enumerate(graph.node):
        domain = "" if proto.domain in DEFAULT_DOMAINS else proto.domain
        name = proto.name or f"{proto.op_type}_{index}"
        if domain not in opsets:
            raise InconsistentModel(
                f"node {name} ({proto.op_type}): the model imports no opset of domain {domain or 'ai.onnx'!r}", where
            )
        nodes.append(Node(proto.op_type, domain, opsets[domain], name, tuple(proto.input), tuple(proto.output), proto))
    return nodes


def in_order(nodes: Iterable[Node], given: set[str], where: str) -> list[Node]:
    """The nodes so that each stands after those it reads from; the order of the file where that is already so.

    Args:
        nodes: nodes of a graph.
        given: names of inputs and initializers.
        where: the file, for messages.

    Raises:
        InconsistentModel: a tensor is defined twice or not at all, or the graph has a cycle.
    """
    nodes = list(nodes)
    makers: dict[str, Node] = {}
    for node in nodes:
        for output in filter(None, node.outputs):
            if output in given or output in makers:
                other = makers.get(output, "an input or initializer")
                raise InconsistentModel(f"{node}: its output {output!r} is defined already by {other}", where)
            makers[output] = node
    for node in nodes:
        for name in filter(None, node.inputs):
            if name not in given and name not in makers:
                raise InconsistentModel(f"{node}: its input {name!r} is not defined", where)
    waiting: dict[Node, int] = {}
    readers: dict[Node, list[Node]] = {}
    for node in nodes:
        sources = {makers[name] for name in node.inputs if name in makers}
        waiting[node] = len(sources)
        for source in sources:
            readers.setdefault(source, []).append(node)
    if _is_ordered(nodes, makers):
        return nodes
    ready = [node for node in nodes if not waiting[node]]
    ordered: list[Node] = []
    for node in ready:  # grows while it is walked
        ordered.append(node)
        for reader in readers.get(node, ()):
            waiting[reader] -= 1
            if not waiting[reader]:
                ready.append(reader)
    if len(ordered) < len(nodes):
        stuck = next(node for node in nodes if waiting[node])
        raise InconsistentModel(f"{stuck}: the graph has a cycle through it", where)
    return ordered


def _is_ordered(nodes: list[Node], makers: Mapping[str, Node]) -> bool:
    done: set[Node] = set()
    for node in nodes:
        if any(name in makers and makers[name] not in done for name in node.inputs):
            return False
        done.add(node)
    return True


def needed(nodes: list[Node], outputs: Iterable[str]) -> tuple[list[Node], set[str]]:
    """The nodes that outputs depend on, in order, and the names of all tensors that are read."""
    read = set(outputs)
    kept = []
    for node in reversed(nodes):
        if any(name in read for name in node.outputs if name):
            kept.append(node)
            read.update(filter(None, node.inputs))
    return kept[::-1], read
