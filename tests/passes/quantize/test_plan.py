"""Which layers become integer, which values share a type, and the form that networks have before."""

from __future__ import annotations

import numpy as np
import pytest

from plait.backends.reference import evaluate
from plait.ir.layer import Layer
from plait.ir.module import Module
from plait.ir.text import parse_module
from plait.ir.verify import verify
from plait.passes.quantize.plan import Plan, make_plan
from plait.passes.quantize.prepare import prepare

HEAD = """ir 1
const @w : f32[2x2x1x1] = [1.0, -0.5, 0.25, 2.0]
const @v : f32[2x2x1x1] = [0.5, 1.0, -1.0, 0.125]
const @b : f32[2] = [0.5, -0.25]
const @k : f32[1x2x1x1] = [0.5, 1.5]
"""


def parse(body: str) -> Module:
    return parse_module(HEAD + body)


def nothing(layer: Layer) -> bool:
    return False


def plan_of(body: str) -> Plan:
    return make_plan(parse(body).main, nothing)


def names(plan: Plan) -> list[str]:
    return [layer.results[0].name for layer in plan.integer]


def test_arithmetic_follows_where_all_that_it_reads_is_quantized() -> None:
    outputs = "%s: f32[1x2x4x4], %t: f32[1x2x4x4], %u: f32[1x2x4x4]"
    plan = plan_of(
        f"net @main(%x: f32[1x2x4x4], %z: f32[1x2x4x4]) -> ({outputs})"
        + """ {
      %c = conv2d(%x, @w, @b)
      %d = conv2d(%c, @v)
      %s = add(%c, %d)
      %t = add(%c, %z)
      %u = mul(%d, @k)
    }"""
    )
    assert names(plan) == ["c", "d", "s", "u"]
    (reason,) = plan.reasons.values()
    assert reason == "%z is in floats"


def test_what_stands_before_the_first_weights_stays_in_floats() -> None:
    plan = plan_of("""net @main(%x: f32[1x2x4x4]) -> (%c: f32[1x2x3x3]) {
      %p = max_pool2d(%x) {kernel = [2, 2]}
      %c = conv2d(%p, @w)
    }""")
    assert names(plan) == ["c"]


@pytest.mark.parametrize(
    ("layers", "shape", "reason"),
    [
        ("%y = softmax(%c) {axis = 1}", "1x2x4x4", "softmax has no rule for integers"),
        ("%y = reduce(%c) {fn = max, axes = [2, 3]}", "1x2x1x1", "fn = max has no rule for integers"),
        ("%y = pad(%c) {before = [0, 0, 1, 1], after = [0, 0, 0, 0], value = 2.0}", "1x2x5x5", "it pads with 2.0"),
        ("%y = conv2d(%c, %f)", "1x2x4x4", "its weight is computed"),
        ("%y = matmul(%c, %c)", "1x2x4x4", "its b is computed"),
    ],
)
def test_reasons(layers: str, shape: str, reason: str) -> None:
    plan = plan_of(f"""net @main(%x: f32[1x2x4x4], %f: f32[2x2x1x1]) -> (%y: f32[{shape}]) {{
      %c = conv2d(%x, @w)
      {layers}
    }}""")
    assert list(plan.reasons.values()) == [reason]


def test_weights_without_data_or_with_infinity() -> None:
    plan = plan_of("""const @i : f32[2x2x1x1] = [inf, 0.0, 0.0, 0.0]
    net @main(%x: f32[1x2x4x4]) -> (%c: f32[1x2x4x4]) {
      %c = conv2d(%x, @i)
    }""")
    assert list(plan.reasons.values()) == ["@i has elements that are not finite"]


def test_movements_pools_and_concatenations_share_a_type() -> None:
    plan = plan_of("""net @main(%x: f32[1x2x4x4]) -> (%r: f32[1x36], %m: f32[1x4x1x1]) {
      %c = conv2d(%x, @w)
      %d = conv2d(%x, @v)
      %j = concat(%c, %d)
      %p = max_pool2d(%j) {kernel = [2, 2]}
      %r = reshape(%p) {shape = [1, 36]}
      %m = global_avg_pool(%p)
    }""")
    groups = [[v.name for v in group] for group in plan.groups().values()]
    assert groups == [["x"], ["c", "d", "j", "p", "r"], ["m"]]
    assert [v.name for v in plan.observed()] == ["x", "c", "d", "m"]


PREPARED = """net @main(%x: f32[1x2x4x4]) -> (%y: f32[1x2x4x4]) {
  %c = conv2d(%x, @w, @b) {act = hard_swish}
  %s = squeeze_excite(%c, @v, @v, @b) {gate = hard_sigmoid(0.2, 0.5), act = relu}
  %n = scale_shift(%s, @b, @b) {act = leaky_relu(0.125)}
  %y = add(%n, %s) {act = clip(0.0, 1.0)}
}"""


def test_the_prepared_form_computes_the_same() -> None:
    module = parse(PREPARED)
    x = np.random.default_rng(0).standard_normal((1, 2, 4, 4)).astype(np.float32)
    wanted = evaluate(module, [x])["y"]
    prepare(module, nothing)
    verify(module)
    assert [layer.op for layer in module.main] == [
        *("conv2d", "hard_swish", "global_avg_pool", "conv2d", "conv2d", "hard_sigmoid", "mul"),
        *("conv2d", "leaky_relu", "add"),
    ]
    np.testing.assert_allclose(evaluate(module, [x])["y"], wanted, rtol=1e-6, atol=1e-7)
    assert not make_plan(module.main, nothing).reasons


def test_what_is_kept_is_not_taken_apart() -> None:
    module = parse(PREPARED)
    before = str(module)
    prepare(module, lambda layer: True)
    assert str(module) == before


def test_explicit_choices_share_types_as_the_whole_plan_does() -> None:
    module = parse("""net @main(%x: f32[1x2x4x4]) -> (%c: f32[1x2x3x3], %s: f32[1x2x4x4]) {
      %p = max_pool2d(%x) {kernel = [2, 2]}
      %c = conv2d(%p, @w)
      %s = add(%x, %x)
    }""")
    plan = make_plan(module.main, nothing, anywhere=True)
    assert names(plan) == ["p", "c", "s"]
    p, c, s = module.main
    some = plan.only([c, s])
    assert names(some) == ["c", "s"]
    assert some.reasons == {p: "it was not chosen"}
    assert some.leader(p.result) is plan.leader(p.result) is module.main.arguments[0]
    copy = module.clone()
    layers = dict(zip(module.main, copy.main, strict=True))
    values = dict(zip(module.main.body.values(), copy.main.body.values(), strict=True))
    twin = some.on(copy.main, layers, values)
    assert list(twin.integer) == [layers[c], layers[s]]
    assert twin.leader(values[p.result]) is copy.main.arguments[0]
