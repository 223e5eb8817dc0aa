"""What an import did, in numbers."""

from __future__ import annotations

import attrs


@attrs.define
class ImportReport:
    """Counts and origins of one import. `str(report)` is a short text for people."""

    file: str
    producer: str
    ir_version: int
    opset: int
    nodes: int = 0
    """Nodes of the graph."""
    dead_nodes: int = 0
    """Nodes that no output needs; they were left out."""
    layers: int = 0
    """Layers of the module."""
    constants: int = 0
    """Constants of the module."""
    constant_bytes: int = 0
    folded_nodes: int = 0
    """Nodes that gave only constants or shapes."""
    initializer_inputs: int = 0
    """Initializers that are also graph inputs: taken as constants, so callers cannot override them."""
    symbols: tuple[str, ...] = ()
    """Names of the symbolic dimensions that stay open."""
    notes: list[str] = attrs.field(factory=list)

    def __str__(self) -> str:
        lines = [
            f"{self.file}: {self.producer or 'unknown producer'}, IR version {self.ir_version}, opset {self.opset}",
            f"  {self.nodes} nodes -> {self.layers} layers, {self.constants} constants, "
            f"{self.constant_bytes / 1e6:.1f} MB",
        ]
        if self.folded_nodes or self.dead_nodes:
            lines.append(f"  {self.folded_nodes} nodes folded, {self.dead_nodes} not needed by any output")
        if self.initializer_inputs:
            lines.append(f"  {self.initializer_inputs} initializers are also inputs; taken as constants")
        if self.symbols:
            lines.append(f"  symbolic dimensions: {', '.join(self.symbols)}")
        return "\n".join(lines + [f"  {note}" for note in self.notes])
