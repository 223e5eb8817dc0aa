"""Readers of model files. Each turns a file into an IR module and does nothing else."""

from __future__ import annotations

import codecs
from pathlib import Path
from typing import TYPE_CHECKING, Any

from plait.frontends.errors import InconsistentModel, ModelError, UnsupportedModel
from plait.frontends.registry import frontend_of, known_suffixes, register_frontend

if TYPE_CHECKING:
    from plait.ir import Module

__all__ = [
    "InconsistentModel",
    "ModelError",
    "UnsupportedModel",
    "frontend_of",
    "known_suffixes",
    "load_model",
    "register_frontend",
]

_HEAD = 4096


def load_model(path: str | Path, **options: Any) -> Module:
    """Read a model file of any known format; the content decides, then the suffix.

    Args:
        path: an ONNX file, the text form of the IR (`.ir`), generic MLIR text (`.mlir`), or a file for a registered
            frontend.
        options: those of the reader: `plait.frontends.onnx.import_onnx` or `plait.ir.text.load_ir`; others take none.

    Raises:
        PlaitError: the file cannot be read, is inconsistent, or uses something unsupported.
    """
    path = Path(path)
    if is_ir_text(path):
        from plait.ir.text import load_ir

        return load_ir(path, **options)
    if (frontend := frontend_of(path)) is not None:
        return frontend.read(path)
    from plait.frontends.onnx import import_onnx

    return import_onnx(path, **options).module


def is_ir_text(path: Path) -> bool:
    """Whether a file is IR text, be it generic MLIR text: by its suffix, else by its first line."""
    if path.suffix == ".ir" or (path.suffix == ".mlir" and frontend_of(path) is None):
        return True
    try:
        with open(path, "rb") as file:
            head = file.read(_HEAD).removeprefix(codecs.BOM_UTF8)
    except OSError:
        return False  # the reader of the suffix' format says what is wrong
    lines = (line.strip() for line in head.splitlines())
    first = next((line for line in lines if line and not line.startswith(b"//")), b"")
    if first.startswith(b'"builtin.module"'):
        return True
    return first.split()[:1] == [b"ir"] and first.split()[1:2] != [] and first.split()[1].isdigit()


def is_onnx(path: Path) -> bool:
    """Whether the ONNX importer reads a file: it takes everything that nobody else does."""
    return not is_ir_text(path) and frontend_of(path) is None
