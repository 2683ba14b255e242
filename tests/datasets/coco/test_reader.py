from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from freeloc.datasets import DataProblems, Dataset, DatasetChecks, category_ids, open_dataset
from freeloc.datasets.coco.reader import read_ids
from freeloc.datasets.dataset import AnnotatedBox
from freeloc.datasets.problems import Problem
from freeloc.errors import FreelocError
from tests.datasets.dataset_folder import DatasetFolder
from tests.images.sample_images import exif_of

CATEGORIES = [{"id": 7, "name": "dog"}, {"id": 3, "name": "cat"}, {"id": 90, "name": "gnu"}]


def annotation(image: object, category: object, **more: object) -> dict[str, object]:
    return {"id": 1, "image_id": image, "category_id": category, "bbox": [1, 2, 3.5, 4], "iscrowd": 0, **more}


class Coco(DatasetFolder):
    """A small COCO folder, with one record per line."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.file = root / "annotations" / "instances_val2017.json"
        self.contents: dict[str, Any] = {"images": [], "annotations": [], "categories": CATEGORIES}
        self.file.parent.mkdir(parents=True)
        (root / "val2017").mkdir()

    def image(self, image_id: int, *annotations: dict[str, object]) -> Path:
        path = self.root / "val2017" / f"{image_id}.jpg"
        Image.new("RGB", (40, 30)).save(path)
        self.contents["images"].append({"id": image_id, "file_name": path.name})
        self.contents["annotations"].extend(annotations)
        return path

    def write(self) -> None:
        lists = (
            f'"{key}": [\n' + ",\n".join(map(json.dumps, records)) + "\n]"
            for key, records in self.contents.items()
        )
        self.file.write_text("{\n" + ",\n".join(lists) + "\n}\n")

    def line(self, key: str, index: int = 0) -> int:
        """Return the position of a record."""
        before = list(self.contents).index(key)
        return 3 + sum(len(self.contents[name]) + 2 for name in list(self.contents)[:before]) + index

    def open(self, **options: Any) -> Dataset:
        self.write()
        return open_dataset(self.root, **options)


@pytest.fixture
def coco(tmp_path: Path) -> Coco:
    return Coco(tmp_path / "coco")


def test_labels_classes_and_order(coco: Coco) -> None:
    second = coco.image(2, annotation(2, 7, iscrowd=1), annotation(2, 3, iscrowd=1), annotation(2, 3))
    first = coco.image(1)
    data = coco.open()
    assert data.name == "COCO val2017"
    assert data.classes == ("cat", "dog", "gnu")
    assert [sample.path for sample in data] == [second, first]
    assert data.labels.tolist() == [[1, 0, -1], [-1, -1, -1]]
    assert data.labels.dtype == np.int8
    assert not data.has_boxes


def test_boxes_are_converted_to_image_coordinates(coco: Coco) -> None:
    coco.image(
        1, annotation(1, 7, bbox=[0, 1.5, 10, 20.25], iscrowd=1), annotation(1, 3, bbox=[40, 30, 0, 0])
    )
    boxes = coco.open(boxes=True).samples[0].boxes
    assert boxes == (AnnotatedBox(1, 0, 1.5, 10, 21.75, crowd=True), AnnotatedBox(0, 40, 30, 40, 30))


@pytest.mark.parametrize(
    "bbox",
    [
        None,
        [1, 2, 3],
        "1 2 3 4",
        [1, 2, -3, 4],
        [1, 2, 3, "4"],
        [1, 2, 3, True],
        [1, 2, 3, float("nan")],
        [1, 2, 3, 1e308],
    ],
)
def test_without_boxes_no_bbox_is_read(coco: Coco, bbox: object) -> None:
    coco.image(1, annotation(1, 7, bbox=bbox, id=55))
    assert coco.open().labels.tolist() == [[-1, 1, -1]]
    coco.image(2, annotation(2, 7, id=56))
    problem = coco.problem(boxes=True)
    message = f"image 1: annotation 55: bbox is {bbox!r}, not [x, y, width, height]"
    assert problem == Problem("bad_value", coco.file, coco.line("annotations"), message)


def test_category_ids_can_be_read(coco: Coco) -> None:
    coco.write()
    ids = category_ids(coco.file)
    assert list(ids.items()) == [("cat", 3), ("dog", 7), ("gnu", 90)]
    assert category_ids(str(coco.root), "val2017") == ids
    with pytest.raises(TypeError):
        ids["cat"] = 4  # type: ignore[index]


def test_chosen_categories_leave_the_others_out(coco: Coco, caplog: pytest.LogCaptureFixture) -> None:
    coco.image(1, annotation(1, 7), annotation(1, 3, iscrowd=1), annotation(1, 90))
    data = coco.open(classes=["gnu", "cat"], boxes=True)
    assert (data.classes, data.labels.tolist()) == (("gnu", "cat"), [[1, 0]])
    assert [box.label for box in data.samples[0].boxes or ()] == [1, 0]
    data = coco.open(classes=["cat", "ox"])
    assert (data.classes, data.labels.tolist()) == (("cat", "ox"), [[0, 0]])
    assert "does not have the class 'ox': their labels are unknown" in caplog.text
    assert caplog.messages[-1].endswith("they are not among the classes: 'dog' (1), 'gnu' (1)")
    with pytest.raises(
        FreelocError, match=r"val2017\.json has none of the classes 'ox', only 'cat', 'dog' and"
    ):
        coco.open(classes=["ox"])


def test_annotations_none_of_which_has_a_box_are_tags(coco: Coco) -> None:
    coco.image(1, annotation(1, 7), annotation(1, 3, iscrowd=1))
    first, second = coco.contents["annotations"]
    first["bbox"], second["bbox"] = [], None
    data = coco.open(boxes=True)
    assert (data.labels.tolist(), data.samples[0].boxes) == ([[0, 1, -1]], None)
    coco.contents["annotations"][0]["bbox"] = [1, 1, 5, 5]
    assert [problem.kind for problem in coco.problems(boxes=True)] == ["bad_value"]


def test_wrong_images_are_named_together(coco: Coco) -> None:
    coco.image(1)
    gone = coco.image(2)
    gone.unlink()
    broken = coco.image(3)
    broken.write_bytes(broken.read_bytes()[:-9])
    coco.contents["images"] += [{"id": 4, "file_name": "1.jpg"}, {"id": 5}, {"file_name": "6.jpg"}, 7]
    coco.contents["images"].append({"id": 1, "file_name": coco.image(8).name})
    line = coco.line("images")
    assert coco.problems() == [
        Problem("missing_image", coco.file, line + 1, f"image 2: image {gone} is missing"),
        Problem(
            "unreadable_image",
            coco.file,
            line + 2,
            f"image 3: image {broken} cannot be read: the JPEG is truncated (its end marker is missing)",
        ),
        Problem("duplicate_row", coco.file, line + 3, f"image 4: 1.jpg is already listed on line {line}"),
        Problem("bad_value", coco.file, line + 4, "image 5 needs an id and a file_name"),
        Problem("bad_value", coco.file, line + 5, "an image needs an id and a file_name"),
        Problem("bad_value", coco.file, line + 6, "an image needs an id and a file_name"),
        Problem("duplicate_row", coco.file, line + 8, f"image 1: 8.jpg is already listed on line {line + 7}"),
        Problem("duplicate_row", coco.file, line + 8, "image 1: 1.jpg already has this id"),
    ]
    data = coco.open(skip_bad=True)
    assert ([sample.path.name for sample in data], data.skipped) == (["1.jpg", "8.jpg"], 7)


def test_wrong_annotations_are_named_with_their_image(coco: Coco) -> None:
    coco.image(1, annotation(1, 8, id=21), annotation(1, 7, iscrowd=2, id=22))
    coco.image(2, annotation(2, 7))
    line = coco.line("annotations")
    assert coco.problems() == [
        Problem(
            "unknown_class",
            coco.file,
            line,
            "image 1: annotation 21 has category_id 8, which is not among the categories",
        ),
        Problem("bad_value", coco.file, line + 1, "image 1: annotation 22: iscrowd is 2, not 0 or 1"),
    ]
    data = coco.open(skip_bad=True)
    assert ([sample.path.name for sample in data], data.skipped) == (["2.jpg"], 1)


def test_records_that_belong_to_no_image_are_fatal(coco: Coco) -> None:
    coco.image(1, annotation(9, 7, id=31), {"id": 32}, {})
    coco.contents["categories"] = [*CATEGORIES, {"id": 7, "name": "ox"}, {"id": "8", "name": "ox"}]
    line, category = coco.line("annotations"), coco.line("categories")
    assert coco.problems(skip_bad=True) == [
        Problem(
            "bad_value", coco.file, line, "annotation 31 belongs to image 9, which the file does not list"
        ),
        Problem("bad_value", coco.file, line + 1, "annotation 32 needs an image_id and a category_id"),
        Problem("bad_value", coco.file, line + 2, "an annotation needs an image_id and a category_id"),
        Problem("bad_value", coco.file, category + 3, "category 7 ('ox') repeats an id or a name"),
        Problem("bad_value", coco.file, category + 4, "a category needs an integer id and a name"),
    ]


def test_a_box_outside_its_image_is_reported(coco: Coco) -> None:
    coco.image(1, annotation(1, 7, bbox=[100, 2, 5, 5]))
    problem = coco.problem(boxes=True)
    message = "image 1: the box of 'dog' at 100, 2, 105, 7 is outside its image of 40×30 pixels"
    assert problem == Problem("bad_value", coco.file, coco.line("annotations"), message)


@pytest.mark.parametrize("box", [(40, 2, 5, 5), (2, 30, 5, 5), (-5, 2, 5, 5), (2, -5, 5, 5)])
def test_a_box_that_only_touches_its_image_is_outside(coco: Coco, box: tuple[float, ...]) -> None:
    coco.image(1, annotation(1, 7, bbox=list(box)))
    assert "is outside its image of 40×30 pixels" in coco.problem(boxes=True).message


@pytest.mark.parametrize("box", [(40, 2, 0, 5), (2, 30, 5, 0), (0, 2, 0, 5), (39.5, 2, 5, 5)])
def test_a_line_on_the_border_and_a_box_across_it_are_not_outside(coco: Coco, box: tuple[float, ...]) -> None:
    coco.image(1, annotation(1, 7, bbox=list(box)))
    x, y, width, height = box
    assert boxes_of(coco.open(boxes=True)) == [(x, y, x + width, y + height)]


def boxes_of(data: Dataset) -> list[tuple[float, ...]]:
    return [(box.x1, box.y1, box.x2, box.y2) for sample in data for box in sample.boxes or ()]


def test_boxes_of_the_image_as_stored_are_turned_upright(
    coco: Coco, caplog: pytest.LogCaptureFixture
) -> None:
    path = coco.image(1, annotation(1, 7, bbox=[123, 350, 174, 54]))
    Image.new("RGB", (375, 500)).save(path, exif=exif_of(6))
    record = coco.contents["images"][0]
    record |= {"width": 375.0, "height": 500}
    assert boxes_of(coco.open(boxes=True)) == [(96, 123, 150, 297)]
    assert f"turned the boxes of 1 image ({path}) upright" in caplog.text
    caplog.clear()
    record |= {"width": 750, "height": 1000}
    assert boxes_of(coco.open(boxes=True, checks=DatasetChecks(rescale_boxes=True))) == [
        (298, 61.5, 325, 148.5)
    ]
    assert "rescaled" in caplog.text
    problem = coco.problem(boxes=True)
    assert (problem.kind, problem.line) == ("resized_image", coco.line("images"))
    assert problem.message.startswith(
        "image 1: the annotation declares 750×1000, but 1.jpg has 500×375 pixels (375×500"
    )
    record |= {"width": None, "height": float("nan")}
    assert boxes_of(coco.open(boxes=True)) == [(123, 350, 297, 404)]
    assert "did not turn the boxes of 1 image" in caplog.text


def test_a_wrong_size_matters_for_boxes_only(coco: Coco) -> None:
    coco.image(1, annotation(1, 7))
    coco.contents["images"][0] |= {"width": 40, "height": "tall"}
    assert len(coco.open()) == 1
    message = "image 1: height is 'tall', not a whole number of pixels"
    assert coco.problem(boxes=True) == Problem("bad_value", coco.file, coco.line("images"), message)


def test_boxes_in_another_convention_are_fatal(coco: Coco) -> None:
    coco.image(1, annotation(1, 7, bbox=[20, 10, 38, 25]), annotation(1, 7, bbox=[2, 3, 9, 9]))
    coco.image(2, annotation(2, 7, bbox=[25, 12, 30, 29]), annotation(2, 3, bbox=[1, 15, 30, 25]))
    problem = coco.problem(boxes=True, skip_bad=True)
    assert (problem.kind, problem.line) == ("bad_value", coco.line("annotations"))
    assert "3 of 4 boxes" in problem.message
    assert "x1, y1, x2, y2" in problem.message
    assert len(coco.open()) == 2
    for item in coco.contents["annotations"]:
        item["bbox"] = [0.1, 0.2, 0.5, 0.75]
    assert "4 of 4 boxes have only coordinates between 0 and 1" in coco.problem(boxes=True).message


def test_ignored_objects_count_as_crowds(coco: Coco) -> None:
    coco.image(1, annotation(1, 7, ignore=1), annotation(1, 3, ignore=0), annotation(1, 90, ignore=None))
    coco.image(2, annotation(2, 7, ignore=1), annotation(2, 7), annotation(2, 3, ignore=True, iscrowd=0))
    data = coco.open(boxes=True)
    assert data.labels.tolist() == [[1, 0, 1], [0, 1, -1]]
    assert [[box.crowd for box in sample.boxes or ()] for sample in data] == [
        [True, False, False],
        [True, False, True],
    ]
    coco.contents["annotations"][0]["ignore"] = "yes"
    assert coco.problem().message == "image 1: annotation 1: ignore is 'yes', not 0 or 1"


def test_whole_decimals_and_nulls_are_harmless(coco: Coco) -> None:
    coco.contents["categories"] = [{"id": 7.0, "name": "dog"}, {"id": 3, "name": "cat"}]
    coco.image(1, annotation(1.0, 7.0, iscrowd=None), annotation(1, 3.0, iscrowd=1.0))
    coco.image(2, annotation(2, 3, iscrowd=float("nan"), id=None))
    coco.contents["images"][0]["id"] = 1.0
    data = coco.open(boxes=True)
    assert data.labels.tolist() == [[0, 1], [1, -1]]
    assert dict(category_ids(coco.file)) == {"cat": 3, "dog": 7}
    coco.contents["annotations"][0]["image_id"] = 1.5
    assert "needs an image_id" in coco.problem().message


@pytest.mark.parametrize("key", ["images", "annotations"])
def test_an_empty_list_may_be_null(coco: Coco, key: str) -> None:
    coco.image(1)
    coco.write()
    text = coco.file.read_text()
    contents = json.loads(text) | {"annotations": []}
    coco.file.write_text(json.dumps(contents | {key: None}))
    if key == "images":
        with pytest.raises(FreelocError, match="it lists no images"):
            open_dataset(coco.root)
    else:
        assert open_dataset(coco.root).labels.tolist() == [[-1, -1, -1]]


def test_in_lvis_a_class_is_absent_only_where_the_file_says_so(coco: Coco) -> None:
    coco.image(1, annotation(1, 7))
    coco.image(2, annotation(2, 3), annotation(2, 7, iscrowd=1))
    coco.image(3)
    first, second, third = coco.contents["images"]
    first |= {"neg_category_ids": [3], "not_exhaustive_category_ids": [7]}
    second |= {"neg_category_ids": [90.0], "not_exhaustive_category_ids": None}
    third |= {"neg_category_ids": [3, 7], "not_exhaustive_category_ids": [7]}
    # The classes are cat (3), dog (7) and gnu (90).
    assert coco.open().labels.tolist() == [[-1, 1, 0], [1, 0, -1], [-1, 0, 0]]
    assert coco.open(classes=["gnu"]).labels.tolist() == [[0], [-1], [0]]
    del third["neg_category_ids"]
    assert coco.open().labels.tolist()[2] == [0, 0, 0]
    # Without any lists of absent categories, only categories that are not annotated exhaustively are unknown.
    del first["neg_category_ids"], second["neg_category_ids"]
    assert coco.open().labels.tolist() == [[-1, 1, -1], [1, 0, -1], [-1, 0, -1]]


@pytest.mark.parametrize(
    ("key", "value", "kind", "words"),
    [
        ("neg_category_ids", 3, "bad_value", "neg_category_ids is 3, not a list of category ids"),
        ("not_exhaustive_category_ids", ["a", 1.5], "bad_value", "not a list of category ids"),
        ("neg_category_ids", [8], "unknown_class", "category 8, which is not among the categories"),
        (
            "neg_category_ids",
            [7],
            "bad_value",
            "category_id 7, which is also in the image's neg_category_ids",
        ),
    ],
)
def test_wrong_lists_of_lvis_are_named(coco: Coco, key: str, value: object, kind: str, words: str) -> None:
    coco.image(1, annotation(1, 7))
    coco.image(2)
    coco.contents["images"][0][key] = value
    problem = coco.problem()
    assert problem.kind == kind
    assert words in problem.message
    assert len(coco.open(skip_bad=True)) == 1


@pytest.mark.parametrize("flat", [False, True])
def test_lvis_names_images_by_their_address(coco: Coco, flat: bool) -> None:
    path = coco.image(1, annotation(1, 7))
    del coco.contents["images"][0]["file_name"]
    coco.contents["images"][0]["coco_url"] = "http://images.cocodataset.org/val2017/1.jpg"
    images = path.parent if flat else None
    assert coco.open(images=images).samples[0].path.samefile(path)
    assert read_ids(coco.root).images == {1: "val2017/1.jpg"}


def test_a_class_without_an_image_matters_for_training_only(coco: Coco) -> None:
    coco.image(1, annotation(1, 7), annotation(1, 3), annotation(1, 90, iscrowd=1))
    coco.image(2)
    assert coco.open().labels.tolist() == [[1, 1, 0], [-1, -1, -1]]
    problem = coco.problem(checks=DatasetChecks(for_training=True))
    assert (problem.kind, problem.file, problem.line) == ("empty_class", coco.file, None)
    assert problem.message.startswith("class 'gnu' has no image")


def test_a_class_on_every_image_matters_for_training_only(coco: Coco) -> None:
    coco.contents["categories"] = CATEGORIES[:2]
    coco.image(1, annotation(1, 7), annotation(1, 3))
    coco.image(2, annotation(2, 7), annotation(2, 3, iscrowd=1))
    assert len(coco.open()) == 2
    problems = coco.problems(checks=DatasetChecks(for_training=True))
    assert [(problem.kind, problem.message.split()[1]) for problem in problems] == [
        ("full_class", "'cat'"),
        ("full_class", "'dog'"),
    ]


@pytest.mark.parametrize(
    "bbox", [[10**400, 2, 3, 4], [1, 2, 10**400, 4], [1e308, 2, 1e308, 4], [1, 2, -(10**400), 4]]
)
def test_a_box_too_large_for_any_image_is_bad(coco: Coco, bbox: list[float]) -> None:
    coco.image(1, annotation(1, 7, bbox=bbox))
    assert len(coco.open()) == 1
    for decode in (True, False):
        problem = coco.problem(boxes=True, checks=DatasetChecks(decode=decode))
        assert (problem.kind, problem.line) == ("bad_value", coco.line("annotations"))
        assert problem.message.endswith("not [x, y, width, height]")


def test_a_category_that_utf8_cannot_encode_is_reported(coco: Coco) -> None:
    coco.image(1, annotation(1, 7))
    coco.contents["categories"] = [CATEGORIES[0], {"id": 8, "name": "c\ud800t"}]
    problem = coco.problem(skip_bad=True)
    assert (problem.kind, problem.line) == ("bad_value", coco.line("categories", 1))
    assert problem.message == r"the name of category 8 is 'c\ud800t', which UTF-8 cannot encode"


def test_file_names_may_be_windows_paths(coco: Coco) -> None:
    path = coco.image(1, annotation(1, 7))
    (coco.root / "val2017").rename(coco.root / "pictures")
    coco.contents["images"][0]["file_name"] = "pictures\\1.jpg"
    assert coco.open().samples[0].path == coco.root / "pictures" / path.name


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        ('{\n"images": [}', 2, "malformed JSON: Expecting value"),
        ('{"images": [],\n"annotations": [\n{"id": 1}', 3, "malformed JSON: ',' or ']' is missing"),
        ("[]", 1, "the file contains a JSON list, and not the object of a COCO file"),
        ("", 1, "malformed JSON: the file must contain one JSON object"),
        ('{"images": {}}', 1, "malformed JSON: 'images' must be a list"),
        ('{"images": []}\n{}', 2, "malformed JSON: text follows the end of the object"),
        ("{1: 2}", 1, "malformed JSON: a key must be a string"),
        ('{"images" []}', 1, "malformed JSON: ':' is missing after a key"),
        ('{"images": [] "a": 1}', 1, "malformed JSON: ',' or '}' is missing"),
        ('{"images": [],\n"info": {"size":\n' + "9" * 5000 + "}}", 2, "in this value has too many digits"),
        (
            '{"images": [\n{"id": ' + "9" * 5000 + "}]}",
            2,
            "malformed JSON: a number in this value has too many",
        ),
        ('{"images": ' + "[" * 200_000, None, "malformed JSON: it is nested too deeply"),
        (
            '{"images": [], "info": 1}',
            None,
            "not a COCO instances file: it has no annotations, no categories",
        ),
        ('{"images": [],\n"\xff"', 2, "the text is not UTF-8"),
    ],
)
def test_a_malformed_file_is_named_with_its_line(coco: Coco, text: str, line: int | None, words: str) -> None:
    coco.file.write_bytes(text.encode("latin-1"))
    with pytest.raises(DataProblems) as caught:
        open_dataset(coco.root, skip_bad=True)
    (problem,) = caught.value.problems
    assert (problem.kind, problem.file, problem.line) == ("malformed_file", coco.file, line)
    assert words in problem.message


def test_the_split_names_the_file(coco: Coco) -> None:
    coco.image(1)
    coco.write()
    for split in (None, "val", "val2017"):
        assert open_dataset(coco.root, split=split).name == "COCO val2017"
        assert open_dataset(coco.file, split=split).name == "COCO val2017"
    with pytest.raises(FreelocError, match="is not the split 'train': omit the split"):
        open_dataset(coco.file, split="train")
    with pytest.raises(FreelocError, match=r"no annotations/instances_train.json: choose one of val2017"):
        open_dataset(coco.root, split="train")
    second = coco.file.with_name("instances_val2014.json")
    second.write_bytes(coco.file.read_bytes())
    for split in (None, "val"):
        with pytest.raises(FreelocError, match="choose one of val2014, val2017$"):
            open_dataset(coco.root, split=split)
    exact = coco.file.with_name("instances_val.json")
    exact.write_bytes(coco.file.read_bytes())
    assert open_dataset(coco.root, split="val", images=coco.root / "val2017").name == "COCO val"


@pytest.mark.parametrize("place", ["images/val2017", "images", ".", "annotations", "elsewhere/photos"])
def test_images_are_found_where_they_usually_are(coco: Coco, place: str) -> None:
    path = coco.image(1)
    (coco.root / place).mkdir(parents=True, exist_ok=True)
    moved = path.rename(coco.root / place / "1.jpg")
    images = moved.parent if place.startswith("elsewhere") else None
    assert coco.open(images=images).samples[0].path.samefile(moved)


def test_a_file_next_to_its_images(tmp_path: Path) -> None:
    coco = Coco(tmp_path / "coco")
    image = coco.image(1)
    coco.write()
    file = coco.file.rename(image.parent / "_annotations.json")
    assert open_dataset(file).samples[0].path == image


def test_a_folder_without_instances_is_reported(tmp_path: Path) -> None:
    with pytest.raises(FreelocError, match=r"is not a COCO dataset; expected COCO: a file \*\.json"):
        open_dataset(tmp_path, format="coco")


@pytest.mark.images
@pytest.mark.parametrize(("split", "count"), [("train2017", 343), ("val2017", 164)])
def test_real_files_agree_with_a_plain_reading(coco_root: Path, split: str, count: int) -> None:
    data = open_dataset(coco_root, split=split, boxes=True)
    contents = json.loads((coco_root / "annotations" / f"instances_{split}.json").read_text())
    names = {category["id"]: category["name"] for category in contents["categories"]}
    assert data.classes == tuple(names[image_id] for image_id in sorted(names))
    assert dict(category_ids(coco_root, split)) == {name: image_id for image_id, name in names.items()}
    assert (len(data), len(data.classes), data.skipped) == (count, 80, 0)
    assert [sample.path.name for sample in data] == [image["file_name"] for image in contents["images"]]
    for image, sample in zip(contents["images"], data, strict=True):
        annotations = [each for each in contents["annotations"] if each["image_id"] == image["id"]]
        single = Counter(names[each["category_id"]] for each in annotations if not each["iscrowd"])
        crowd = Counter(names[each["category_id"]] for each in annotations if each["iscrowd"])
        labels = [1 if single[name] else 0 if crowd[name] else -1 for name in data.classes]
        assert sample.labels.tolist() == labels
        rows = [(names[each["category_id"]], *each["bbox"], bool(each["iscrowd"])) for each in annotations]
        for row, box in zip(rows, sample.boxes or (), strict=True):
            assert (data.classes[box.label], box.x1, box.y1, box.crowd) == (row[0], row[1], row[2], row[5])
            assert (box.x2, box.y2) == (row[1] + row[3], row[2] + row[4])
            assert not box.difficult
    unread = open_dataset(coco_root, split=split, checks=DatasetChecks(decode=False))
    assert unread.labels.tolist() == data.labels.tolist()
