"""An ONNX file as plain records, for interpreters of the few operators that the benchmark's networks have."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.peers.engines.base import Array, package


@dataclass(frozen=True)
class Node:
    """One operator with its attributes; every one of these networks' has a single result."""

    op: str
    inputs: tuple[str, ...]
    output: str
    attributes: dict[str, Any] = field(repr=False)

    def square(self, name: str, default: int) -> int:
        """An attribute with one number for height and width.

        Raises:
            ValueError: the numbers differ.
        """
        numbers = set(self.attributes.get(name, [default]))
        if len(numbers) != 1:
            raise ValueError(f"{self.op} {self.output}: {name} {sorted(numbers)} are not one number")
        return int(numbers.pop())


@dataclass(frozen=True)
class Graph:
    """Nodes in order, weights by name, and the shapes of all values."""

    nodes: tuple[Node, ...]
    weights: dict[str, Array]
    shapes: dict[str, tuple[int, ...]]
    input: str
    output: str

    def variable(self, node: Node) -> list[str]:
        """The inputs of a node that are no weights."""
        return [name for name in node.inputs if name not in self.weights]


def read_graph(path: Path) -> Graph:
    """The graph of an ONNX file with one input and one output."""
    onnx = package("onnx")
    graph = onnx.shape_inference.infer_shapes(onnx.load(str(path))).graph
    value = onnx.helper.get_attribute_value
    nodes = tuple(
        Node(n.op_type, tuple(n.input), n.output[0], {a.name: value(a) for a in n.attribute}) for n in graph.node
    )
    weights = {t.name: onnx.numpy_helper.to_array(t) for t in graph.initializer}
    shapes = {
        v.name: tuple(d.dim_value for d in v.type.tensor_type.shape.dim)
        for v in (*graph.input, *graph.value_info, *graph.output)
    }
    return Graph(nodes, weights, shapes, graph.input[0].name, graph.output[0].name)
