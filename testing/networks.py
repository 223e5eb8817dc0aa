"""Published architectures as ONNX models (opset 17) with seeded weights. Tables are those of the papers.

    model = build("resnet50", image=64)
    path = save("vgg16", "models")

The input is `input`, [1, 3, image, image], the output `output`, [1, 1000]. `width` scales the numbers of channels.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import onnx

from plait.testing.onnx_builder import OnnxBuilder

CLASSES = 1000


def build(name: str, image: int = 224, width: float = 1.0, batch: int = 1) -> onnx.ModelProto:
    """The model of a network.

    Raises:
        KeyError: the name is not in `NETWORKS`.
        ValueError: the image is too small.
    """
    if image < 32:
        raise ValueError(f"an image of {image} is too small for these networks; 32 is the least")
    net = OnnxBuilder(name, (batch, 3, image, image))
    return net.model(NETWORKS[name](net, image, lambda channels: _scaled(channels, width)))


def save(name: str, folder: str | Path, image: int = 224, width: float = 1.0) -> Path:
    """Write the model as `<folder>/<name>.onnx`; returns the path."""
    path = Path(folder) / f"{name}.onnx"
    path.parent.mkdir(parents=True, exist_ok=True)
    onnx.save(build(name, image, width), str(path))
    return path


Scale = Callable[[int], int]


def _scaled(channels: int, width: float) -> int:
    return channels if width == 1 else _multiple_of_8(channels * width)


def _multiple_of_8(value: float) -> int:
    """The nearest multiple of 8 that is not more than 10 % smaller. Source: the MobileNet papers' code."""
    rounded = max(8, int(value + 4) // 8 * 8)
    return rounded + 8 if rounded < 0.9 * value else rounded


def vgg16(net: OnnxBuilder, image: int, w: Scale) -> str:
    """Simonyan & Zisserman 2014, configuration D."""
    x, side = "input", image
    for channels, count in ((64, 2), (128, 2), (256, 3), (512, 3), (512, 3)):
        for _ in range(count):
            x = net.act(net.conv(x, w(channels), 3, bias=True), "relu")
        x, side = net.pool(x, 2, 2), side // 2
    features = net.channels[x] * side * side
    x = net.act(net.linear(net.node("Flatten", x), w(4096), features, gain=2), "relu")
    x = net.act(net.linear(x, w(4096), gain=2), "relu")
    return net.linear(x, CLASSES)


def resnet50(net: OnnxBuilder, image: int, w: Scale) -> str:
    """He et al. 2015; version 1.5, whose strides are those of the 3x3 convolutions."""
    x = net.pool(net.unit("input", w(64), 7, 2), 3, 2, 1)
    for stage, (channels, count) in enumerate(((64, 3), (128, 4), (256, 6), (512, 3))):
        for i in range(count):
            stride = 2 if stage and not i else 1
            y = net.unit(net.unit(x, w(channels), 1), w(channels), 3, stride)
            y = net.unit(y, w(4 * channels), 1, act=None, scale=0.5)
            shortcut = net.unit(x, w(4 * channels), 1, stride, act=None) if not i else x
            x = net.act(net.node("Add", y, shortcut), "relu")
    return net.linear(net.head(x), CLASSES)


def mobilenetv2(net: OnnxBuilder, image: int, w: Scale) -> str:
    """Sandler et al. 2018, table 2."""
    x = net.unit("input", w(32), 3, 2, "relu6")
    table = ((1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2), (6, 96, 3, 1), (6, 160, 3, 2), (6, 320, 1, 1))
    for expansion, channels, count, first_stride in table:
        for i in range(count):
            stride, before = first_stride if not i else 1, net.channels[x]
            residual = stride == 1 and before == w(channels)
            y = net.unit(x, before * expansion, 1, act="relu6") if expansion > 1 else x
            y = net.unit(y, before * expansion, 3, stride, "relu6", groups=before * expansion)
            y = net.unit(y, w(channels), 1, act=None, scale=0.6 if residual else 1.0)
            x = net.node("Add", x, y) if residual else y
    return net.linear(net.head(net.unit(x, w(1280), 1, act="relu6")), CLASSES)


def mobilenetv3(net: OnnxBuilder, image: int, w: Scale) -> str:
    """Howard et al. 2019, table 1: MobileNetV3-Large."""
    x = net.unit("input", w(16), 3, 2, "hard_swish", epsilon=1e-3)
    table = (  # kernel, expanded channels, channels, squeeze-and-excite, activation, stride
        (3, 16, 16, 0, "relu", 1),
        (3, 64, 24, 0, "relu", 2),
        (3, 72, 24, 0, "relu", 1),
        (5, 72, 40, 1, "relu", 2),
        (5, 120, 40, 1, "relu", 1),
        (5, 120, 40, 1, "relu", 1),
        (3, 240, 80, 0, "hard_swish", 2),
        (3, 200, 80, 0, "hard_swish", 1),
        (3, 184, 80, 0, "hard_swish", 1),
        (3, 184, 80, 0, "hard_swish", 1),
        (3, 480, 112, 1, "hard_swish", 1),
        (3, 672, 112, 1, "hard_swish", 1),
        (5, 672, 160, 1, "hard_swish", 2),
        (5, 960, 160, 1, "hard_swish", 1),
        (5, 960, 160, 1, "hard_swish", 1),
    )
    for kernel, expanded, channels, gated, act, stride in table:
        before, middle = net.channels[x], w(expanded)
        y = net.unit(x, middle, 1, act=act, epsilon=1e-3) if middle != before else x
        y = net.unit(y, middle, kernel, stride, act, groups=middle, epsilon=1e-3)
        y = net.squeeze_excite(y, _multiple_of_8(middle / 4)) if gated else y
        y = net.unit(y, w(channels), 1, act=None, scale=0.6, epsilon=1e-3)
        x = net.node("Add", x, y) if stride == 1 and before == w(channels) else y
    x = net.head(net.unit(x, w(960), 1, act="hard_swish", epsilon=1e-3))
    return net.linear(net.act(net.linear(x, w(1280), gain=2), "hard_swish"), CLASSES)


def squeezenet(net: OnnxBuilder, image: int, w: Scale) -> str:
    """Iandola et al. 2016, version 1.1."""
    x = net.pool(net.act(net.conv("input", w(64), 3, 2, 0, bias=True), "relu"), 3, 2, ceil_mode=1)
    for i, (squeezed, expanded) in enumerate(
        ((16, 64), (16, 64), (32, 128), (32, 128), (48, 192), (48, 192), (64, 256), (64, 256))
    ):
        if i in (2, 4):
            x = net.pool(x, 3, 2, ceil_mode=1)
        y = net.act(net.conv(x, w(squeezed), 1, bias=True), "relu")
        x = net.concat(*(net.act(net.conv(y, w(expanded), k, bias=True), "relu") for k in (1, 3)))
    x = net.act(net.conv(x, CLASSES, 1, bias=True), "relu")
    return net.head(x)


def densenet121(net: OnnxBuilder, image: int, w: Scale) -> str:
    """Huang et al. 2016, table 1: growth rate 32, half the channels at transitions."""
    growth = w(32)
    x = net.pool(net.unit("input", w(64), 7, 2), 3, 2, 1)
    for i, count in enumerate((6, 12, 24, 16)):
        for _ in range(count):
            y = net.conv(net.act(net.norm(x), "relu"), 4 * growth, 1)
            y = net.conv(net.act(net.norm(y), "relu"), growth, 3)
            x = net.concat(x, y)
        x = net.act(net.norm(x), "relu")
        if i < 3:
            x = net.pool(net.conv(x, net.channels[x] // 2, 1), 2, 2, kind="AveragePool")
    return net.linear(net.head(x), CLASSES)


def googlenet(net: OnnxBuilder, image: int, w: Scale) -> str:
    """Szegedy et al. 2014, table 1, with batch normalisation and 3x3 for 5x5 convolutions, as commonly trained."""
    x = net.pool(net.unit("input", w(64), 7, 2, epsilon=1e-3), 3, 2, ceil_mode=1)
    x = net.unit(net.unit(x, w(64), 1, epsilon=1e-3), w(192), 3, epsilon=1e-3)
    x = net.pool(x, 3, 2, ceil_mode=1)
    table = (  # 1x1; 3x3 reduced, 3x3; 5x5 reduced, 5x5; after pooling
        (64, 96, 128, 16, 32, 32),
        (128, 128, 192, 32, 96, 64),
        (192, 96, 208, 16, 48, 64),
        (160, 112, 224, 24, 64, 64),
        (128, 128, 256, 24, 64, 64),
        (112, 144, 288, 32, 64, 64),
        (256, 160, 320, 32, 128, 128),
        (256, 160, 320, 32, 128, 128),
        (384, 192, 384, 48, 128, 128),
    )
    for i, (one, reduced3, three, reduced5, five, pooled) in enumerate(table):
        if i in (2, 7):
            x = net.pool(x, 3 if i == 2 else 2, 2, ceil_mode=1)
        a = net.unit(x, w(one), 1, epsilon=1e-3)
        b = net.unit(net.unit(x, w(reduced3), 1, epsilon=1e-3), w(three), 3, epsilon=1e-3)
        c = net.unit(net.unit(x, w(reduced5), 1, epsilon=1e-3), w(five), 3, epsilon=1e-3)
        d = net.unit(net.pool(x, 3, 1, 1, ceil_mode=1), w(pooled), 1, epsilon=1e-3)
        x = net.concat(a, b, c, d)
    return net.linear(net.head(x), CLASSES)


NETWORKS: dict[str, Callable[[OnnxBuilder, int, Scale], str]] = {
    "vgg16": vgg16,
    "resnet50": resnet50,
    "mobilenetv2": mobilenetv2,
    "mobilenetv3": mobilenetv3,
    "squeezenet": squeezenet,
    "densenet121": densenet121,
    "googlenet": googlenet,
}
"""Name -> function that writes the network."""
