"""Published networks rebuilt from their papers, in a few lines each.

They have the published wiring and sizes, with normalisation and activation fused into what comes before; they were
not exported from code and may differ from it in details. Where a paper leaves a choice, the source is named with the
function.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from benchmarks.selection.graph import Graph, GraphBuilder
from benchmarks.selection.topologies.dense_prediction import (
    efficientdet_d0,
    hrnet_w32,
    unet,
    unet_plus_plus,
    yolov8,
)
from benchmarks.selection.topologies.families import encoder_block
from benchmarks.selection.topologies.searched import efficientnet_stages, nasnet_mobile


def inception_v3() -> Graph:
    """Szegedy et al. 2016 (arXiv 1512.00567): three kinds of modules, with factorised convolutions."""
    net = GraphBuilder()
    x = net.conv(net.conv(net.conv(net.image(299), 32, 3, 2), 32), 64)
    x = net.pool(net.conv(net.conv(net.pool(x), 80, 1), 192))
    for tail in (32, 64, 64):
        x = net.concat(
            net.conv(x, 64, 1),
            net.conv(net.conv(x, 48, 1), 64, 5),
            net.conv(net.conv(net.conv(x, 64, 1), 96), 96),
            net.conv(net.pool(x, 1), tail, 1),
        )
    x = net.concat(net.conv(x, 384, 3, 2), net.conv(net.conv(net.conv(x, 64, 1), 96), 96, 3, 2), net.pool(x))
    for c in (128, 160, 160, 192):
        y = _long(net, _long(net, net.conv(x, c, 1), c), c)
        x = net.concat(net.conv(x, 192, 1), _long(net, net.conv(x, c, 1), 192), y, net.conv(net.pool(x, 1), 192, 1))
    x = net.concat(
        net.conv(net.conv(x, 192, 1), 320, 3, 2), net.conv(_long(net, net.conv(x, 192, 1), 192), 192, 3, 2), net.pool(x)
    )
    for _ in range(2):
        a, b = net.conv(x, 384, 1), net.conv(net.conv(x, 448, 1), 384)
        wide = [_bar(net, y, 384, k) for y in (a, b) for k in ("1x3", "3x1")]
        x = net.concat(net.conv(x, 320, 1), *wide, net.conv(net.pool(x, 1), 192, 1))
    net.head(x)
    return net.build()


def _bar(net: GraphBuilder, x: int, channels: int, kernel: str) -> int:
    c, h, w = net.shapes[x]
    taps = max(map(int, kernel.split("x")))
    return net.add("conv", [x], (channels, h, w), 2.0 * c * channels * taps * h * w, f"k{kernel}s1")


def _long(net: GraphBuilder, x: int, channels: int) -> int:
    return _bar(net, _bar(net, x, channels, "1x7"), channels, "7x1")


def densenet121_nary() -> Graph:
    """Huang et al. 2017 (arXiv 1608.06993), each layer with one concat of all before it."""
    net = GraphBuilder()
    x = net.pool(net.conv(net.image(), 64, 7, 2))
    for block, layers in enumerate((6, 12, 24, 16)):
        features = [x]
        for _ in range(layers):
            y = net.concat(*features)
            features.append(net.conv(net.conv(net.join("scale_shift", y), 128, 1), 32))
        x = net.concat(*features)
        if block < 3:
            x = net.pool(net.conv(x, net.channels(x) // 2, 1))
    net.head(x)
    return net.build()


def efficientnet_b0() -> Graph:
    """Tan and Le 2019 (arXiv 1905.11946): inverted residuals with squeeze and excitation."""
    net = GraphBuilder()
    x = efficientnet_stages(net, net.image())[-1]
    net.head(net.conv(x, 1280, 1))
    return net.build()


def bert_12() -> Graph:
    """Devlin et al. 2019 (arXiv 1810.04805), base: twelve blocks that share a mask."""
    net = GraphBuilder()
    length, width = 128, 768
    x = net.add("embed", [net.input(1, length)], (width, length))
    mask = net.add("mask", [net.input(1, length)], (length, length))
    x = net.add("layer_norm", [x], (width, length))
    for _ in range(12):
        x = encoder_block(net, x, mask)
    return net.build()


def llama_16() -> Graph:
    """Touvron et al. 2023 (arXiv 2302.13971), sixteen blocks: rotary tables and a mask that all blocks read."""
    net = GraphBuilder()
    length, width, heads = 128, 2048, 32
    square = 2.0 * width * length * length
    tokens = net.input(1, length)
    x = net.add("embed", [tokens], (width, length))
    place = net.add("positions", [tokens], (width // heads, length))
    cos, sin = (net.add(op, [place], (width // heads, length)) for op in ("cos", "sin"))
    mask = net.add("mask", [tokens], (length, length))

    def turned(y: int) -> int:
        half = net.join("rotate_half", y)
        return net.join("add", net.add("mul", [y, cos], net.shapes[y]), net.add("mul", [half, sin], net.shapes[y]))

    for _ in range(16):
        y = net.add("rms_norm", [x], (width, length))
        query, key, value = turned(net.dense(y, width)), turned(net.dense(y, width // 4)), net.dense(y, width // 4)
        scores = net.add("matmul", [query, key], (heads, length, length), square, "qk")
        scores = net.add("add", [scores, mask], (heads, length, length))
        y = net.add("matmul", [net.join("softmax", scores), value], (width, length), square, "av")
        x = net.join("add", net.dense(y, width), x)
        y = net.add("rms_norm", [x], (width, length))
        gate, up = net.join("silu", net.dense(y, 4 * width)), net.dense(y, 4 * width)
        x = net.join("add", net.dense(net.join("mul", gate, up), width), x)
    net.dense(net.add("rms_norm", [x], (width, length)), 32000)
    return net.build()


def random_wired_ws() -> Graph:
    """Xie et al. 2019 (arXiv 1904.01569): three stages of 32 nodes wired as Watts-Strogatz graphs with four
    neighbours, p = 0.75."""
    net = GraphBuilder()
    random = np.random.default_rng(1)
    x = net.conv(net.conv(net.image(), 39, 3, 2), 78, 3, 2)
    for channels in (78, 156, 312):
        x = _small_world(net, x, channels, random)
    net.head(net.conv(x, 1280, 1))
    return net.build()


def _small_world(net: GraphBuilder, x: int, channels: int, random: np.random.Generator, nodes: int = 32) -> int:
    edges = set()
    for node in range(nodes):
        for step in (1, 2):
            other = (node + step) % nodes
            if random.random() < 0.75:
                other = int(random.choice([n for n in range(nodes) if n != node]))
            edges.add((min(node, other), max(node, other)))
    made: list[int] = []
    for node in range(nodes):
        read = [made[a] for a, b in sorted(edges) if b == node]
        made.append(net.separable(net.sum(*read), channels) if read else net.separable(x, channels, 3, 2))
    return net.sum(*(made[n] for n in range(nodes) if not any(a == n for a, _ in edges)))


RECONSTRUCTIONS: Mapping[str, Callable[[], Graph]] = {
    make.__name__: make
    for make in (
        inception_v3,
        efficientnet_b0,
        densenet121_nary,
        unet,
        unet_plus_plus,
        nasnet_mobile,
        efficientdet_d0,
        hrnet_w32,
        yolov8,
        bert_12,
        llama_16,
        random_wired_ws,
    )
}
