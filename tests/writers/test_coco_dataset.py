"""Datasets in COCO's format, read back by pycocotools, supervision and freeloc's own reader."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from freeloc.datasets import open_dataset
from freeloc.writers.image_record import ImageRecord
from tests.writers.image_records import (
    MUG,
    SIZE,
    class_record,
    image_record,
    is_red_box,
    mug_record,
    with_options,
    write_records,
    write_turned_image,
)

FILE = Path("coco-dataset") / "annotations.json"


@pytest.fixture(scope="module")
def records(tmp_path_factory: pytest.TempPathFactory) -> list[tuple[ImageRecord, str]]:
    folder = tmp_path_factory.mktemp("album")
    images = [write_turned_image(folder / name) for name in ("a.jpg", "b.jpg")]
    nothing = image_record(images[1], class_record("mug", 1, 0.1), class_record("lamp", 0, 0.2))
    return [(mug_record(images[0]), "a"), (nothing, "b")]


def read(folder: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((folder / FILE).read_text("utf-8"))
    return found


def test_annotations_are_boxes_of_present_classes(
    records: list[tuple[ImageRecord, str]], tmp_path: Path
) -> None:
    writer = write_records("coco-dataset", tmp_path, records)
    assert read(tmp_path) == {
        "info": {"description": "Predicted by freeloc"},
        "licenses": [],
        "categories": [
            {"id": 1, "name": "lamp", "supercategory": "", "keypoints": ["point"], "skeleton": []},
            {"id": 2, "name": "mug", "supercategory": "", "keypoints": ["point"], "skeleton": []},
        ],
        "images": [
            {"id": 1, "file_name": "a.jpg", "width": 80, "height": 120},
            {"id": 2, "file_name": "b.jpg", "width": 80, "height": 120},
        ],
        "annotations": [
            {
                "id": 1,
                "image_id": 1,
                "category_id": 2,
                "bbox": [20, 30, 30, 60],
                "area": 1800,
                "iscrowd": 0,
                "segmentation": [],
                "keypoints": [35, 60, 2],
                "num_keypoints": 1,
                "score": 0.9,
            }
        ],
    }
    names = {path.relative_to(tmp_path / "coco-dataset").as_posix() for path in writer.files}
    assert names == {"annotations.json", "images/a.jpg", "images/b.jpg"}


@pytest.mark.parametrize("how", ["copy", "none"])
def test_supervision_reads_boxes_where_it_shows_them(
    how: str, records: list[tuple[ImageRecord, str]], tmp_path: Path
) -> None:
    """supervision refuses links to images in other folders, so it reads copies, or the original folder."""
    sv = pytest.importorskip("supervision", reason="supervision is not installed")
    write_records("coco-dataset", tmp_path, records, with_options(image_files=how))
    copies, originals = tmp_path / "coco-dataset" / "images", Path(records[0][0].image).parent
    images = copies if how == "copy" else originals
    dataset = sv.DetectionDataset.from_coco(str(images), str(tmp_path / FILE))
    assert dataset.classes == ["lamp", "mug"]
    found = {Path(path).name: (image, boxes) for path, image, boxes in dataset}
    image, boxes = found["a.jpg"]
    assert boxes.class_id.tolist() == [1]
    assert boxes.xyxy.tolist() == [list(MUG)]
    assert is_red_box(image[..., ::-1], boxes.xyxy[0])
    assert len(found["b.jpg"][1]) == 0


def test_pycocotools_and_freeloc_read_it(records: list[tuple[ImageRecord, str]], tmp_path: Path) -> None:
    coco_module = pytest.importorskip("pycocotools.coco", reason="the extra masks is not installed")
    write_records("coco-dataset", tmp_path, records)
    coco = coco_module.COCO(str(tmp_path / FILE))
    assert coco.getImgIds() == [1, 2]
    assert [each["keypoints"] for each in coco.loadAnns(coco.getAnnIds(imgIds=[1], catIds=[2]))] == [
        [35, 60, 2]
    ]
    dataset = open_dataset(tmp_path / FILE, images=tmp_path / "coco-dataset" / "images", boxes=True)
    assert dataset.classes == ("lamp", "mug")
    (box,) = dataset.samples[0].boxes or ()
    assert (box.label, box.x1, box.y1, box.x2, box.y2) == (1, *MUG)


def test_outlines_are_those_of_the_pixels_in_each_box(
    records: list[tuple[ImageRecord, str]], tmp_path: Path
) -> None:
    coco_module = pytest.importorskip("pycocotools.coco", reason="the extra masks is not installed")
    sv = pytest.importorskip("supervision", reason="supervision is not installed")
    mask = np.zeros((SIZE[1], SIZE[0]), np.bool_)
    mask[30:90, 20:50] = True
    mask[0:10, 60:80] = True
    boxes = [(10, 20, 60, 100, 0.9), (55, 0, 80, 30, 0.8), (0, 100, 20, 120, 0.7)]
    mug = class_record("mug", 0, boxes=boxes, mask=mask)
    record = image_record(records[0][0].image, mug)
    write_records("coco-dataset", tmp_path, [(record, "a")], with_options(masks=True, image_files="copy"))
    coco = coco_module.COCO(str(tmp_path / FILE))
    first, second, third = coco.loadAnns(coco.getAnnIds())
    assert (first["area"], second["area"], third["area"]) == (1800, 200, 400)
    found = [coco.annToMask(each).astype(bool) for each in (first, second)]
    assert np.array_equal(found[0] | found[1], mask)
    assert third["segmentation"] == []  # a box without a pixel of the class
    dataset = sv.DetectionDataset.from_coco(str(tmp_path / "coco-dataset" / "images"), str(tmp_path / FILE))
    ((_, _, detections),) = dataset
    # supervision rounds corners to pixels and draws these, too, so its masks have a border of one pixel.
    assert [np.count_nonzero(each) for each in detections.mask] == [
        pytest.approx(1800, abs=100),
        pytest.approx(200, abs=40),
        0,
    ]


def test_boxes_are_clipped_and_never_repeated_or_empty(tmp_path: Path) -> None:
    boxes = [
        *[(-10, -10, 40, 60, 0.9), (0, 0, 40, 60, 0.8)],  # the same box in the image
        *[(40, 60, 90, 130, 0.8), (80, 0, 90, 10, 0.8), (10, 10, 10.001, 20, 0.8)],
    ]
    mug = class_record("mug", 0, boxes=boxes, peaks=[(60, 100, 0.9), (70, 10, 0.8)])
    records = [(image_record("a.jpg", mug), "a")]
    write_records("coco-dataset", tmp_path, records, with_options(image_files="none"))
    found = read(tmp_path)["annotations"]
    assert [each["bbox"] for each in found] == [[0, 0, 40, 60], [40, 60, 40, 60]]
    assert [each["keypoints"] for each in found] == [[0, 0, 0], [60, 100, 2]]
    assert not (tmp_path / "coco-dataset" / "images").exists()
