"""JSON files of Datumaro."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from freeloc.datasets import Dataset, open_dataset
from freeloc.errors import DatasetError
from tests.datasets.datumaro_export import LABELS, export
from tests.datasets.tool_files import boxes_of, format_of, labels_of, problems_of, write_image


def annotation(kind: Any, label: Any, **more: Any) -> dict[str, Any]:
    return {"id": 0, "type": kind, "attributes": {}, "group": 0, "label_id": label, **more}


def item(name: str, *annotations: Any, **more: Any) -> dict[str, Any]:
    image = {"path": f"{name}.jpg", "size": [30, 40]}
    return {"id": name, "annotations": [*annotations], "attr": {"frame": 0}, "image": image, **more}


def contents(*items: Any, labels: Any = ("dog", "cat"), **more: Any) -> dict[str, Any]:
    names = [{"name": name, "parent": "", "attributes": []} for name in labels]
    categories = {"label": {"labels": names, "label_groups": [], "attributes": []}}
    start = {"dm_format_version": "1.0", "media_type": 2, "infos": {}, "categories": categories}
    return {**start, **more, "items": [*items]}


def write(root: Path, record: Any, subset: str = "default") -> Path:
    file = root / "annotations" / f"{subset}.json"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(record, indent=1))
    return file


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for name in ("a", "b"):
        write_image(tmp_path / "set" / "images" / "default" / f"{name}.jpg")
    return tmp_path / "set"


def open_items(root: Path, *items: Any, **options: Any) -> Dataset:
    write(root, contents(*items))
    return open_dataset(root, **options)


def test_labels_and_shapes_are_labels(root: Path) -> None:
    box = annotation("bbox", 0, bbox=[1, 2, 3, 4])
    data = open_items(root, item("a", annotation("label", 1), box), item("b", annotation("caption", None)))
    assert (data.name, data.classes, data.labels.tolist()) == ("set", ("dog", "cat"), [[1, 1], [-1, -1]])
    assert [sample.split for sample in data] == ["default"] * 2
    file = root / "annotations" / "default.json"
    assert format_of(root) == format_of(file) == "DatumaroFormat"
    assert open_dataset(file, classes=["cat"]).labels.tolist() == [[1], [-1]]


def test_boxes_are_the_outermost_points_of_shapes(root: Path) -> None:
    crowd = annotation("bbox", 1, bbox=[0, 0, 9, 9], attributes={"is_crowd": True})
    shapes = [
        annotation("bbox", 0, bbox=[4.0, 6.0, 12.0, 12.5]),
        annotation("polygon", 0, points=[1.0, 2.0, 11.0, 2.0, 11.0, 12.0]),
        annotation("ellipse", 0, points=[3, 4, 13, 14]),
        annotation("points", 0, points=[1, 1, 2]),
        crowd,
    ]
    data = open_items(root, item("a", *shapes), boxes=True)
    found = boxes_of(data)["a.jpg"]
    assert found == [
        ("dog", 4, 6, 16, 18.5),
        ("dog", 1, 2, 11, 12),
        ("dog", 3, 4, 13, 14),
        ("cat", 0, 0, 9, 9),
    ]
    assert [box.crowd for box in data.samples[0].boxes or ()] == [False, False, False, True]
    assert labels_of(data) == {"a.jpg": {"dog": 1, "cat": 0}}


@pytest.mark.parametrize("orientation", [3, 6])
@pytest.mark.parametrize("stored", [False, True])
def test_boxes_of_turned_images_are_upright(root: Path, orientation: int, stored: bool) -> None:
    write_image(root / "images" / "default" / "a.jpg", orientation=orientation)
    swapped = stored and orientation == 6
    bbox, size = ([0, 20, 30, 20], [40, 30]) if swapped else ([0, 0, 20, 30], [30, 40])
    data = open_items(
        root, item("a", annotation("bbox", 0, bbox=bbox), image={"path": "a.jpg", "size": size}), boxes=True
    )
    assert boxes_of(data) == {"a.jpg": [("dog", 0, 0, 20, 30)]}


def test_files_are_splits(root: Path) -> None:
    write_image(root / "images" / "val" / "c.jpg")
    write(root, contents(item("c", annotation("label", 0)), labels=("gnu",)), "val")
    write(root, contents(item("a", annotation("label", 1))))
    data = open_dataset(root, split="val")
    assert (data.classes, data.labels.tolist()) == (("dog", "cat", "gnu"), [[-1, -1, 1]])


def test_an_image_is_found_by_its_id(root: Path, tmp_path: Path) -> None:
    write_image(tmp_path / "far" / "c.png")
    first = item("a", annotation("label", 0), image={"path": ""})
    second = item("sub/c", annotation("label", 0), image=None)
    data = open_items(root, first, second, images=tmp_path / "far", skip_bad=True)
    assert [sample.path for sample in data] == [tmp_path / "far" / "c.png"]
    (missing,) = problems_of(root)
    assert missing.message.startswith("item sub/c: image ")


def test_a_file_of_an_older_version_is_read(root: Path) -> None:
    record = contents(item("a", annotation("label", 0)))
    del record["dm_format_version"], record["media_type"]
    assert format_of(write(root, record)) == "DatumaroFormat"
    assert len(open_dataset(root)) == 1


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            {"dm_format_version": "2.0"},
            "dm_format_version is '2.0', not '1.0': export the dataset with another version",
        ),
        (
            {"categories": {}},
            "this is not a file of Datumaro: it needs items, and categories with different names",
        ),
        (
            {"categories": {"label": {"labels": [{"name": "x"}, {"name": "x"}]}}},
            "this is not a file of Datumaro",
        ),
        ({"categories": {"label": {"labels": ["dog"]}}}, "this is not a file of Datumaro"),
    ],
)
def test_other_versions_and_files_are_refused(root: Path, change: dict[str, Any], message: str) -> None:
    file = write(root, contents(item("a")) | change)
    (problem,) = problems_of(root)
    assert (problem.kind, problem.file) == ("malformed_file", file)
    assert problem.message.startswith(message)


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        (7, "the item is not an object with annotations"),
        ({"id": "a"}, "the item is not an object with annotations"),
        ({"id": "a", "annotations": {}}, "the item is not an object with annotations"),
        ({"annotations": []}, "the item has neither an image with a path nor an id"),
        (item("a", 3), "item a.jpg: an annotation is not an object with a type"),
        (item("a", annotation("label", "x")), "item a.jpg: label_id is 'x', not the number of a label"),
        (item("a", annotation("label", 2)), "item a.jpg: label_id 2 is not among the 2 labels"),
        (
            item("a", annotation("bbox", -1, bbox=[1, 2, 3, 4])),
            "item a.jpg: label_id -1 is not among the 2 labels",
        ),
    ],
)
def test_bad_items_are_reported(root: Path, bad: Any, message: str) -> None:
    file = write(root, contents(item("b", annotation("label", 0)), bad))
    (problem,) = problems_of(root)
    assert (problem.file, problem.message) == (file, message)
    assert problem.line is not None
    assert problem.line > 20
    assert len(open_dataset(root, skip_bad=True)) == 1


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        (annotation("bbox", 0, bbox=[1, 2, 3]), "a bbox has no valid position: draw it again"),
        (annotation("bbox", 0, bbox=[1, 2, -3, 4]), "a bbox has no valid position: draw it again"),
        (annotation("bbox", 0, bbox=[1, 2, 3, 1e99]), "a bbox has no valid position: draw it again"),
        (annotation("polygon", 0, points=[1, 2, 3]), "a polygon has no valid position: draw it again"),
        (annotation("polygon", 0), "a polygon has no valid position: draw it again"),
        (annotation("rotated_bbox", 0), "a rotated_bbox is rotated: draw it again without rotation"),
        (
            annotation("bbox", 0, bbox=[1, 2, 3, 4], attributes={"rotation": 30}),
            "a bbox is rotated: draw it again",
        ),
    ],
)
def test_bad_positions_are_reported_only_if_boxes_are_read(root: Path, bad: Any, message: str) -> None:
    good = annotation("bbox", 0, bbox=[1, 2, 3, 4])
    assert open_items(root, item("a", bad), item("b", good)).labels.tolist() == [[1, -1], [1, -1]]
    (problem,) = problems_of(root, boxes=True)
    assert problem.message.startswith(f"item a.jpg: {message}")


def test_a_bad_size_is_reported_only_if_boxes_are_read(root: Path) -> None:
    image = item("a", annotation("bbox", 0, bbox=[1, 2, 3, 4]), image={"path": "a.jpg", "size": [30]})
    assert len(open_items(root, image)) == 1
    (problem,) = problems_of(root, boxes=True)
    assert problem.message == "item a.jpg: the size of the image is [30], not [height, width] in whole pixels"


@pytest.mark.parametrize("keep", [0.4, 0.7, 0.99])
def test_a_file_that_is_cut_off_is_reported_once(root: Path, keep: float) -> None:
    file = write(root, contents(item("a", annotation("label", 0)), item("b")))
    text = file.read_text()
    file.write_text(text[: int(keep * len(text))])
    (problem,) = problems_of(root)
    assert (problem.kind, problem.file) == ("malformed_file", file)


def test_a_folder_of_another_format_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="is not a folder of Datumaro; expected Datumaro: a folder with"):
        open_dataset(tmp_path, format="datumaro")


def test_datumaro_writes_what_is_read(tmp_path: Path) -> None:
    out = export(tmp_path / "exported", "datumaro")
    assert {
        name.removeprefix("sub_"): labels for name, labels in labels_of(open_dataset(out)).items()
    } == LABELS
    boxes = boxes_of(open_dataset(out, split="train", boxes=True))
    assert boxes["a.jpg"] == [("dog", 4, 6, 16, 18), ("cat", 1, 2, 11, 12)]
