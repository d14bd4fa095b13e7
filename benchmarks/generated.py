"""Photos and trimaps drawn by a program, for benchmarks of which the content does not matter."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

PET, BACKGROUND, BORDER = 1, 2, 3


def write_pets(root: Path, count: int, size: tuple[int, int]) -> None:
    """So many pairs of a size (height, width), in the layout of the Oxford-IIIT Pet dataset."""
    photos, trimaps = root / "images", root / "annotations" / "trimaps"
    for folder in (photos, trimaps):
        folder.mkdir(parents=True)
    for index in range(count):
        photo, trimap = draw(np.random.default_rng(index), size)
        Image.fromarray(photo).save(photos / f"Nobody_{index + 1}.jpg", quality=88)
        Image.fromarray(trimap).save(trimaps / f"Nobody_{index + 1}.png")


def draw(rng: np.random.Generator, size: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
    """A bright ellipse with a border before a dark background, uint8 (H, W, 3), and its trimap uint8 (H, W)."""
    height, width = size
    y, x = np.mgrid[:height, :width]
    (top, left), (tall, wide) = rng.uniform(0.3, 0.7, 2), rng.uniform(0.15, 0.4, 2)
    distance = np.hypot((y / height - top) / tall, (x / width - left) / wide)  # 1 on the ellipse
    trimap = np.select([distance < 0.95, distance > 1.05], [PET, BACKGROUND], BORDER).astype(np.uint8)
    brightness = np.array([0, 180, 60, 120])[trimap][..., None] + rng.integers(0, 40, 3)
    return (brightness + rng.integers(0, 30, (height, width, 3))).astype(np.uint8), trimap
