"""Samples for the trained models, cut out of a few pictures: those of calibration and those by which a network is
judged are drawn with seeds of their own.

All functions give bytes, [count, side, side, 3], RGB.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFilter, ImageFont

from plait.ir.values import Array

SCENES = (
    "astronaut.png",
    "camera.png",
    "chelsea.png",
    "china.jpg",
    "coffee.png",
    "flower.jpg",
    "motorcycle_left.png",
    "page.png",
    "rocket.jpg",
)
"""Pictures that are cut into crops."""
PAGE = "page.png"
"""A photograph of a printed page."""
_BANDS = ((6, 36), (42, 64), (62, 83), (80, 102), (97, 120), (115, 138), (166, 188))
"""Rows of the page that hold a line of text each."""
_WORDS = (
    *("accuracy", "bound", "calibrate", "channel", "depth", "eight", "float", "garden", "height", "integer", "june"),
    *("kernel", "layer", "orange", "pixel", "range", "sample", "under", "value", "yellow", "zero"),
    *("1024", "37%", "(see 5)", "2.75", "No. 18"),
)


def crops(folder: Path, count: int, side: int, seed: int) -> Array:
    """Squares of all pictures in turn, from anywhere in them, of 40 to 100 % of their shorter side."""
    rng = np.random.default_rng(seed)
    found = []
    for image, _ in zip(_in_turn(folder, SCENES), range(count), strict=False):
        cut = int(min(image.size) * rng.uniform(0.4, 1))
        left, top = (int(rng.integers(0, size - cut + 1)) for size in image.size)
        found.append(_resized(image.crop((left, top, left + cut, top + cut)), side, side))
    return np.stack(found)


def pages(folder: Path, count: int, side: int, seed: int) -> Array:
    """Parts of a printed page, each as it is and turned by 90, 180 and 270 degrees: `4 * count` pictures."""
    rng = np.random.default_rng(seed)
    page = _open(folder / PAGE)
    found = []
    for _ in range(count):
        height = int(page.height * rng.uniform(0.6, 1))
        width = int(min(page.width, height * rng.uniform(1, 1.6)))
        left, top = int(rng.integers(0, page.width - width + 1)), int(rng.integers(0, page.height - height + 1))
        part = page.crop((left, top, left + width, top + height))
        found += [_middle(part.rotate(90 * turn, expand=True), side) for turn in range(4)]
    return np.stack(found)


def lines(folder: Path, count: int, height: int, width: int, seed: int) -> Array:
    """Lines of text, printed and set, each upright and upside down: `2 * count` pictures, [2 * count, height, width,
    3]. Lines that are shorter end in grey, as the model was taught."""
    rng = np.random.default_rng(seed)
    page = _open(folder / PAGE)
    found = []
    for i in range(count):
        line = _printed(page, rng) if i % 2 else _set(rng)
        fits = min(width, round(line.width * height / line.height))
        for upright in (True, False):
            turned = line if upright else line.rotate(180)
            pixels = np.full((height, width, 3), 127, np.uint8)
            pixels[:, :fits] = _resized(turned, height, fits)
            found.append(pixels)
    return np.stack(found)


def _printed(page: Image.Image, rng: np.random.Generator) -> Image.Image:
    """A part of a line of the page."""
    top, bottom = _BANDS[rng.integers(len(_BANDS))]
    width = int(rng.integers(70, 180))
    left = int(rng.integers(0, 200 - width // 2))
    shift = rng.integers(-2, 3, 2)
    return page.crop((left, max(0, top + int(shift[0])), left + width, min(page.height, bottom + int(shift[1]))))


def _set(rng: np.random.Generator) -> Image.Image:
    """A few words in ink on paper, slightly blurred and noisy."""
    text = " ".join(rng.choice(_WORDS, int(rng.integers(1, 5))))
    font = ImageFont.load_default(float(rng.integers(18, 40)))
    left, top, right, bottom = font.getbbox(text)
    ink, paper = (tuple(int(v) for v in rng.integers(*bounds, 3)) for bounds in ((0, 90), (150, 256)))
    margin = rng.integers(2, 7, 4)
    size = int(right - left + margin[0] + margin[1]), int(bottom - top + margin[2] + margin[3])
    image = Image.new("RGB", size, paper)
    ImageDraw.Draw(image).text((margin[0] - left, margin[2] - top), text, ink, font)
    image = image.filter(ImageFilter.GaussianBlur(float(rng.uniform(0, 1.2))))
    noisy = np.asarray(image, np.float32) + rng.normal(0, 6, (size[1], size[0], 3))
    return Image.fromarray(np.clip(noisy, 0, 255).astype(np.uint8))


def normalized(pixels: Array, mean: Sequence[float], std: Sequence[float]) -> Array:
    """Bytes as a network takes them, f32[N, 3, H, W]: `(byte - mean) / std`."""
    numbers = (pixels.astype(np.float32) - np.asarray(mean, np.float32)) / np.asarray(std, np.float32)
    return np.ascontiguousarray(numbers.transpose(0, 3, 1, 2))


def _in_turn(folder: Path, names: Sequence[str]) -> Iterator[Image.Image]:
    images = [_open(folder / name) for name in names]
    while True:
        yield from images


def _open(path: Path) -> Image.Image:
    with Image.open(path) as image:
        return image.convert("RGB")


def _middle(image: Image.Image, side: int) -> Array:
    """The middle square, with the shorter side of the picture resized to 8/7 of it."""
    scale = side * 8 / 7 / min(image.size)
    width, height = (round(size * scale) for size in image.size)
    left, top = (width - side) // 2, (height - side) // 2
    return np.asarray(
        image.resize((width, height), Image.Resampling.LANCZOS).crop((left, top, left + side, top + side))
    )


def _resized(image: Image.Image, height: int, width: int) -> Array:
    return np.asarray(image.resize((width, height), Image.Resampling.BICUBIC))
