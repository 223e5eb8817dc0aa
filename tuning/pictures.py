"""Pictures as samples, if the package Pillow is there to read them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import attrs
import numpy as np

from plait.ir.diagnostics import Diagnostic
from plait.ir.types import TensorType, Type
from plait.ir.values import Array
from plait.passes.quantize.types import QuantizationError

PICTURES = (".png", ".jpg", ".jpeg", ".bmp", ".webp")
"""Ends of the names of files that are read as pictures."""


def _numbers(value: Any) -> tuple[float, ...]:
    return (float(value),) if isinstance(value, (int, float)) else tuple(float(v) for v in value)


@attrs.frozen
class Pictures:
    """How bytes of pictures become numbers: `(byte - mean) / std`, one of each for all channels or for each of them.

    The shorter side of a picture is resized to fit, and its middle is cut out.
    """

    mean: tuple[float, ...] = attrs.field(default=(0.0,), converter=_numbers)
    std: tuple[float, ...] = attrs.field(default=(255.0,), converter=_numbers)


def read_picture(path: Path, type: Type, pictures: Pictures) -> Array:
    """A picture as an input of this type: [1, C, H, W] or [1, H, W, C], of C = 1 or 3 channels (grey, or RGB).

    Raises:
        QuantizationError: P520, the input takes no pictures, the file is none, or Pillow is missing.
    """
    shape = type.static_shape if isinstance(type, TensorType) and type.is_static else ()
    channels_last = len(shape) == 4 and shape[3] in (1, 3) and shape[1] not in (1, 3)
    if len(shape) != 4 or shape[0] != 1 or (not channels_last and shape[1] not in (1, 3)):
        raise _error(f"the input is {type}, no picture", path, "give arrays: .npy or .npz files")
    height, width, channels = (*shape[1:3], shape[3]) if channels_last else (*shape[2:], shape[1])
    image = _open(path, "L" if channels == 1 else "RGB")
    scale = max(height / image.height, width / image.width)
    size = max(width, round(image.width * scale)), max(height, round(image.height * scale))
    left, top = (size[0] - width) // 2, (size[1] - height) // 2
    resized = image.resize(size).crop((left, top, left + width, top + height))
    pixels = np.asarray(resized, np.float32).reshape(height, width, channels)
    mean, std = np.asarray(pictures.mean, np.float32), np.asarray(pictures.std, np.float32)
    if len(mean) not in (1, channels) or len(std) not in (1, channels):
        raise _error(f"the picture has {channels} channels, but mean and std have {len(mean)} and {len(std)}", path)
    numbers = (pixels - mean) / std
    return np.ascontiguousarray((numbers if channels_last else numbers.transpose(2, 0, 1))[None])


def _open(path: Path, mode: str) -> Any:
    try:
        from PIL import Image, UnidentifiedImageError
    except ImportError:
        raise _error("is a picture, and the package that reads them is missing", path, "pip install pillow") from None
    try:
        with Image.open(path) as image:
            return image.convert(mode)
    except (UnidentifiedImageError, OSError, ValueError) as error:
        raise _error(f"cannot be read as a picture: {error}", path) from None


def _error(message: str, path: Path, hint: str = "") -> QuantizationError:
    return QuantizationError(Diagnostic("P520", message, where=str(path), hint=hint))
