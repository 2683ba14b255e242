"""The files that examples in docstrings use."""

from __future__ import annotations

import json
from pathlib import Path

from PIL import Image

from freeloc.datasets.voc.reader import VOC_CLASSES


def write_example_files(folder: Path) -> None:
    """Write images, a VOC devkit, a COCO folder, results of a detector, and tag lists with and without problems."""
    _write_image(folder / "street.jpg")
    _write_devkit(folder / "VOCdevkit" / "VOC2012")
    _write_coco(folder)
    _write_image(folder / "holiday" / "a.jpg")
    rows = ["file_name,tags", "a.jpg,dog|beach", "gone.jpg,dog"]
    (folder / "holiday" / "tags.csv").write_text("\n".join(rows))


def _write_image(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (90, 60)).save(path)


def _write_devkit(root: Path) -> None:
    """Write one image with all classes, one without any, and one of a dog."""
    lists, annotations = root / "ImageSets" / "Main", root / "Annotations"
    for folder in (lists, annotations):
        folder.mkdir(parents=True)
    box = "<bndbox><xmin>1</xmin><ymin>1</ymin><xmax>40</xmax><ymax>30</ymax></bndbox>"
    classes = {"000001": VOC_CLASSES, "000002": (), "000003": ("dog",)}
    for name, present in classes.items():
        objects = (f"<object><name>{each}</name><difficult>0</difficult>{box}</object>" for each in present)
        (annotations / f"{name}.xml").write_text(f"<annotation>{''.join(objects)}</annotation>")
        _write_image(root / "JPEGImages" / f"{name}.jpg")
    (lists / "train.txt").write_text("000001\n000002\n")
    (lists / "val.txt").write_text("000003\n")


def _write_coco(folder: Path) -> None:
    _write_image(folder / "coco" / "val2017" / "000000000139.jpg")
    (folder / "coco" / "annotations").mkdir()
    box = {"image_id": 139, "category_id": 24, "bbox": [1, 2, 30, 20]}
    contents = {
        "images": [{"id": 139, "file_name": "000000000139.jpg"}],
        "annotations": [{"id": 1, "iscrowd": 0, "area": 600, **box}],
        "categories": [{"id": 18, "name": "dog"}, {"id": 24, "name": "zebra"}],
    }
    (folder / "coco" / "annotations" / "instances_val2017.json").write_text(json.dumps(contents))
    (folder / "results.json").write_text(json.dumps([{"score": 0.9, **box}]))
