"""Helpers for the tests of readers of label tools."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from freeloc.datasets import DataProblems, Dataset, open_dataset
from freeloc.datasets.formats import detect_format
from freeloc.datasets.problems import Problem
from tests.images.sample_images import exif_of

SIZE = (40, 30)
"""Width and height of the upright images."""


def write_image(path: Path, *, orientation: int = 1) -> Path:
    """Write an image whose upright size is `SIZE`."""
    path.parent.mkdir(parents=True, exist_ok=True)
    stored = SIZE[::-1] if orientation >= 5 else SIZE
    Image.new("RGB", stored).save(path, exif=exif_of(orientation))
    return path


def labels_of(data: Dataset) -> dict[str, dict[str, int]]:
    """Return the labels of each image by file name and class."""
    return {sample.path.name: dict(zip(data.classes, sample.labels.tolist(), strict=True)) for sample in data}


def boxes_of(data: Dataset) -> dict[str, list[tuple[Any, ...]]]:
    """Return the class and the edges of each box by file name."""
    return {
        sample.path.name: [(data.classes[box.label], *map(float, box.corners)) for box in sample.boxes or ()]
        for sample in data
    }


def problems_of(path: Path, **options: Any) -> list[Problem]:
    """Return the problems that opening a dataset reports."""
    with pytest.raises(DataProblems) as caught:
        open_dataset(path, **options)
    return list(caught.value.problems)


def format_of(path: Path) -> str:
    """Return the name of the class of the format that is detected."""
    return type(detect_format(path)).__name__
