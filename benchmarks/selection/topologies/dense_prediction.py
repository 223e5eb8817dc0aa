"""Networks that look at images at several sizes: segmentation and detection."""

from __future__ import annotations

from benchmarks.selection.graph import Graph, GraphBuilder
from benchmarks.selection.topologies.searched import efficientnet_stages


def unet() -> Graph:
    """Ronneberger et al. 2015 (arXiv 1505.04597): four levels."""
    net = GraphBuilder()
    x, skips = net.image(256), []
    for level in range(4):
        x = net.conv(net.conv(x, 64 << level), 64 << level)
        skips.append(x)
        x = net.pool(x)
    x = net.conv(net.conv(x, 1024), 1024)
    for skip in reversed(skips):
        c = net.channels(skip)
        x = net.conv(net.conv(net.concat(skip, net.conv(net.resize(x), c, 1)), c), c)
    net.conv(x, 2, 1)
    return net.build()


def unet_plus_plus() -> Graph:
    """Zhou et al. 2018 (arXiv 1807.10165): five levels, all skips nested."""
    net = GraphBuilder()
    x, columns = net.image(256), []
    for level in range(5):
        x = net.conv(net.conv(x if level == 0 else net.pool(x), 32 << level), 32 << level)
        columns.append([x])
    for depth in range(1, 5):
        for level in range(5 - depth):
            c = 32 << level
            merged = net.concat(*columns[level], net.resize(columns[level + 1][depth - 1]))
            columns[level].append(net.conv(net.conv(merged, c), c))
    net.conv(columns[0][-1], 1, 1)
    return net.build()


def efficientdet_d0() -> Graph:
    """Tan et al. 2020 (arXiv 1911.09070): EfficientNet-B0, three BiFPN layers, heads on five levels."""
    net = GraphBuilder()
    stages = efficientnet_stages(net, net.image(512))
    levels = [net.conv(stages[n], 64, 1) for n in (2, 4, 6)]
    levels.append(net.pool(net.conv(stages[6], 64, 1)))
    levels.append(net.pool(levels[-1]))
    for _ in range(3):
        levels = _bifpn(net, levels)
    for level in levels:
        for channels in (810, 36):
            y = level
            for _ in range(3):
                y = net.separable(y, 64)
            net.separable(y, channels)
    return net.build()


def _bifpn(net: GraphBuilder, levels: list[int]) -> list[int]:
    down = [levels[-1]]
    for level in reversed(levels[:-1]):
        down.insert(0, net.separable(net.join("add", level, net.resize(down[0])), 64))
    made = [down[0]]
    for level, middle in zip(levels[1:-1], down[1:-1], strict=True):
        made.append(net.separable(net.add("add", [level, middle, net.pool(made[-1])], net.shapes[level]), 64))
    return [*made, net.separable(net.join("add", levels[-1], net.pool(made[-1])), 64)]


def hrnet_w32() -> Graph:
    """Sun et al. 2019 (arXiv 1902.09212): up to four branches that exchange after each module."""
    net = GraphBuilder()
    x = net.conv(net.conv(net.image(256), 64, 3, 2), 64, 3, 2)
    for _ in range(4):
        y = net.conv(net.conv(net.conv(x, 64, 1), 64), 256, 1)
        x = net.join("add", y, x if net.channels(x) == 256 else net.conv(x, 256, 1))
    branches = [net.conv(x, 32), net.conv(x, 64, 3, 2)]
    for modules, count in ((1, 2), (4, 3), (3, 4)):
        if len(branches) < count:
            branches.append(net.conv(branches[-1], 32 << (count - 1), 3, 2))
        for _ in range(modules):
            branches = _exchanged(net, [_blocks(net, b) for b in branches])
    net.conv(branches[0], 17, 1)
    return net.build()


def _blocks(net: GraphBuilder, x: int) -> int:
    c = net.channels(x)
    for _ in range(4):
        x = net.join("add", net.conv(net.conv(x, c), c), x)
    return x


def _exchanged(net: GraphBuilder, branches: list[int]) -> list[int]:
    """Every branch gets the sum of all, resampled to its size."""
    made = []
    for goal, own in enumerate(branches):
        terms = [own]
        for source, x in enumerate(branches):
            if source > goal:
                terms.append(net.resize(net.conv(x, 32 << goal, 1), 2 ** (source - goal)))
            for step in range(source, goal):
                x = net.conv(x, 32 << (goal if step == goal - 1 else source), 3, 2)
            if source < goal:
                terms.append(x)
        made.append(net.sum(*terms))
    return made


def yolov8() -> Graph:
    """YOLOv8s, after its published configuration: C2f blocks, a path aggregation network, decoupled heads."""
    net = GraphBuilder()
    x = net.conv(net.conv(net.image(640), 32, 3, 2), 64, 3, 2)
    x, levels = _c2f(net, x, 64, 1), []
    for channels, repeats in ((128, 2), (256, 2), (512, 1)):
        x = _c2f(net, net.conv(x, channels, 3, 2), channels, repeats)
        levels.append(x)
    p3, p4, p5 = levels
    p5 = _pooled_pyramid(net, p5, 512)
    up4 = _c2f(net, net.concat(net.resize(p5), p4), 256, 1, shortcut=False)
    up3 = _c2f(net, net.concat(net.resize(up4), p3), 128, 1, shortcut=False)
    out4 = _c2f(net, net.concat(net.conv(up3, 128, 3, 2), up4), 256, 1, shortcut=False)
    out5 = _c2f(net, net.concat(net.conv(out4, 256, 3, 2), p5), 512, 1, shortcut=False)
    for level in (up3, out4, out5):
        for width, channels in ((64, 64), (128, 80)):
            net.conv(net.conv(net.conv(level, width), width), channels, 1)
    return net.build()


def _c2f(net: GraphBuilder, x: int, channels: int, repeats: int, shortcut: bool = True) -> int:
    _, h, w = net.shapes[x]
    half = channels // 2
    parts = list(net.add_many("split", [net.conv(x, channels, 1)], [(half, h, w)] * 2))
    for _ in range(repeats):
        y = net.conv(net.conv(parts[-1], half), half)
        parts.append(net.join("add", parts[-1], y) if shortcut else y)
    return net.conv(net.concat(*parts), channels, 1)


def _pooled_pyramid(net: GraphBuilder, x: int, channels: int) -> int:
    parts = [net.conv(x, channels // 2, 1)]
    for _ in range(3):
        parts.append(net.pool(parts[-1], 1))
    return net.conv(net.concat(*parts), channels, 1)
