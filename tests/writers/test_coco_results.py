"""Results for COCO's evaluation code, which evaluates them: pycocotools and faster-coco-eval."""

from __future__ import annotations

import json
import logging
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from freeloc.writers.image_record import ImageRecord
from tests.writers.image_records import (
    MUG,
    SIZE,
    class_record,
    image_record,
    mug_record,
    with_options,
    write_records,
)

pycocotools_coco: Any = pytest.importorskip("pycocotools.coco", reason="the extra masks is not installed")
cocoeval: Any = pytest.importorskip("pycocotools.cocoeval", reason="the extra masks is not installed")


def read(path: Path) -> Any:
    return json.loads(path.read_text("utf-8"))


def annotated(folder: Path, boxes: dict[int, list[tuple[int, tuple[float, ...]]]]) -> Path:
    """Write ground truth for the images and classes of results: boxes by image and class ID."""
    annotations = [
        {
            "id": 0,
            "image_id": image_id,
            "category_id": category_id,
            "iscrowd": 0,
            "bbox": [x1, y1, x2 - x1, y2 - y1],
            "area": (x2 - x1) * (y2 - y1),
            "segmentation": [[x1, y1, x2, y1, x2, y2, x1, y2]],
        }
        for image_id, members in boxes.items()
        for category_id, (x1, y1, x2, y2) in members
    ]
    for number, annotation in enumerate(annotations, start=1):
        annotation["id"] = number
    info = read(folder / "coco" / "image_info.json")
    path = folder / "annotated.json"
    path.write_text(json.dumps({**info, "info": {}, "annotations": annotations}))
    return path


def evaluate(truth: Path, results: Path, kind: str = "bbox") -> list[float]:
    """Return COCO's twelve numbers."""
    coco = pycocotools_coco.COCO(str(truth))
    evaluation = cocoeval.COCOeval(coco, coco.loadRes(str(results)), kind)
    evaluation.evaluate()
    evaluation.accumulate()
    evaluation.summarize()
    found: list[float] = evaluation.stats.tolist()
    return found


def test_results_contain_the_boxes_of_all_classes(tmp_path: Path) -> None:
    writer = write_records("coco", tmp_path, [(mug_record("album/a.jpg"), "a"), (mug_record("b.png"), "b")])
    assert read(tmp_path / "coco" / "results.json") == [
        {"image_id": image_id, "category_id": category, "bbox": bbox, "score": score}
        for image_id in (1, 2)
        for category, bbox, score in (
            (2, [20, 30, 30, 60], 0.9),
            (2, [0, 0, 10, 10], 0.1),
            (1, [60, 0, 20, 20], 0.15),
        )
    ]
    assert read(tmp_path / "coco" / "image_info.json") == {
        "categories": [{"id": 1, "name": "lamp"}, {"id": 2, "name": "mug"}],
        "images": [
            {"id": 1, "file_name": "a.jpg", "width": 80, "height": 120},
            {"id": 2, "file_name": "b.png", "width": 80, "height": 120},
        ],
    }
    assert {path.name for path in writer.files} == {"results.json", "image_info.json"}


@pytest.mark.parametrize("program", ["pycocotools", "faster_coco_eval"])
def test_programs_compute_the_average_precision(
    program: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In one image, the better box is right; in the other one, the worse box is: precision 1 and 2/3."""
    if program == "faster_coco_eval":
        faster = pytest.importorskip("faster_coco_eval", reason="faster-coco-eval is not installed")
        monkeypatch.setitem(globals(), "pycocotools_coco", faster)
        monkeypatch.setattr(cocoeval, "COCOeval", faster.COCOeval_faster)
    first = image_record("a.jpg", class_record("mug", 0, boxes=[(*MUG, 0.9)]))
    second = image_record(
        "b.jpg", class_record("mug", 0, boxes=[(0, 0, 10, 10, 0.8), (10, 10, 70, 110, 0.7)])
    )
    write_records("coco", tmp_path, [(first, "a"), (second, "b")])
    truth = annotated(tmp_path, {1: [(1, MUG)], 2: [(1, (10, 10, 70, 110))]})
    stats = evaluate(truth, tmp_path / "coco" / "results.json")
    # COCO reads the precision at 101 recalls: 1 up to a recall of one half, and 2/3 up to 1.
    assert stats[0] == pytest.approx((51 * 1 + 50 * 2 / 3) / 101, abs=1e-6)


def test_segmentations_are_evaluated_too(tmp_path: Path) -> None:
    mask = np.zeros((SIZE[1], SIZE[0]), np.bool_)
    mask[30:90, 20:50] = True
    mask[0:10, 0:10] = True
    mug = class_record("mug", 0, boxes=[(10, 20, 60, 100, 0.9), (60, 100, 70, 110, 0.5)], mask=mask)
    other = class_record("lamp", 1, 0.1, boxes=[(0, 0, 9, 9, 0.1)])
    records = [(image_record("a.jpg", mug, other), "a")]
    write_records("coco", tmp_path, records, with_options(masks=True))
    (found,) = read(tmp_path / "coco" / "segmentations.json")
    assert (found["image_id"], found["category_id"], found["score"]) == (1, 1, 0.9)
    truth = annotated(tmp_path, {1: [(1, MUG)]})
    assert evaluate(truth, tmp_path / "coco" / "segmentations.json", "segm")[0] == pytest.approx(1)
    write_records("coco", tmp_path / "none", records)
    assert not (tmp_path / "none" / "coco" / "segmentations.json").exists()


def records_named(*paths: str, classes: tuple[str, ...] = ("dog", "cat")) -> list[tuple[ImageRecord, str]]:
    found = [class_record(name, index, boxes=[(*MUG, 0.9)]) for index, name in enumerate(classes)]
    return [(image_record(path, *found), Path(path).stem) for path in paths]


@pytest.mark.parametrize(
    ("paths", "classes", "images", "categories"),
    [
        (("000000000139.jpg", "x/000000000285.jpg"), ("dog", "cat"), [139, 285], [18, 17]),
        (("COCO_val2014_000000000042.jpg",), ("dog", "toothbrush"), [42], [18, 90]),
        (("000000000139.jpg", "000000000285.jpg"), ("dog", "pug"), [139, 285], [1, 2]),
        (("000012.jpg", "000007.jpg"), ("dog", "cat"), [12, 7], [1, 2]),
        (("000000000139.jpg", "b.jpg"), ("dog", "cat"), [1, 2], [1, 2]),
        (("x/000000000139.jpg", "y/000000000139.jpg"), ("dog", "cat"), [1, 2], [1, 2]),
        (("١٢.jpg", "13.jpg"), ("dog", "cat"), [1, 2], [1, 2]),
    ],
    ids=["coco", "coco 2014", "other classes", "numbers", "some names", "repeated", "other digits"],
)
def test_ids_follow_the_names(
    paths: tuple[str, ...],
    classes: tuple[str, ...],
    images: list[int],
    categories: list[int],
    tmp_path: Path,
) -> None:
    write_records("coco", tmp_path, records_named(*paths, classes=classes))
    info = read(tmp_path / "coco" / "image_info.json")
    assert [image["id"] for image in info["images"]] == images
    assert info["categories"] == [
        {"id": number, "name": name} for number, name in zip(categories, classes, strict=True)
    ]
    results = read(tmp_path / "coco" / "results.json")
    assert list(dict.fromkeys(each["image_id"] for each in results)) == images
    assert list(dict.fromkeys(each["category_id"] for each in results)) == categories


def test_results_without_a_box_are_announced(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING, logger="freeloc"):
        write_records("coco", tmp_path, [(image_record("a.jpg", class_record("mug", 0)), "a")])
    assert read(tmp_path / "coco" / "results.json") == []
    assert "contains no box, and pycocotools cannot load an empty list" in caplog.text
    truth = annotated(tmp_path, {1: [(1, MUG)]})
    with pytest.raises(IndexError):  # otherwise, there is nothing to announce
        pycocotools_coco.COCO(str(truth)).loadRes(str(tmp_path / "coco" / "results.json"))


def test_names_are_escaped(tmp_path: Path) -> None:
    record = image_record("caf\udce9/\u202ea.jpg", class_record('a\n"b"', 0, boxes=[(*MUG, 0.9)]))
    write_records("coco", tmp_path, [(record, "caf\udce9/\u202ea")])
    info = read(tmp_path / "coco" / "image_info.json")
    assert (info["images"][0]["file_name"], info["categories"][0]["name"]) == (
        "caf\udce9/\u202ea.jpg",
        'a\n"b"',
    )
