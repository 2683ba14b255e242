"""One small dataset, exported by datumaro in any of its formats."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

LABELS = {"a.jpg": {"dog": 1, "cat": 1}, "b.jpg": {"dog": -1, "cat": -1}, "c.jpg": {"dog": -1, "cat": 1}}
"""The labels of the images: a and sub/b are in the split train, c in the split val."""


def export(out: Path, format_name: str) -> Path:
    """Let datumaro write the dataset; the image a has a box of a dog, and a polygon of a cat.

    Each image has 40×30 pixels.
    """
    reason = "datumaro is not installed: its dependencies replace other packages"
    annotation = pytest.importorskip("datumaro.components.annotation", reason=reason)
    from datumaro.components.dataset import Dataset
    from datumaro.components.dataset_base import DatasetItem
    from datumaro.components.media import Image

    picture = Image.from_numpy(np.zeros((30, 40, 3), np.uint8), ext=".jpg")
    shapes = [
        annotation.Label(0),
        annotation.Bbox(4, 6, 12, 12, label=0),
        annotation.Label(1),
        annotation.Polygon([1, 2, 11, 2, 11, 12], label=1),
    ]
    items = [
        DatasetItem("a", subset="train", media=picture, annotations=shapes, attributes={"id": 0}),
        DatasetItem("sub/b", subset="train", media=picture, annotations=[], attributes={"id": 1}),
        DatasetItem(
            "c", subset="val", media=picture, annotations=[annotation.Label(1)], attributes={"id": 2}
        ),
    ]
    Dataset.from_iterable(items, categories=["dog", "cat"]).export(str(out), format_name, save_media=True)
    return out
