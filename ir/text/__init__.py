"""The text form: `parse_module` reads it, `print_module` writes it, `load_ir` and `save_ir` do so with files and
weights."""

from plait.ir.text.files import load_ir, save_ir
from plait.ir.text.parser import parse_attributes, parse_module
from plait.ir.text.printer import layer_text, print_module

__all__ = ["layer_text", "load_ir", "parse_attributes", "parse_module", "print_module", "save_ir"]
