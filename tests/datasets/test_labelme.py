"""Files of labelme and X-AnyLabeling."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from freeloc.datasets import open_dataset
from freeloc.errors import DatasetError
from tests.consumers import read_with
from tests.datasets.tool_files import boxes_of, format_of, labels_of, problems_of, write_image


def shape(label: Any, *points: Any, kind: Any = "rectangle", **more: Any) -> dict[str, Any]:
    return {"label": label, "points": [*points], "group_id": None, "shape_type": kind, "flags": {}, **more}


def write(path: Path, *shapes: Any, orientation: int = 1, **more: Any) -> Path:
    """Write an image and its JSON file with the keys of labelme; X-AnyLabeling adds others."""
    write_image(path, orientation=orientation)
    record: dict[str, Any] = {
        "version": "5.4.1",
        "flags": {},
        "shapes": [*shapes],
        "imagePath": path.name,
        "imageData": None,
    }
    file = path.with_suffix(".json")
    file.write_text(json.dumps({**record, "imageHeight": 30, "imageWidth": 40, **more}, indent=2))
    return file


def test_flags_tags_and_shapes_are_labels(tmp_path: Path) -> None:
    write(tmp_path / "a.jpg", flags={"dog": True, "cat": False, "yak": False, "__ignore__": False})
    write(tmp_path / "b.jpg", shape("gnu", [1, 2], [3, 4]), tags=["sea", "salt, pepper"])
    file = write(
        tmp_path / "c.jpg", shape("cat", [1, 2], [3, 4]), flags={"dog": False, "cat": False, "yak": False}
    )
    write_image(tmp_path / "unseen.jpg")
    data = open_dataset(tmp_path)
    assert data.classes == ("cat", "dog", "gnu", "salt, pepper", "sea", "yak")
    assert data.labels.tolist() == [[-1, 1, -1, -1, -1, -1], [0, 0, 1, 1, 1, 0], [1, -1, -1, -1, -1, -1]]
    assert format_of(tmp_path) == format_of(file) == "LabelmeFormat"
    assert len(open_dataset(file)) == 1


def test_images_without_a_file_are_named(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    write(tmp_path / "a.jpg", flags={"dog": True})
    write_image(tmp_path / "unseen.jpg")
    open_dataset(tmp_path)
    assert "images without a JSON file are left out: 1" in caplog.text


def test_folders_of_splits_are_splits(tmp_path: Path) -> None:
    write(tmp_path / "train" / "x" / "a.jpg", flags={"dog": True})
    write(tmp_path / "val" / "b.jpg", flags={"dog": False})
    assert [sample.split for sample in open_dataset(tmp_path)] == ["train", "val"]
    assert open_dataset(tmp_path, split="val").labels.tolist() == [[-1]]


@pytest.mark.parametrize("listed", ["..\\images\\a.jpg", "../images/a.jpg", "/home/x/images/a.jpg"])
def test_the_image_may_be_in_another_folder(tmp_path: Path, listed: str) -> None:
    file = write(tmp_path / "labels" / "a.jpg", flags={"dog": True}, imagePath=listed)
    (tmp_path / "images").mkdir()
    (tmp_path / "labels" / "a.jpg").rename(tmp_path / "images" / "a.jpg")
    options: dict[str, Any] = {"images": tmp_path / "images"} if listed.startswith("/") else {}
    assert open_dataset(file, **options).samples[0].path.resolve() == tmp_path / "images" / "a.jpg"
    (tmp_path / "images" / "a.jpg").unlink()
    (problem,) = problems_of(file, **options)
    assert problem.kind == "missing_image"


def test_boxes_are_the_outermost_points_of_shapes(tmp_path: Path) -> None:
    write(
        tmp_path / "a.jpg",
        shape("dog", [16, 18], [4, 6.5]),
        shape("dog", [1, 2], [5, 2], [5, 9], [1, 9], score=0.9, difficult=True),
        shape("cat", [1, 2], [11, 2.5], [11, 12], kind="polygon"),
        shape("cat", [20, 10], [23, 14], kind="circle"),
        shape("dog", [5, 6], [12, 14], kind="mask"),
        shape("dog", [1, 1], kind="point"),
        shape("dog", [1, 1], [2, 2], kind="line"),
    )
    data = open_dataset(tmp_path, boxes=True)
    assert boxes_of(data)["a.jpg"] == [
        ("dog", 4, 6.5, 16, 18),
        ("dog", 1, 2, 5, 9),
        ("cat", 1, 2, 11, 12),
        ("cat", 15, 5, 25, 15),
        ("dog", 5, 6, 12, 14),
    ]
    assert [box.difficult for box in data.samples[0].boxes or ()] == [False, True, False, False, False]
    assert not open_dataset(tmp_path).has_boxes


def test_difficult_objects_alone_are_ignored(tmp_path: Path) -> None:
    write(tmp_path / "a.jpg", shape("dog", [1, 2], [3, 4], difficult=True), shape("cat", [1, 2], [3, 4]))
    assert labels_of(open_dataset(tmp_path)) == {"a.jpg": {"cat": 1, "dog": 0}}


@pytest.mark.parametrize("orientation", [3, 6])
@pytest.mark.parametrize("stored", [False, True])
def test_boxes_of_turned_images_are_upright(tmp_path: Path, orientation: int, stored: bool) -> None:
    """labelme shows images upright, and declares their upright size; others may show them as stored."""
    swapped = stored and orientation == 6
    points = ([0, 20], [30, 40]) if swapped else ([0, 0], [20, 30])
    sides = {"imageWidth": 30, "imageHeight": 40} if swapped else {}
    write(tmp_path / "a.jpg", shape("dog", *points), orientation=orientation, **sides)
    assert boxes_of(open_dataset(tmp_path, boxes=True)) == {"a.jpg": [("dog", 0, 0, 20, 30)]}


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ({"flags": {"dog": 1}}, "flags is {'dog': 1}, not an object with true or false by class"),
        ({"flags": ["dog"]}, "flags is ['dog'], not an object"),
        ({"tags": "dog"}, "tags is 'dog', not a list of strings"),
        ({"shapes": [shape("")]}, "shape 1 has no label"),
        ({"shapes": [shape(3)]}, "shape 1 has no label"),
        ({"shapes": [7]}, "shape 1 has no label"),
        ({"imagePath": None}, "imagePath is None, not the name of the image"),
        ({"shapes": {}}, "this is not a file of labelme or X-AnyLabeling: it has no list of shapes"),
    ],
)
def test_bad_values_are_reported(tmp_path: Path, more: dict[str, Any], message: str) -> None:
    write(tmp_path / "a.jpg", flags={"dog": False})
    file = write(tmp_path / "b.jpg", **more)
    (problem,) = problems_of(tmp_path, format="labelme")
    assert problem.file == file
    assert problem.message.startswith(message)
    assert len(open_dataset(tmp_path, format="labelme", skip_bad=True)) == 1


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        ([shape("dog", [1, 2])], "the points of shape 1 ('dog') are not those of a rectangle: draw it again"),
        ([shape("dog", [1, 2], [3, "4"])], "the points of shape 1 ('dog') are not those of a rectangle"),
        ([shape("dog", [1, 2], [3, 1e99])], "shape 1 ('dog') is larger than any image"),
        ([shape("dog", kind="polygon")], "the points of shape 1 ('dog') are not those of a polygon"),
        (
            [{"label": "dog", "shape_type": "circle"}],
            "the points of shape 1 ('dog') are not those of a circle",
        ),
        (
            [shape("dog", *[[1, 2]] * 4, kind="rotation")],
            "shape 1 ('dog') is a rotated rectangle: draw it again",
        ),
        (
            [shape("dog", *[[1, 2]] * 4, kind="oriented_rectangle")],
            "shape 1 ('dog') is a rotated rectangle: draw it again",
        ),
        (
            [shape("dog", [1, 2], kind="quadrilateral")],
            "the points of shape 1 ('dog') are not those of a quadrilateral",
        ),
    ],
)
def test_bad_positions_are_reported_only_if_boxes_are_read(
    tmp_path: Path, bad: list[Any], message: str
) -> None:
    file = write(tmp_path / "a.jpg", *bad)
    write(tmp_path / "b.jpg", shape("dog", [1, 2], [3, 4]))
    assert open_dataset(tmp_path).labels.tolist() == [[1], [1]]
    (problem,) = problems_of(tmp_path, boxes=True)
    assert (problem.kind, problem.file) == ("bad_value", file)
    assert problem.message.startswith(message)


def test_a_bad_size_is_reported_only_if_boxes_are_read(tmp_path: Path) -> None:
    write(tmp_path / "a.jpg", shape("dog", [1, 2], [3, 4]), imageWidth="wide")
    assert open_dataset(tmp_path).labels.tolist() == [[1]]
    (problem,) = problems_of(tmp_path, boxes=True)
    assert problem.message == "imageWidth and imageHeight are 'wide' and 30, not whole numbers of pixels"


@pytest.mark.parametrize("keep", [0, 0.5, 0.98])
def test_a_file_that_is_cut_off_is_one_problem(tmp_path: Path, keep: float) -> None:
    for name in ("a", "b", "c"):
        write(tmp_path / f"{name}.jpg", flags={"dog": name == "a"})
    file = write(tmp_path / "d.jpg", flags={"dog": True})
    text = file.read_text()
    file.write_text(text[: int(keep * len(text))])
    (problem,) = problems_of(tmp_path)
    assert (problem.kind, problem.file) == ("malformed_file", file)
    assert problem.message.startswith("malformed JSON: ")


def test_other_json_files_are_not_of_labelme(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text('{"images": [], "annotations": [], "categories": []}')
    assert format_of(tmp_path / "a.json") == "CocoFormat"
    with pytest.raises(DatasetError, match="has no JSON files; expected labelme"):
        open_dataset(write_image(tmp_path / "x" / "a.jpg").parent, format="labelme")


WRITE = """
import json, sys
from labelme._label_file import write_label_file

file, shapes = sys.argv[1:]
flags = {"cat": True, "gnu": False}
shapes = json.loads(shapes)
write_label_file(file, shapes=shapes, image_path="a.jpg", image_height=30, image_width=40, flags=flags)
print("null")
"""


def test_labelme_writes_what_is_read(tmp_path: Path) -> None:
    write_image(tmp_path / "a.jpg", orientation=6)
    shapes = [shape("dog", [0.0, 0.0], [20.0, 30.0], description="", mask=None)]
    read_with("labelme", WRITE, tmp_path / "a.json", json.dumps(shapes))
    assert labels_of(open_dataset(tmp_path)) == {"a.jpg": {"cat": 1, "dog": 1, "gnu": -1}}
    assert boxes_of(open_dataset(tmp_path, boxes=True, classes=["dog"])) == {"a.jpg": [("dog", 0, 0, 20, 30)]}
