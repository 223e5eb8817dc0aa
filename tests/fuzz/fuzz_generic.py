"""Generic MLIR text: the reader gives a module or an `IRError`; what it accepts prints and reads back as the same."""

from __future__ import annotations

from engine import fuzz, instrumented

with instrumented():
    from plait.ir.diagnostics import IRError
    from plait.ir.generic import print_generic
    from plait.ir.text import parse_module


def target(text: str) -> None:
    for allow_unknown in (False, True):
        try:
            module = parse_module(text, "fuzz.mlir", allow_unknown=allow_unknown)
        except IRError as error:
            assert all(d.render() for d in error.diagnostics)
            continue
        printed = print_generic(module)
        again = print_generic(parse_module(printed, "fuzz.mlir", allow_unknown=allow_unknown))
        assert again == printed, f"printed:\n{printed}\nread back:\n{again}"


def seeds() -> list[str]:
    """The modules that other harnesses begin with, those that are valid, as generic text."""
    import corpus

    found = []
    for text in corpus.modules():
        try:
            found.append(print_generic(parse_module(text, allow_unknown=True)))
        except IRError:
            continue
    return found


if __name__ == "__main__":
    import corpus

    fuzz("generic", target, seeds(), corpus.words())
