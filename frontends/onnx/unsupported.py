"""Collects everything in a model that is not supported, so that one message names it all."""

from __future__ import annotations

import attrs

from plait.frontends.errors import UnsupportedModel
from plait.frontends.onnx.registry import NEWEST_OPSET, supported_operators, versions_of
from plait.ir.diagnostics import did_you_mean


class Unsupported(Exception):
    """Raised while a node is converted: why this use of the operator is not supported."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


@attrs.define
class _Row:
    operator: str
    domain: str
    opset: int
    reason: str
    first: str
    count: int = 0


class Findings:
    """Unsupported uses, grouped by operator, domain, opset and reason."""

    def __init__(self) -> None:
        self._rows: dict[tuple[str, str, int, str], _Row] = {}

    def __bool__(self) -> bool:
        return bool(self._rows)

    def add(self, operator: str, domain: str, opset: int, node: str, reason: str) -> None:
        """Note one use."""
        row = self._rows.setdefault(
            (operator, domain, opset, reason), _Row(operator, domain or "ai.onnx", opset, reason, node)
        )
        row.count += 1

    def error(self, where: str) -> UnsupportedModel:
        """The error that lists everything."""
        head = ("operator", "domain", "opset", "count", "first node", "why")
        rows = [head] + [
            (r.operator, r.domain, str(r.opset), str(r.count), r.first, r.reason) for r in self._rows.values()
        ]
        widths = [max(len(row[i]) for row in rows) for i in range(5)]
        table = "\n".join(
            "  " + "  ".join([*(c.ljust(w) for c, w in zip(row[:5], widths, strict=True)), row[5]]) for row in rows
        )
        kinds = len(self._rows)
        return UnsupportedModel(
            f"the model uses {kinds} thing{'s' if kinds > 1 else ''} that {'are' if kinds > 1 else 'is'} "
            f"not supported\n{table}",
            where,
        )


def missing_converter(op: str, domain: str, opset: int) -> str:
    """Why there is no converter, with the closest thing that there is."""
    if not domain and opset > NEWEST_OPSET:
        return f"opset {opset} is newer than {NEWEST_OPSET}, the newest supported"
    if ranges := versions_of(op, domain):
        return "supported in opset " + ", ".join(f"{a} to {b}" for a, b in ranges)
    if domain and versions_of(op):
        return f"no converter; ai.onnx has a supported {op}"
    hint = did_you_mean(op, supported_operators(domain))
    return f"no converter; {hint}" if hint else "no converter"
