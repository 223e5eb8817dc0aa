"""Defects to be found: passes that crash or miscompute, and random networks that have what they stumble over."""

from __future__ import annotations

import tempfile
from functools import cache
from pathlib import Path

import attrs
import numpy as np
import onnx

from plait.backends.reference.evaluate import evaluate
from plait.frontends.onnx import import_onnx
from plait.ir import Module
from plait.ir.activation import RELU
from plait.ir.layers.activations import Relu
from plait.ir.layers.conv import Conv2d
from plait.ir.layers.normalization import BatchNorm
from plait.ir.layers.pool import AvgPool2d, MaxPool2d
from plait.ir.layers.shape import Concat
from plait.ir.values import Array, Constant
from plait.testing.compare import relative_error
from plait.testing.random_models import random_model


@cache
def _random_network(seed: int) -> Module:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.onnx"
        onnx.save(random_model(seed, 12), path)
        return import_onnx(path).module


def random_network(seed: int) -> Module:
    """About 40 layers."""
    return _random_network(seed).clone()


def fuse_relu_wrongly(module: Module) -> None:
    """A fusion of relu into conv2d that forgets the relu of grouped convolutions."""
    for layer in module.main:
        if isinstance(layer, Relu) and isinstance(conv := layer.x.owner, Conv2d) and layer.x.use_count == 1:
            act = conv.act if conv.groups > 1 else RELU
            module.main.body.replace(layer, attrs.evolve(conv, act=act))
            module.main.body.remove(conv)


def miscomputes(module: Module) -> bool:
    """Whether `fuse_relu_wrongly` changes what a module computes."""
    before = _outputs(module)
    fuse_relu_wrongly(module)
    return any(relative_error(a, b) > 1e-3 for a, b in zip(_outputs(module), before, strict=True))


def _outputs(module: Module) -> list[Array]:
    rng = np.random.default_rng(0)
    inputs = [rng.uniform(-2, 2, a.type.static_shape).astype(a.type.dtype.numpy) for a in module.main.arguments]
    return list(evaluate(module, inputs).values())


def concat_of_three(module: Module) -> bool:
    """A crash on a concat of at least three operands."""
    return any(isinstance(layer, Concat) and len(layer.xs) >= 3 for layer in module.main)


def norm_after_strided(module: Module) -> bool:
    """A crash on a batch_norm that reads a strided convolution."""
    return any(
        isinstance(layer, BatchNorm) and isinstance(conv := layer.x.owner, Conv2d) and conv.stride == (2, 2)
        for layer in module.main
    )


def odd_image(module: Module) -> bool:
    """A crash on a pooling with stride 2 of an image of odd width above 4."""
    return any(
        isinstance(layer, (MaxPool2d, AvgPool2d))
        and layer.stride[1] == 2
        and layer.x.type.static_shape[3] > 4
        and layer.x.type.static_shape[3] % 2 == 1
        for layer in module.main
    )


def many_channels(module: Module) -> bool:
    """A crash on a 3x3 convolution with more than 16 channels."""
    return any(
        isinstance(layer, Conv2d) and layer.kernel == (3, 3) and layer.weight.type.static_shape[0] > 16
        for layer in module.main
    )


def two_groups_of_channels(module: Module) -> bool:
    """A crash on a grouped convolution, not depthwise, with a even number of input channels in each group."""
    return any(
        isinstance(layer, Conv2d) and layer.groups > 1 and layer.weight.type.static_shape[1] % 2 == 0
        for layer in module.main
    )


def negative_weight(module: Module) -> bool:
    """A crash on a constant that holds a negative number and is read by a convolution."""
    return any(
        isinstance(layer, Conv2d) and isinstance(layer.weight, Constant) and bool((layer.weight.data < 0).any())
        for layer in module.main
    )
