"""What can be wrong with a model file. All frontends raise these; the command line returns their `exit_code`."""

from __future__ import annotations

from plait.ir.diagnostics import Diagnostic, PlaitError


class ModelError(PlaitError):
    """P301: the file cannot be read, or is not a model."""

    exit_code = 4

    def __init__(self, message: str, where: str = "", hint: str = "") -> None:
        super().__init__(Diagnostic("P301", message, where=where, hint=hint))


class UnsupportedModel(PlaitError):
    """P302: the model is well formed but uses something that Plait does not support, all of it named at once."""

    exit_code = 4

    def __init__(self, message: str, where: str = "", hint: str = "") -> None:
        super().__init__(Diagnostic("P302", message, where=where, hint=hint))


class InconsistentModel(PlaitError):
    """P303: the model contradicts itself or the options of the import."""

    exit_code = 4

    def __init__(self, message: str, where: str = "", hint: str = "") -> None:
        super().__init__(Diagnostic("P303", message, where=where, hint=hint))
