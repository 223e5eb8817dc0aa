"""Pipelines: the reader gives one or a `PlaitError`; what it accepts prints, and reads back as the same pipeline."""

from __future__ import annotations

from engine import fuzz, instrumented

with instrumented():
    from plait.ir.diagnostics import PlaitError
    from plait.passes.pipeline import Pipeline


def target(text: str) -> None:
    try:
        pipeline = Pipeline.parse(text, "fuzz")
    except PlaitError as error:
        assert all(d.render() for d in error.diagnostics)
        return
    printed = str(pipeline)
    again = Pipeline.parse(printed)
    assert str(again) == printed, f"{printed!r} reads back as {str(again)!r}"


if __name__ == "__main__":
    import corpus

    fuzz("pipeline", target, corpus.pipelines(), corpus.words())
