"""Synthetic families: graphs of one shape and of any length."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TypeAlias

import numpy as np

from benchmarks.selection.graph import Graph, GraphBuilder

Random: TypeAlias = np.random.Generator


def _stem(size: int = 128, channels: int = 32) -> tuple[GraphBuilder, int]:
    net = GraphBuilder()
    return net, net.conv(net.image(size), channels, 3, 2)


def _pick(random: Random, *numbers: int) -> int:
    return int(random.choice(numbers))


def chain(layers: int, random: Random) -> Graph:
    """One layer after the other."""
    net, x = _stem()
    while len(net.nodes) < layers:
        x = net.conv(x, _pick(random, 32, 48, 64, 96), _pick(random, 1, 3, 5))
    return net.build()


def residual(layers: int, random: Random) -> Graph:
    """Bottleneck blocks with shortcuts."""
    net, x = _stem()
    while len(net.nodes) < layers:
        c = net.channels(x)
        if random.random() < 0.15 and net.shapes[x][1] > 8:
            y = net.conv(net.conv(net.conv(x, c // 2, 1), c // 2, 3, 2), 2 * c, 1)
            x = net.join("add", y, net.conv(x, 2 * c, 1, 2))
        else:
            x = net.join("add", net.conv(net.conv(net.conv(x, c // 4, 1), c // 4), c, 1), x)
    return net.build()


def inception(layers: int, random: Random) -> Graph:
    """Parallel branches of different length into one concat."""
    net, x = _stem()
    while len(net.nodes) < layers:
        branches = [net.conv(x, 32, 1)]
        for _ in range(_pick(random, 2, 3)):
            y = net.conv(x, 24, 1)
            for _ in range(_pick(random, 1, 2)):
                y = net.conv(y, 32, _pick(random, 3, 5))
            branches.append(y)
        x = net.concat(*branches)
    return net.build()


def dense(layers: int, random: Random) -> Graph:
    """Dense blocks, concats two at a time."""
    net, x = _stem()
    while len(net.nodes) < layers:
        for _ in range(_pick(random, 4, 6, 8)):
            x = net.concat(x, net.conv(net.conv(x, 64, 1), 16))
        x = net.conv(x, 32, 1)
    return net.build()


def encoder_decoder(layers: int, random: Random) -> Graph:
    """Encoder and decoder with skips of all lengths: depth grows with the number of layers, up to 5."""
    net, x = _stem(256)
    skips = []
    for level in range(min(5, max(1, layers // 9))):
        x = net.conv(net.conv(x, 16 << level), 16 << level)
        skips.append(x)
        x = net.pool(x)
    while len(net.nodes) < layers - 4 * len(skips):
        x = net.conv(x, _pick(random, 128, 256))
    for skip in reversed(skips):
        x = net.concat(skip, net.resize(x))
        x = net.conv(net.conv(x, net.channels(skip)), net.channels(skip))
    return net.build()


def cells(layers: int, random: Random) -> Graph:
    """Cells as architecture search finds them: each reads the two cells before it."""
    net, x = _stem(64)
    before, now = x, net.conv(x, 32)
    while len(net.nodes) < layers:
        states = [net.conv(before, 32, 1), net.conv(now, 32, 1)]
        for _ in range(4):
            a, b = (states[int(n)] for n in random.integers(0, len(states), 2))
            a = net.separable(a, 32, _pick(random, 3, 5))
            states.append(net.join("add", a, b if random.random() < 0.3 else net.depthwise(b)))
        before, now = now, net.concat(*states[2:])
    return net.build()


def pyramid(layers: int, random: Random) -> Graph:
    """Feature pyramids, up and down again and again."""
    net, x = _stem(256, 48)
    levels = [x := net.conv(x, 48, 3, 2) for _ in range(4)]
    while len(net.nodes) < layers:
        down = [levels[-1]]
        for level in reversed(levels[:-1]):
            down.insert(0, net.separable(net.join("add", level, net.resize(down[0])), 48))
        levels_in, levels = levels, [down[0]]
        for level, middle in zip(levels_in[1:], down[1:], strict=True):
            levels.append(net.separable(net.sum(level, middle, net.pool(levels[-1])), 48, _pick(random, 3, 5)))
    return net.build()


def attention(layers: int, random: Random) -> Graph:
    """Encoder blocks that all read one mask."""
    net = GraphBuilder()
    length, width = 128, 64 * _pick(random, 4, 6, 8)
    x = net.add("embed", [net.input(1, length)], (width, length))
    mask = net.add("mask", [net.input(1, length)], (length, length))
    while len(net.nodes) < layers:
        x = encoder_block(net, x, mask)
    return net.build()


def encoder_block(net: GraphBuilder, x: int, mask: int) -> int:
    """Attention and a perceptron, each with shortcut and normalisation."""
    width, length = net.shapes[x]
    heads = max(1, width // 64)
    square = 2.0 * width * length * length
    query, key, value = (net.dense(x, width) for _ in range(3))
    scores = net.add("matmul", [query, key], (heads, length, length), square, "qk")
    weights = net.add("softmax", [net.add("add", [scores, mask], (heads, length, length))], (heads, length, length))
    y = net.dense(net.add("matmul", [weights, value], (width, length), square, "av"), width)
    x = net.add("layer_norm", [net.join("add", y, x)], (width, length))
    y = net.dense(net.add("gelu", [net.dense(x, 4 * width)], (4 * width, length)), width)
    return net.add("layer_norm", [net.join("add", y, x)], (width, length))


def random_wired(layers: int, random: Random) -> Graph:
    """Layers that read one to three of the dozen before them."""
    net, x = _stem(64)
    made = [x]
    while len(net.nodes) < layers:
        recent = made[-12:]
        read = sorted(set(random.choice(recent, _pick(random, 1, 2, 3)).tolist()))
        made.append(net.conv(net.sum(*read), 32, _pick(random, 1, 3)))
    return net.build()


def multi_output(layers: int, random: Random) -> Graph:
    """Channels are split, and parts take ways of different length."""
    net, x = _stem()
    while len(net.nodes) < layers:
        c, h, w = net.shapes[x]
        left, right = net.add_many("split", [x], [(c // 2, h, w), (c - c // 2, h, w)])
        for _ in range(_pick(random, 1, 2, 3)):
            right = net.conv(right, c - c // 2, _pick(random, 1, 3))
        x = net.concat(left, right)
    return net.build()


def fan_out(layers: int, random: Random) -> Graph:
    """Stress: one value that half of all layers read."""
    net, x = _stem()
    while len(net.nodes) < layers:
        net.join("add", net.conv(x, 32, _pick(random, 1, 3, 5)), x)
    return net.build()


def wide_concat(layers: int, random: Random) -> Graph:
    """Stress: dense blocks whose concats read all layers before them at once."""
    net, x = _stem(64)
    while len(net.nodes) < layers:
        features = [x]
        for _ in range(_pick(random, 5, 6, 7)):
            features.append(net.conv(net.concat(*features), 16))
        x = net.conv(net.concat(*features), 32, 1)
    return net.build()


def grid(layers: int, random: Random) -> Graph:
    """Stress: parallel branches that all exchange at every step (a grid, and wide)."""
    net, x = _stem(64)
    branches = [net.conv(x, 32, _pick(random, 1, 3)) for _ in range(5)]
    while len(net.nodes) < layers:
        branches = [
            net.conv(net.join("add", b, branches[n - 1]), 32, _pick(random, 1, 3)) for n, b in enumerate(branches)
        ]
    return net.build()


FAMILIES: Mapping[str, Callable[[int, Random], Graph]] = {
    make.__name__: make
    for make in (
        chain,
        residual,
        inception,
        dense,
        encoder_decoder,
        cells,
        pyramid,
        attention,
        random_wired,
        multi_output,
    )
}
STRESS: Mapping[str, Callable[[int, Random], Graph]] = {make.__name__: make for make in (fan_out, wide_concat, grid)}
