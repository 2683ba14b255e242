"""COCO's category IDs, compared with an annotation file."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from freeloc.datasets.coco.categories import COCO_CATEGORY_IDS
from freeloc.paper.super_categories import COCO_SUPER_CATEGORIES


@pytest.mark.images
def test_the_ids_are_those_of_the_annotation_files(coco_root: Path) -> None:
    file = next(coco_root.glob("annotations/instances_*.json"))
    categories = json.loads(file.read_text("utf-8"))["categories"]
    assert {each["name"]: each["id"] for each in categories} == COCO_CATEGORY_IDS


def test_all_classes_have_ids_in_their_usual_order() -> None:
    names = [name for group in COCO_SUPER_CATEGORIES.values() for name in group]
    assert list(COCO_CATEGORY_IDS) == names
    ids = list(COCO_CATEGORY_IDS.values())
    assert (len(ids), ids[0], ids[-1]) == (80, 1, 90)
    assert ids == sorted(set(ids))
