"""Modules as generic MLIR text, for tools that know MLIR but not this compiler: `print_generic` writes it, and
`plait.ir.text.parse_module` and `load_ir` read it as they read the text form."""

from plait.ir.generic.printer import print_generic

__all__ = ["print_generic"]
