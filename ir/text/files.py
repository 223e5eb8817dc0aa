"""IR files on disk: the text, and beside it the weights as safetensors."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from plait.ir.diagnostics import Diagnostic, IRError
from plait.ir.files import write_text
from plait.ir.literals import is_inline
from plait.ir.module import Module
from plait.ir.text.parser import parse_module
from plait.ir.text.printer import print_module
from plait.ir.types import TensorType
from plait.ir.values import Array
from plait.ir.weights import read_weights, write_weights


def load_ir(path: str | Path, *, allow_unknown: bool = False, check: bool = True) -> Module:
    """Read an `.ir` file, or one of generic MLIR text, and map its weights.

    Raises:
        IRError: the text or the weights are not valid.
    """
    path = Path(path)
    try:
        text = path.read_text(encoding="utf-8-sig")  # some editors begin a file with a mark
    except UnicodeDecodeError:
        raise IRError(Diagnostic("P001", "not a text file", where=str(path))) from None
    except OSError as error:
        raise IRError(Diagnostic("P001", f"cannot read: {error.strerror}", where=str(path))) from None

    def loader(file: str, digest: str, declared: dict[str, TensorType]) -> dict[str, Callable[[], Array]]:
        return read_weights(path.parent, file, digest, declared)

    return parse_module(text, str(path), weights=loader, allow_unknown=allow_unknown, check=check)


def save_ir(module: Module, path: str | Path, *, locations: bool = True, generic: bool = False) -> None:
    """Write an `.ir` file, and its weights to a file of the same stem with suffix `.safetensors`. Both are written
    atomically.

    Args:
        locations: whether they are written. generic: write generic MLIR text instead (suffix `.mlir` by custom).
    """
    path = Path(path)
    external = [c for c in module.constants.values() if not is_inline(c.type)]
    digest = ""
    if external:
        module.weights_file = path.with_suffix(".safetensors").name
        digest = write_weights(path.parent / module.weights_file, {c.name: (c.type, c.data) for c in external})
    if generic:
        from plait.ir.generic import print_generic

        write_text(path, print_generic(module, locations=locations, weights_hash=digest))
    else:
        write_text(path, print_module(module, locations=locations, weights_hash=digest))
