"""The demo's page: an invoice-like sheet with a heading, paragraphs and a table, drawn with Pillow, and its
preprocessing."""

from __future__ import annotations

import random

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

WORDS = [
    "the",
    "routine",
    "of",
    "a",
    "layer",
    "is",
    "chosen",
    "by",
    "measuring",
    "every",
    "candidate",
    "on",
    "this",
    "machine",
    "and",
    "solving",
    "for",
    "the",
    "plan",
    "with",
    "the",
    "least",
    "total",
    "time",
    "conversions",
    "between",
    "layouts",
    "are",
    "paid",
    "once",
    "and",
    "shared",
    "by",
    "all",
    "readers",
    "of",
    "a",
    "value",
]
MEAN = np.array([0.485, 0.456, 0.406], np.float32)
STD = np.array([0.229, 0.224, 0.225], np.float32)


def draw_page(width: int = 480, height: int = 640, seed: int = 7) -> Image.Image:
    """An upright page of text. The same seed draws the same page."""
    rng = random.Random(seed)
    page = Image.new("RGB", (width, height), "white")
    pen = ImageDraw.Draw(page)
    pen.text((40, 28), "Quarterly Report", font=ImageFont.load_default(34), fill="black")
    font = ImageFont.load_default(20)
    y = 88
    while y < height - 60:
        line, x = [], 40
        while True:
            word = rng.choice(WORDS)
            if x + pen.textlength(" ".join([*line, word]), font=font) > width - 40:
                break
            line.append(word)
        pen.text((x, y), " ".join(line), font=font, fill="black")
        y += 28 if rng.random() < 0.85 else 48
    return page


def to_input(page: Image.Image) -> NDArray[np.float32]:
    """[1, 3, 224, 224]: shorter side to 256, centre crop, ImageNet normalisation. Channels in BGR order, as the model
    was trained."""
    scale = 256 / min(page.size)
    page = page.resize((round(page.width * scale), round(page.height * scale)), Image.Resampling.LANCZOS)
    left, top = (page.width - 224) // 2, (page.height - 224) // 2
    pixels = np.asarray(page.crop((left, top, left + 224, top + 224)), np.float32)[:, :, ::-1] / 255
    return np.ascontiguousarray(((pixels - MEAN) / STD).transpose(2, 0, 1)[None].astype(np.float32))
