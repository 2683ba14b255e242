"""A COCO-shaped data set of generated scenes, small enough for every row."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from freeloc.datasets import Dataset
from freeloc.demo.scenes import SceneSettings, generate_scenes


def as_coco(dataset: Dataset, root: Path, split: str) -> None:
    """Write a split of a COCO root: images are moved, boxes become annotations."""
    images, annotations = [], []
    folder = root / split
    folder.mkdir(parents=True)
    for number, sample in enumerate(dataset, start=1):
        sample.path.rename(folder / sample.path.name)
        with Image.open(folder / sample.path.name) as picture:
            width, height = picture.size
        images.append({"id": number, "file_name": sample.path.name, "width": width, "height": height})
        for box in sample.boxes or ():
            sides = box.x2 - box.x1, box.y2 - box.y1
            annotations.append(
                {
                    "id": len(annotations) + 1,
                    "image_id": number,
                    "category_id": 3 * box.label + 2,  # COCO's ids have gaps
                    "bbox": [box.x1, box.y1, *sides],
                    "area": sides[0] * sides[1],
                    "iscrowd": 0,
                }
            )
    categories = [{"id": 3 * label + 2, "name": name} for label, name in enumerate(dataset.classes)]
    page = {"images": images, "annotations": annotations, "categories": categories}
    (root / "annotations").mkdir(exist_ok=True)
    (root / "annotations" / f"instances_{split}.json").write_text(json.dumps(page))


@pytest.fixture(scope="session")
def coco_of() -> Callable[[Dataset, Path, str], None]:
    return as_coco


@pytest.fixture(scope="session")
def scenes_root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """8 scenes to train on, which contain every class, and 4 to measure on."""
    root = tmp_path_factory.mktemp("scenes_coco")
    for split, count, start in (("train2017", 8, 0), ("val2017", 4, 5000)):
        scenes = generate_scenes(tmp_path_factory.mktemp(split), count, SceneSettings(seed=4), start=start)
        as_coco(scenes, root, split)
    return root
