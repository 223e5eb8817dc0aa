"""Layers that stand for several: separable convolutions, squeeze and excitation."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from routine_cases.case import ACTS, CHANNELS, Case, arg, const, make


def _separable(
    shape: tuple[int, ...],
    out: int,
    kernel: tuple[int, int],
    *,
    biases: bool = True,
    residual: bool = False,
    **attributes: Any,
) -> Case:
    c = shape[1]
    vectors = [const(c), const(out)] if biases else [None, None]
    operands = [arg(*shape), const(c, 1, *kernel), const(out, c, 1, 1), *vectors, None]
    if residual:
        plain = make("separable_conv2d", operands, **{k: v for k, v in attributes.items() if not k.endswith("act")})
        operands[5] = arg(*plain.layer.result.type.static_shape)
    return make("separable_conv2d", operands, **attributes)


def separable_conv2d() -> Iterator[Case]:
    for i, c in enumerate(CHANNELS):
        out, s = CHANNELS[(i + 4) % len(CHANNELS)], 1 + i % 2
        yield _separable((1 + 2 * (i % 2), c, 9, 11), out, (3, 3), pad=(1, 1, 1, 1), stride=(s, s), biases=i % 3 > 0)
        yield _separable((1, c, 15, 6), out, (5, 5), pad=(2, 2, 2, 2), stride=(3 - s, 1), depthwise_act="relu6")
        yield _separable((1, c, 8, 9), out, (3, 2), pad=(0, 2, 1, 0), dilation=(2, 1), residual=True, act="relu")
    for i, act in enumerate(ACTS):
        yield _separable((1, 24, 7, 7), 40, (3, 3), pad=(1, 1, 1, 1), residual=i % 2 > 0, act=act)
        yield _separable((3, 17, 1, 5), 16, (1, 3), depthwise_act=act if isinstance(act, str) else "tanh")
    for width in (1, 13, 14, 15, 29):
        yield _separable((2, 33, 14, width), 130, (3, 3), pad=(1, 1, 1, 1), depthwise_act="hard_swish")
    yield _separable((1, 160, 40, 41), 16, (3, 3), pad=(1, 1, 1, 1))  # several bands, the last of fewer rows
    yield _separable((1, 5, 3, 3), 16, (7, 7), pad=(3, 3, 3, 3))
    yield make("separable_conv2d", [arg(1, 3, 4, 5), arg(3, 1, 3, 3), const(8, 3, 1, 1)])
    yield make("separable_conv2d", [const(1, 3, 4, 5), const(3, 1, 3, 3), const(8, 3, 1, 1)])


def squeeze_excite() -> Iterator[Case]:
    def gated(n: int, c: int, few: int, h: int, w: int, biases: bool = True, **attributes: Any) -> Case:
        weights = [const(few, c, 1, 1), const(c, few, 1, 1)]
        return make(
            "squeeze_excite", [arg(n, c, h, w), *weights, *([const(few), const(c)] if biases else [])], **attributes
        )

    for i, c in enumerate(CHANNELS):
        few, gate = (1, 5, 16, 33)[i % 4], ("sigmoid", ("hard_sigmoid", 0.1, 0.5))[i % 2]
        for plane in ((1, 1), (2, 1), (7, 7), (3, 5), (14, 9)):
            yield gated(1 + 2 * (i % 2), c, few, *plane, biases=i % 3 > 0, gate=gate)
    for act in ACTS:
        yield gated(1, 24, 8, 5, 6, reduce_act="silu", gate="hard_swish", act=act)
    yield make("squeeze_excite", [arg(1, 16, 3, 3), const(4, 16, 1, 1), arg(16, 4, 1, 1)])
    yield make("squeeze_excite", [const(1, 16, 3, 3), const(4, 16, 1, 1), const(16, 4, 1, 1)])


KINDS = {"separable_conv2d": separable_conv2d, "squeeze_excite": squeeze_excite}
