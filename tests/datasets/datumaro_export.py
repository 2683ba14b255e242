"""One small dataset, exported by datumaro in any of its formats."""

from __future__ import annotations

from pathlib import Path

from tests.consumers import read_with

LABELS = {"a.jpg": {"dog": 1, "cat": 1}, "b.jpg": {"dog": -1, "cat": -1}, "c.jpg": {"dog": -1, "cat": 1}}
"""The labels of the images: a and sub/b are in the split train, c in the split val."""

_EXPORT = """
import sys
import numpy as np
from datumaro.components.annotation import Bbox, Label, Polygon
from datumaro.components.dataset import Dataset
from datumaro.components.dataset_base import DatasetItem
from datumaro.components.media import Image

out, format_name = sys.argv[1:]
media = Image.from_numpy(np.zeros((30, 40, 3), np.uint8), ext=".jpg")
shapes = [Label(0), Bbox(4, 6, 12, 12, label=0), Label(1), Polygon([1, 2, 11, 2, 11, 12], label=1)]
items = [
    DatasetItem("a", subset="train", media=media, annotations=shapes, attributes={"id": 0}),
    DatasetItem("sub/b", subset="train", media=media, annotations=[], attributes={"id": 1}),
    DatasetItem("c", subset="val", media=media, annotations=[Label(1)], attributes={"id": 2}),
]
Dataset.from_iterable(items, categories=["dog", "cat"]).export(out, format_name, save_media=True)
print("null")
"""


def export(out: Path, format_name: str) -> Path:
    """Let datumaro write the dataset; the image a has a box of a dog, and a polygon of a cat.

    Each image has 40×30 pixels. The test is skipped if datumaro is not installed; see `tests.consumers`.
    """
    read_with("datumaro", _EXPORT, out, format_name)
    return out
