"""Modules, in the text form and in generic MLIR text: the reader gives a module or an `IRError`; what it accepts prints
in both forms, and reads back as the same text."""

from __future__ import annotations

from engine import fuzz, instrumented

with instrumented():
    import plait.ir.generic.reader  # noqa: F401  (parse_module imports it when it is needed)
    from plait.ir.diagnostics import CODES, IRError
    from plait.ir.generic import print_generic
    from plait.ir.text import parse_module, print_module


def target(text: str) -> None:
    for allow_unknown in (False, True):
        try:
            module = parse_module(text, "fuzz.ir", allow_unknown=allow_unknown)
        except IRError as error:
            for diagnostic in error.diagnostics:
                assert diagnostic.code in CODES and diagnostic.render()
                assert diagnostic.span is None or diagnostic.span.column <= diagnostic.span.end
            continue
        printed = print_module(module)
        for text_of in (printed, print_generic(module)):
            again = print_module(parse_module(text_of, "fuzz.ir", allow_unknown=allow_unknown))
            assert again == printed, f"printed:\n{text_of}\nread back:\n{again}"


if __name__ == "__main__":
    import corpus

    fuzz("parser", target, corpus.modules(), corpus.words())
