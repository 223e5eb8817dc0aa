"""Pattern files: reading them into patterns for the rewrite driver."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from plait.ir.diagnostics import Diagnostic, IRError, did_you_mean
from plait.ir.text.patterns import PatternsSyntax, RewriteSyntax
from plait.ir.text.records import Source
from plait.ir.text.syntax import BadLiteral, key_of, plain, read
from plait.passes.patterns.declarative import DeclarativePattern
from plait.passes.patterns.matching import MatchCompiler
from plait.passes.patterns.replacing import ReplacementCompiler
from plait.passes.patterns.report import Report, key


def load_patterns(path: str | Path) -> list[DeclarativePattern]:
    """The patterns of a file, in its order.

    Raises:
        IRError: the file cannot be read (P001), or every error in it, each with its place.
    """
    return parse_patterns(read_text(path), str(path))


def read_text(path: str | Path) -> str:
    """The text of a pattern file.

    Raises:
        IRError: P001, the file cannot be read.
    """
    try:
        return Path(path).read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not text in UTF-8"
        raise IRError(Diagnostic("P001", f"cannot read pattern file {str(path)!r}: {reason}")) from None


def parse_patterns(text: str, file: str = "<patterns>") -> list[DeclarativePattern]:
    """The patterns in a text, in its order; `file` is its name for diagnostics.

    Raises:
        IRError: every error found, each with its place.
    """
    source = Source.of(file, text)
    syntax: PatternsSyntax = read(text, source, "patterns")
    report = Report(source)
    if str(syntax.version) != "1":
        message = f"text form version {syntax.version} is not supported"
        report.error("P005", syntax.version, message, "this is version 1")
    patterns: dict[str, DeclarativePattern | None] = {}
    for rewrite in syntax.rewrites:
        # Its own report: a pattern is made if it has no errors, whatever others have.
        own = Report(source)
        try:
            name = key(rewrite.name)[1:]
            if name in patterns:
                own.error("P002", rewrite.name, f"rewrite {rewrite.name} is defined twice")
            patterns[name] = _compile(rewrite, own)
        except BadLiteral as error:
            own.error("P006", error.fault.at(rewrite.name), error.fault.message)
        report.errors += own.errors
    if report.errors:
        raise IRError(report.errors)
    return [p for p in patterns.values() if p is not None]


def _compile(syntax: RewriteSyntax, report: Report) -> DeclarativePattern | None:
    benefit = _options(syntax, report).get("benefit", 1)
    match = MatchCompiler(report, syntax)
    graph = match.compile()
    replacement = ReplacementCompiler(report, match).compile(syntax.replacement) if syntax.match else None
    if graph is None or replacement is None or report.errors:
        return None
    span = report.source.span(syntax.name)
    return DeclarativePattern(key(syntax.name)[1:], (graph.root.cls,), graph, replacement, benefit, span)


def _options(syntax: RewriteSyntax, report: Report) -> dict[str, Any]:
    """The options of a `rewrite`: its benefit."""
    options: dict[str, Any] = {}
    for option in syntax.options:
        name, value = key_of(option.name), plain(option.value)
        if name != "benefit":
            report.error("P102", option.name, f"a rewrite has no option {name!r}", did_you_mean(name, ["benefit"]))
        elif isinstance(value, bool) or not isinstance(value, int):
            report.error("P102", option.name, "benefit wants an integer")
        else:
            options[name] = value
    return options
