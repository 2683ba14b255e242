"""Results of detectors: both layouts, ids with gaps, and every mistake told with its place."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from freeloc.datasets import open_dataset
from freeloc.datasets.detections import Keys, keys_of, read_detections
from freeloc.errors import FreelocError

KEYS = Keys({"000005": 0, "000007": 1, 7: 1}, {"dog": 0, "tvmonitor": 1, 18: 0})


def test_coco_results(tmp_path: Path) -> None:
    file = tmp_path / "results.json"
    file.write_text(
        json.dumps(
            [
                {"image_id": 7, "category_id": 18, "bbox": [10, 20, 30, 40], "score": 0.5},
                {"image_id": "000005", "category_id": "tvmonitor", "bbox": [0, 0, 1.5, 2], "score": 3},
            ]
        )
    )
    found = read_detections(file, KEYS)
    assert found.photo.tolist() == [1, 0]
    assert found.label.tolist() == [0, 1]
    assert found.score.tolist() == [0.5, 3.0]
    assert found.boxes.tolist() == [[10, 20, 40, 60], [0, 0, 1.5, 2]]


def test_voc_results_are_read_with_their_siblings(tmp_path: Path) -> None:
    (tmp_path / "comp4_det_val_dog.txt").write_text("000005 0.75 1 1 10 20\n\n000007 -2 5 6 7 8\n")
    (tmp_path / "comp4_det_val_tvmonitor.txt").write_text("000007 1e-3 2 2 3 3\n")
    (tmp_path / "comp4_cls_val_dog.txt").write_text("000005 1\n")
    for place in (tmp_path, tmp_path / "comp4_det_val_tvmonitor.txt"):
        found = read_detections(place, KEYS)
        assert found.photo.tolist() == [0, 1, 1]
        assert found.label.tolist() == [0, 0, 1]
        assert found.boxes.tolist() == [[0, 0, 10, 20], [4, 5, 7, 8], [1, 1, 3, 3]]
    (tmp_path / "comp3_det_val_dog.txt").write_text("000005 0.5 1 1 2 2\n")
    assert len(read_detections(tmp_path / "comp3_det_val_dog.txt", KEYS).score) == 1
    with pytest.raises(FreelocError, match="several sets of results"):
        read_detections(tmp_path, KEYS)


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("r.json", "{", "cannot be read"),
        ("r.json", "{}", "is no list of results"),
        ("r.json", '[{"image_id": 7}]', "result 1 needs image_id, category_id, bbox"),
        (
            "r.json",
            '[{"image_id": 8, "category_id": 18, "bbox": [0, 0, 1, 1], "score": 1}]',
            "photograph 8, which",
        ),
        ("r.json", '[{"image_id": 7, "category_id": 1, "bbox": [0, 0, 1, 1], "score": 1}]', "class 1, which"),
        (
            "r.json",
            '[{"image_id": 7, "category_id": 18, "bbox": [0, 0, -1, 1], "score": 1}]',
            "ends before it begins",
        ),
        ("r.json", '[{"image_id": 7, "category_id": 18, "bbox": [0, 0, 1, 1], "score": NaN}]', "not finite"),
        (
            "comp3_det_val_dog.txt",
            "000005 0.5 1 1 2 2\n000005 0.5 1 1 2\n",
            "line 2 is not: photograph score",
        ),
        ("comp3_det_val_dog.txt", "000009 0.5 1 1 2 2\n", "line 1 speaks of photograph '000009'"),
        ("comp3_det_val_cat.txt", "000005 0.5 1 1 2 2\n", "class 'cat', which the data set does not have"),
        ("notes.txt", "", "holds no VOC results"),
    ],
)
def test_mistakes_name_their_place(tmp_path: Path, name: str, text: str, message: str) -> None:
    (tmp_path / name).write_text(text)
    with pytest.raises(FreelocError, match=message):
        read_detections(tmp_path / name, KEYS)


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(FreelocError, match="does not exist"):
        read_detections(tmp_path / "none.json", KEYS)


def test_coco_ids_with_gaps_find_their_photographs_and_classes(tiny_coco: Path) -> None:
    data = open_dataset(tiny_coco, images=tiny_coco.parent, boxes=True)
    keys = keys_of(data, tiny_coco)
    page = json.loads(tiny_coco.read_text())
    for image in page["images"]:
        assert data.samples[keys.photographs[image["id"]]].path.name == image["file_name"]
    for category in page["categories"]:
        assert data.classes[keys.classes[category["id"]]] == category["name"]


def test_evaluating_a_perfect_detector(tiny_coco: Path, tmp_path: Path, freeloc: Callable[..., Any]) -> None:
    """The annotations themselves as results: every object found, its centre inside it."""
    page = json.loads(tiny_coco.read_text())
    results = [
        {key: entry[key] for key in ("image_id", "category_id", "bbox")} | {"score": 1.0}
        for entry in page["annotations"]
    ]
    file, out = tmp_path / "perfect.json", tmp_path / "out.json"
    file.write_text(json.dumps(results))
    words = ("--images", tiny_coco.parent, "--resamples", "20", "--out", out)
    answer = freeloc("evaluate", tiny_coco, "--detections", file, *words)
    assert answer.code == 0, answer.err
    found = json.loads(out.read_text())
    assert [row["name"] for row in found["rows"]] == [f"{file}, box centre", "centre of the photograph"]
    assert found["rows"][0]["location"]["mean"]["value"] == 100
    assert found["rows"][0]["classification"]["mean"]["value"] == 100
    assert {iou: entry["mean"]["value"] for iou, entry in found["box_ap"][str(file)].items()} == {
        "0.5": 100,
        "0.3": 100,
        "0.1": 100,
    }
    assert "box AP by intersection over union" in answer.out


def test_a_detector_beside_a_model(
    tiny_run: Path, tiny_coco: Path, tmp_path: Path, freeloc: Callable[..., Any]
) -> None:
    file, out = tmp_path / "none.json", tmp_path / "out.json"
    file.write_text("[]")
    words = ("--images", tiny_coco.parent, "--resamples", "20", "--out", out, "--scales", "0.5")
    answer = freeloc("evaluate", tiny_run, tiny_coco, "--detections", file, *words)
    assert answer.code == 0, answer.err
    rows = {row["name"]: row for row in json.loads(out.read_text())["rows"]}
    assert list(rows) == ["tiny, fused", "tiny, paper", f"{file}, box centre", "centre of the photograph"]
    assert rows[f"{file}, box centre"]["location"]["mean"]["value"] == 0


def test_a_model_or_detections_are_needed(tiny_coco: Path, freeloc: Callable[..., Any]) -> None:
    answer = freeloc("evaluate", tiny_coco)
    assert answer.code == 2
    assert "DATA alone with --detections" in answer.err
