"""Pattern files: the reader gives records or an `IRError`."""

from __future__ import annotations

from engine import fuzz, instrumented

with instrumented():
    from plait.ir.diagnostics import IRError
    from plait.ir.text.records import Source
    from plait.ir.text.syntax import read


def target(text: str) -> None:
    try:
        read(text, Source("fuzz", text.splitlines()), "patterns")
    except IRError as error:
        assert all(d.render() for d in error.diagnostics)


if __name__ == "__main__":
    import corpus

    fuzz("pattern", target, corpus.patterns() or ["ir 1\n"], corpus.words())
