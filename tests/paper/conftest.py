"""A dataset of generated scenes in COCO's layout, small enough for every row."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from freeloc.datasets import Dataset
from freeloc.demo.scenes import SceneSettings, generate_scenes
from tests.coco_files import write_instances


def as_coco(dataset: Dataset, root: Path, split: str) -> None:
    """Write a split of a COCO root: images are moved, boxes become annotations."""
    (root / "annotations").mkdir(parents=True, exist_ok=True)
    category_ids = range(2, 3 * len(dataset.classes) + 2, 3)  # COCO's ids have gaps
    write_instances(root / "annotations" / f"instances_{split}.json", dataset, category_ids)
    folder = root / split
    folder.mkdir(parents=True)
    for sample in dataset:
        sample.path.rename(folder / sample.path.name)


@pytest.fixture(scope="session")
def coco_of() -> Callable[[Dataset, Path, str], None]:
    return as_coco


@pytest.fixture(scope="session")
def scenes_root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Eight training scenes, which contain every class, and four evaluation scenes."""
    root = tmp_path_factory.mktemp("scenes_coco")
    for split, count, start in (("train2017", 8, 0), ("val2017", 4, 5000)):
        scenes = generate_scenes(tmp_path_factory.mktemp(split), count, SceneSettings(seed=4), start=start)
        as_coco(scenes, root, split)
    return root
