"""ONNX files (opsets 1 to 28) to IR modules."""

from plait.frontends.onnx.importer import FOLD_LIMIT, ImportResult, import_onnx
from plait.frontends.onnx.registry import Converter, converter, supported_operators
from plait.frontends.onnx.report import ImportReport

__all__ = ["FOLD_LIMIT", "Converter", "ImportReport", "ImportResult", "converter", "import_onnx", "supported_operators"]
