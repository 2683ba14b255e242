"""Images of single colored shapes, in one folder per class, and settings of a tiny network."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

from freeloc.training.pretraining.settings import PretrainingSettings

SETTINGS = PretrainingSettings(
    width=8, channels=(4, 4, 4, 4, 4), epochs=2, batch_size=5, learning_rate=0.02, weight_decay=1e-3, seed=3
)

CLASSES = ("blue", "green", "red")


def write_folders(root: Path, images: int = 4) -> Path:
    """Write noisy images, each of which has the color of its class."""
    random = np.random.default_rng(0)
    for index, name in enumerate(CLASSES):
        (root / name).mkdir(parents=True)
        for number in range(images):
            pixels = random.integers(0, 120, (70 + number, 90, 3), dtype=np.uint8)
            pixels[..., 2 - index] += 100
            Image.fromarray(pixels).save(root / name / f"{number}.png")
    return root
