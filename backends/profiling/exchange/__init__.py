"""Measurements as files that other programs read: Parquet, CSV, JSON lines. What is written can be read back without
loss."""

from plait.backends.profiling.exchange.files import FORMATS, export_file, import_file

__all__ = ["FORMATS", "export_file", "import_file"]
