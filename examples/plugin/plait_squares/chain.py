"""A frontend for files that name a type, then a layer on each line, applied to the result of the one before."""

from pathlib import Path

from plait.frontends import register_frontend
from plait.ir import Module
from plait.ir.text import parse_module


@register_frontend(".chain")
def load(path: Path) -> Module:
    """The chain as a module."""
    first, *layers = filter(None, path.read_text().splitlines())
    body = "".join(f"  %v{i + 1} = {layer}(%v{i})\n" for i, layer in enumerate(layers))
    return parse_module(f"ir 1\nnet @main(%v0: {first}) -> (%v{len(layers)}: {first}) {{\n{body}}}\n", str(path))
