"""Readers of model files. Each turns a file into an IR module and does nothing else."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from plait.frontends.errors import InconsistentModel, ModelError, UnsupportedModel

if TYPE_CHECKING:
    from plait.ir import Module

__all__ = ["InconsistentModel", "ModelError", "UnsupportedModel", "load_model"]

_HEAD = 4096


def load_model(path: str | Path, **options: Any) -> Module:
    """Read a model file of any known format; the content decides, then the suffix.

    Args:
        path: an ONNX file, or the text form of the IR (`.ir`).
        options: those of the reader: `plait.frontends.onnx.import_onnx` or `plait.ir.text.load_ir`.

    Raises:
        PlaitError: the file cannot be read, is inconsistent, or uses something unsupported.
    """
    path = Path(path)
    if is_ir_text(path):
        from plait.ir.text import load_ir

        return load_ir(path, **options)
    from plait.frontends.onnx import import_onnx

    return import_onnx(path, **options).module


def is_ir_text(path: Path) -> bool:
    """Whether a file is IR text: by its suffix, else by its first line."""
    if path.suffix == ".ir":
        return True
    try:
        with open(path, "rb") as file:
            head = file.read(_HEAD)
    except OSError:
        return False  # the reader of the suffix' format says what is wrong
    lines = (line.strip() for line in head.splitlines())
    first = next((line for line in lines if line and not line.startswith(b"//")), b"")
    return first.split()[:1] == [b"ir"] and first.split()[1:2] != [] and first.split()[1].isdigit()
