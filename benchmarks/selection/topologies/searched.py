"""Networks found by architecture search."""

from __future__ import annotations

from benchmarks.selection.graph import Graph, GraphBuilder


def efficientnet_stages(net: GraphBuilder, image: int) -> list[int]:
    """The seven stages of EfficientNet-B0 (Tan and Le 2019, arXiv 1905.11946); the last value of each."""
    x = net.conv(image, 32, 3, 2)
    stages = []
    for expand, c, layers, stride, kernel in (
        (1, 16, 1, 1, 3),
        (6, 24, 2, 2, 3),
        (6, 40, 2, 2, 5),
        (6, 80, 3, 2, 3),
        (6, 112, 3, 1, 5),
        (6, 192, 4, 2, 5),
        (6, 320, 1, 1, 3),
    ):
        for n in range(layers):
            x = _inverted_residual(net, x, c, expand, kernel, stride if n == 0 else 1)
        stages.append(x)
    return stages


def _inverted_residual(net: GraphBuilder, x: int, channels: int, expand: int, kernel: int, stride: int) -> int:
    y = net.conv(x, expand * net.channels(x), 1) if expand > 1 else x
    y = net.depthwise(y, kernel, stride)
    gate = net.add("global_pool", [y], (net.channels(y), 1))
    gate = net.dense(net.dense(gate, max(4, net.channels(x) // 4)), net.channels(y))
    y = net.conv(net.add("mul", [y, gate], net.shapes[y]), channels, 1)
    return net.join("add", y, x) if stride == 1 and net.channels(x) == channels else y


def nasnet_mobile() -> Graph:
    """NASNet-A 4 @ 1056 (Zoph et al. 2018, arXiv 1707.07012): cells that read the two cells before them."""
    net = GraphBuilder()
    before = net.conv(net.image(), 32, 3, 2)
    now = _reduction(net, before, before, 11)
    before, now = now, _reduction(net, before, now, 22)
    for stage, channels in enumerate((44, 88, 176)):
        if stage:
            before, now = now, _reduction(net, before, now, channels)
        for _ in range(4):
            before, now = now, _normal(net, before, now, channels)
    net.head(now)
    return net.build()


def _twice(net: GraphBuilder, x: int, channels: int, kernel: int, stride: int = 1) -> int:
    """Separable convolutions come in pairs."""
    return net.separable(net.separable(x, channels, kernel, stride), channels, kernel)


def _fitted(net: GraphBuilder, x: int, size: int, channels: int) -> int:
    """The older of two cells, in the size of the newer one: two shifted poolings where it is larger."""
    if net.shapes[x][1] == size:
        return net.conv(x, channels, 1)
    return net.concat(*(net.conv(net.pool(x), channels // 2, 1) for _ in range(2)))


def _normal(net: GraphBuilder, before: int, now: int, channels: int) -> int:
    p, h = _fitted(net, before, net.shapes[now][1], channels), net.conv(now, channels, 1)
    return net.concat(
        p,
        net.join("add", _twice(net, h, channels, 5), _twice(net, p, channels, 3)),
        net.join("add", _twice(net, p, channels, 5), _twice(net, p, channels, 3)),
        net.join("add", net.pool(h, 1), p),
        net.join("add", net.pool(p, 1), net.pool(p, 1)),
        net.join("add", _twice(net, h, channels, 3), h),
    )


def _reduction(net: GraphBuilder, before: int, now: int, channels: int) -> int:
    p, h = _fitted(net, before, net.shapes[now][1], channels), net.conv(now, channels, 1)
    a = net.join("add", _twice(net, h, channels, 5, 2), _twice(net, p, channels, 7, 2))
    b = net.join("add", net.pool(h), _twice(net, p, channels, 7, 2))
    c = net.join("add", net.pool(h), _twice(net, p, channels, 5, 2))
    d = net.join("add", b, net.pool(a, 1))
    e = net.join("add", _twice(net, a, channels, 3), net.pool(h))
    return net.concat(b, c, d, e)
