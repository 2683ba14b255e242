"""COCO instances files of generated scenes."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from PIL import Image

from freeloc.datasets import Dataset


def write_instances(path: Path, dataset: Dataset, category_ids: Sequence[int]) -> None:
    """Write the images, boxes and classes of a dataset as a COCO instances file.

    Args:
        path: the file.
        dataset: the dataset, whose images exist.
        category_ids: one id per class.
    """
    images: list[dict[str, object]] = []
    annotations: list[dict[str, object]] = []
    for number, sample in enumerate(dataset, start=1):
        with Image.open(sample.path) as image:
            width, height = image.size
        images.append({"id": number, "file_name": sample.path.name, "width": width, "height": height})
        for box in sample.boxes or ():
            sides = box.x2 - box.x1, box.y2 - box.y1
            annotations.append(
                {
                    "id": len(annotations) + 1,
                    "image_id": number,
                    "category_id": category_ids[box.label],
                    "bbox": [box.x1, box.y1, *sides],
                    "area": sides[0] * sides[1],
                    "iscrowd": 0,
                }
            )
    categories = [
        {"id": number, "name": name} for number, name in zip(category_ids, dataset.classes, strict=True)
    ]
    contents = {"images": images, "annotations": annotations, "categories": categories}
    path.write_text(json.dumps(contents))
