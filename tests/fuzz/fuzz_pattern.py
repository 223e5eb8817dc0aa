"""Pattern files: what they mean, or an `IRError`."""

from __future__ import annotations

from engine import fuzz, instrumented

with instrumented():
    from plait.ir.diagnostics import IRError
    from plait.ir.text import parse_module
    from plait.ir.verify import verify
    from plait.passes.base import PassContext
    from plait.passes.patterns.files import parse_patterns
    from plait.passes.rewriting.driver import rewrite_module
    from plait.passes.rewriting.errors import RewriteLoop

NET = """ir 1
const @k : f32[4] = [1, 1, 1, 1]
const @zero : f32[] = 0
const @w : f32[4x4x1x1] = [1, 2, 3, 4, 5, 6, 7, 8, 1, 2, 3, 4, 5, 6, 7, 8]
net @main(%x: f32[Nx4x6x6] nchw) -> (%y: f32[Nx4x6x6] nchw, %c: f32[Nx12x6x6] nchw) {
  %a = conv2d(%x, @w, @k)
  %b = relu(%a)
  %d = add(%b, @zero)
  %e = sigmoid(%d)
  %f = mul(%d, %e)
  %g = maximum(%f, %f)
  %p, %q = split(%g) {sizes = [1, 3]}
  %c = concat(%d, %f, %p, %q)
  %y = clip(%g) {low = 0, high = 6}
}
"""


def target(text: str) -> None:
    try:
        patterns = parse_patterns(text, "fuzz")
    except IRError as error:
        assert all(d.render() for d in error.diagnostics)
        return
    module = parse_module(NET)
    try:
        rewrite_module(module, patterns, PassContext())
    except RewriteLoop:
        return
    verify(module)


if __name__ == "__main__":
    import corpus

    fuzz("pattern", target, corpus.patterns() or ["ir 1\n"], corpus.words())
