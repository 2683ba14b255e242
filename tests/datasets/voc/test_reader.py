from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import numpy as np
import pytest
from PIL import Image

from freeloc.datasets import Dataset, DatasetChecks, open_dataset
from freeloc.datasets.dataset import AnnotatedBox
from freeloc.datasets.problems import Problem
from freeloc.datasets.voc.reader import VOC_CLASSES
from freeloc.errors import FreelocError
from tests.datasets.dataset_folder import DatasetFolder
from tests.images.sample_images import exif_of

BOX = "<bndbox><xmin>1</xmin><ymin>2</ymin><xmax>30</xmax><ymax>20</ymax></bndbox>"


def object_xml(name: str, *, difficult: str | None = "0", box: str = BOX) -> str:
    flag = "" if difficult is None else f"\n  <difficult>{difficult}</difficult>"
    return f" <object>\n  <name>{name}</name>{flag}\n  {box}\n </object>\n"


class Devkit(DatasetFolder):
    """A small devkit on disk."""

    def __init__(self, root: Path) -> None:
        self.root = root
        for folder in ("JPEGImages", "Annotations", "ImageSets/Main"):
            (root / folder).mkdir(parents=True)

    def image(self, image_id: str, *objects: str) -> str:
        Image.new("RGB", (40, 30)).save(self.root / "JPEGImages" / f"{image_id}.jpg")
        self.annotation(image_id).write_text(f"<annotation>\n{''.join(objects)}</annotation>\n")
        return image_id

    def annotation(self, image_id: str) -> Path:
        return self.root / "Annotations" / f"{image_id}.xml"

    def write_list(self, name: str, *rows: str) -> Path:
        path = self.root / "ImageSets" / "Main" / f"{name}.txt"
        path.write_text("".join(f"{row}\n" for row in rows))
        return path

    def open(self, split: str | None = "train", **options: Any) -> Dataset:
        return open_dataset(self.root, split=split, **options)


@pytest.fixture
def devkit(tmp_path: Path) -> Devkit:
    return Devkit(tmp_path / "VOC2012")


def labels_of(data: Dataset, index: int = 0) -> dict[str, int]:
    return {
        name: int(label)
        for name, label in zip(data.classes, data.samples[index].labels, strict=True)
        if label != -1
    }


def test_labels_are_present_ignored_or_absent(devkit: Devkit) -> None:
    devkit.image(
        "b",
        object_xml("dog", difficult="1"),
        object_xml("dog"),
        object_xml("cat", difficult="1"),
        object_xml("cow", difficult=None),
        object_xml("sheep", difficult=""),
    )
    devkit.image("a")
    devkit.write_list("train", "b", "", "  a  ")
    data = devkit.open()
    assert data.name == "VOC2012 train"
    assert data.classes == VOC_CLASSES
    assert [sample.path for sample in data] == [devkit.root / f"JPEGImages/{name}.jpg" for name in "ba"]
    assert labels_of(data) == {"dog": 1, "cat": 0, "cow": 1, "sheep": 1}
    assert data.labels.dtype == np.int8
    assert (data.labels[1] == -1).all()
    assert [sample.boxes for sample in data] == [None, None]


def test_names_outside_objects_are_not_classes(devkit: Devkit) -> None:
    devkit.image(
        "a",
        "<owner><name>dog</name></owner>",
        object_xml("person", box=f"<part><name>head</name>{BOX}</part>{BOX}"),
    )
    devkit.write_list("train", "a")
    data = devkit.open(boxes=True)
    assert labels_of(data) == {"person": 1}
    assert data.samples[0].boxes == (AnnotatedBox(14, 0, 1, 30, 20),)


def test_boxes_are_converted_to_image_coordinates(devkit: Devkit) -> None:
    box = "<bndbox><xmax>40</xmax><xmin>1</xmin><ymin>5.25</ymin><ymax>30.70</ymax></bndbox>"
    devkit.image("a", object_xml("dog", box=box, difficult="1"))
    devkit.write_list("train", "a")
    assert devkit.open(boxes=True).samples[0].boxes == (AnnotatedBox(11, 0, 4.25, 40, 30.7, difficult=True),)


@pytest.mark.parametrize(
    "box",
    [
        "",
        "<bndbox/>",
        "<bndbox><xmin>none</xmin></bndbox>",
        "<bndbox><xmin>9</xmin><ymin>9</ymin><xmax>1</xmax><ymax>1</ymax></bndbox>",
        "<bndbox><name>cat</name><difficult>1</difficult></bndbox>",
    ],
)
def test_without_boxes_no_bndbox_is_read(devkit: Devkit, box: str) -> None:
    devkit.image("a", object_xml("dog", box=box), object_xml("cat", difficult="1", box=box))
    devkit.write_list("train", "a")
    assert labels_of(devkit.open()) == {"dog": 1, "cat": 0}
    if box:
        assert {problem.kind for problem in devkit.problems(boxes=True)} == {"bad_value"}
    else:  # the objects of the whole list are only tags
        data = devkit.open(boxes=True)
        assert (labels_of(data), data.samples[0].boxes) == ({"dog": 1, "cat": 0}, None)


def test_an_object_without_a_box_among_others_is_a_problem(devkit: Devkit) -> None:
    devkit.image("a", object_xml("dog", box=""))
    devkit.image("b", object_xml("dog"))
    devkit.write_list("train", "a", "b")
    (problem,) = devkit.problems(boxes=True)
    assert (problem.kind, problem.file) == ("bad_value", devkit.annotation("a"))


def test_every_split_has_the_classes_of_the_whole_folder(devkit: Devkit) -> None:
    devkit.image("a", object_xml("zebra"), object_xml("dog"))
    devkit.image("b", object_xml("dog"))
    devkit.write_list("train", "a")
    devkit.write_list("val", "b")
    devkit.annotation("elsewhere").write_text("<annotation>")
    assert devkit.open("train").classes == devkit.open("val").classes == ("dog", "zebra")


def test_a_typo_is_not_a_21st_class(devkit: Devkit) -> None:
    devkit.image("a", *map(object_xml, VOC_CLASSES))
    devkit.image("b", object_xml("cat"), object_xml("dgo"))
    devkit.write_list("train", "a", "b")
    assert devkit.problem() == Problem("unknown_class", devkit.annotation("b"), 8, "unknown class 'dgo'")
    data = devkit.open(skip_bad=True)
    assert (len(data), data.skipped, data.classes) == (1, 1, VOC_CLASSES)


def test_chosen_voc_classes_leave_the_others_out(devkit: Devkit) -> None:
    devkit.image("a", object_xml("dog"), object_xml("cat"), object_xml("person", difficult="1"))
    devkit.write_list("train", "a")
    data = devkit.open(classes=["person", " dog"], boxes=True)
    assert data.classes == ("person", "dog")
    assert data.samples[0].labels.tolist() == [0, 1]
    assert [box.label for box in data.samples[0].boxes or ()] == [1, 0]


@pytest.mark.parametrize("classes", [["zebra", "gnu"], ["dog"]])
def test_chosen_classes_beyond_voc_leave_the_others_out(
    devkit: Devkit, classes: list[str], caplog: pytest.LogCaptureFixture
) -> None:
    devkit.image("a", object_xml("zebra"), object_xml("dog"), object_xml("okapi", difficult="1"))
    devkit.write_list("train", "a")
    wanted = {classes[0]: 1} | ({"gnu": 0} if "gnu" in classes else {})
    assert labels_of(devkit.open(classes=classes, boxes=True)) == wanted
    left_out = "'dog' (1), 'okapi' (1)" if "zebra" in classes else "'okapi' (1), 'zebra' (1)"
    assert caplog.messages[-1].endswith(f"left out, because they are not among the classes: {left_out}")


def test_a_class_that_is_only_difficult_can_be_left_out_for_training(devkit: Devkit) -> None:
    devkit.image("a", object_xml("zebra"), object_xml("okapi", difficult="1"))
    devkit.image("b")
    devkit.write_list("train", "a", "b")
    assert [
        problem.message.split()[1] for problem in devkit.problems(checks=DatasetChecks(for_training=True))
    ] == ["'okapi'"]
    assert devkit.open(classes=["zebra"], checks=DatasetChecks(for_training=True)).labels.tolist() == [
        [1],
        [-1],
    ]


def test_chosen_classes_leave_all_other_names_out_and_the_log_names_them(
    devkit: Devkit, caplog: pytest.LogCaptureFixture
) -> None:
    devkit.image("a", *map(object_xml, VOC_CLASSES))
    devkit.image("b", object_xml("cat"), object_xml("dgo"), object_xml("Cat"))
    devkit.write_list("train", "b")
    assert labels_of(devkit.open(classes=["dog", "cat"])) == {"cat": 1}
    (message,) = caplog.messages
    assert message.endswith(
        "train.txt: left out, because they are not among the classes: 'Cat' (1), 'dgo' (1); do 'cat' and 'Cat' "
        "mean the same?"
    )


def test_a_chosen_class_that_occurs_nowhere_is_unknown(
    devkit: Devkit, caplog: pytest.LogCaptureFixture
) -> None:
    devkit.image("a", object_xml("dog"))
    devkit.image("b", object_xml("cat"))  # in no list, but in the folder
    devkit.write_list("train", "a")
    assert labels_of(devkit.open(classes=["dog", "cat", "sheep"])) == {"dog": 1, "sheep": 0}
    (message,) = caplog.messages
    assert message.endswith("train.txt does not have the class 'sheep': their labels are unknown")
    with pytest.raises(FreelocError, match=r"has none of the classes 'gnu', only 'cat' and 'dog'"):
        devkit.open(classes=["gnu"])


def test_class_files_alone_are_tags_without_boxes(devkit: Devkit) -> None:
    devkit.image("a")
    devkit.image("b")
    devkit.write_list("train", "a", "b")
    devkit.write_list("dog_train", "a 1", "b -1")
    devkit.write_list("cat_train", "a -1", "b 0")
    shutil.rmtree(devkit.root / "Annotations")
    data = devkit.open(classes=["zebra", "cat", "dog"], boxes=True)
    assert (data.labels.tolist(), data.has_boxes) == ([[0, -1, 1], [0, 0, -1]], False)
    assert data.samples[0].boxes is None


def write_class_files(devkit: Devkit, data: Dataset, split: str) -> None:
    names = [sample.path.stem for sample in data]
    for index, name in enumerate(data.classes):
        rows = (
            f"{image_id} {label:2d}" for image_id, label in zip(names, data.labels[:, index], strict=True)
        )
        devkit.write_list(f"{name}_{split}", *rows, "outside 1")


def test_class_files_give_the_labels_of_the_annotations(devkit: Devkit) -> None:
    devkit.image("a", object_xml("dog"), object_xml("cat", difficult="1"))
    devkit.image("b", object_xml("tvmonitor"))
    devkit.write_list("train", "a", "b")
    from_objects = devkit.open()
    write_class_files(devkit, from_objects, "train")
    with_boxes = devkit.open(boxes=True)
    devkit.annotation("a").write_text("never read <")
    devkit.annotation("b").unlink()
    from_files = devkit.open()
    assert from_files.classes == VOC_CLASSES
    assert from_files.labels.tolist() == with_boxes.labels.tolist() == from_objects.labels.tolist()
    assert with_boxes.has_boxes
    assert not from_files.has_boxes
    assert devkit.open(classes=["cat", "dog"]).labels.tolist() == [[0, 1], [-1, -1]]
    assert devkit.open(split=None).name == "VOC2012 train"


def test_class_files_of_some_classes_are_not_enough(devkit: Devkit) -> None:
    devkit.image("a", object_xml("dog"))
    devkit.write_list("train", "a")
    devkit.write_list("dog_train", "a -1")
    assert labels_of(devkit.open()) == {"dog": 1}


def test_class_files_are_enough_without_annotations(devkit: Devkit) -> None:
    devkit.image("a")
    devkit.annotation("a").unlink()
    (devkit.root / "Annotations").rmdir()
    devkit.write_list("train", "a")
    devkit.write_list("zebra_train", "a 1")
    devkit.write_list("gnu_train", "a 0")
    data = devkit.open()
    assert (data.classes, data.labels.tolist()) == (("gnu", "zebra"), [[0, 1]])


def test_wrong_rows_of_class_files_are_named(devkit: Devkit) -> None:
    for image_id in "abc":
        devkit.image(image_id)
    devkit.write_list("train", "a", "b", "c")
    file = devkit.write_list("dog_train", "a 2", "b 1", "b -1")
    assert devkit.problems(classes=["dog"]) == [
        Problem("missing_annotation", file, None, "c has no row"),
        Problem("bad_value", file, 1, "'2' after a is not -1, 0 or 1"),
        Problem("duplicate_row", file, 3, "b is already listed on line 2"),
    ]


def test_wrong_rows_of_the_list_are_named_together(devkit: Devkit) -> None:
    for image_id in ("a", "broken", "gone"):
        devkit.image(image_id, object_xml("dog"))
    images = devkit.root / "JPEGImages"
    (images / "gone.jpg").unlink()
    (images / "broken.jpg").write_bytes(b"no image")
    file = devkit.write_list("train", "a", "gone", "broken", "a", "a 1")
    assert devkit.problems() == [
        Problem("missing_image", file, 2, f"image {images / 'gone.jpg'} is missing"),
        Problem(
            "unreadable_image",
            file,
            3,
            f"image {images / 'broken.jpg'} cannot be read: it is not an image in a supported format",
        ),
        Problem("duplicate_row", file, 4, "a.jpg is already listed on line 1"),
        Problem("malformed_row", file, 5, "'a 1' is not the name of one image"),
    ]
    data = devkit.open(skip_bad=True)
    assert ([sample.path.stem for sample in data], data.skipped) == (["a"], 4)
    assert [problem.kind for problem in devkit.problems(checks=DatasetChecks(decode=False))] == [
        "missing_image",
        "duplicate_row",
        "malformed_row",
    ]


def test_a_missing_annotation_is_named_in_the_list(devkit: Devkit) -> None:
    devkit.image("a")
    devkit.annotation("a").unlink()
    file = devkit.write_list("train", "a")
    message = f"annotation {devkit.annotation('a')} is missing"
    assert devkit.problem() == Problem("missing_annotation", file, 1, message)


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        ("<annotation>\n<object>\n</annotation>", 3, "malformed XML: mismatched tag"),
        ("", 1, "malformed XML: no element found"),
        ("<html>\n</html>", 1, "starts with <html> instead of <annotation>"),
        ('<!DOCTYPE a [\n<!ENTITY dog "cat">]>\n<annotation>&dog;</annotation>', 2, "entities"),
        ('<?xml version="1.0" encoding="klingon"?>\n<annotation/>', 1, "malformed XML"),
    ],
)
def test_a_malformed_annotation_is_named_with_its_line(
    devkit: Devkit, text: str, line: int, words: str
) -> None:
    devkit.image("a")
    devkit.annotation("a").write_text(text)
    devkit.write_list("train", "a")
    problem = devkit.problem()
    assert (problem.kind, problem.file, problem.line) == ("malformed_file", devkit.annotation("a"), line)
    assert words in problem.message


@pytest.mark.parametrize(
    ("wrong", "line", "message"),
    [
        (object_xml(" "), 8, "an object has no name"),
        (" <object>\n </object>\n", 7, "an object has no name"),
        (object_xml("dog", difficult="maybe"), 9, "the difficult flag of 'dog' is 'maybe', not 0 or 1"),
        (object_xml("dog", box=""), 7, "xmin of the box of 'dog' is missing"),
        (
            object_xml("dog", box="<bndbox>\n<xmin>1</xmin>\n</bndbox>"),
            10,
            "ymin of the box of 'dog' is missing",
        ),
        (
            object_xml("dog", box=BOX.replace("2<", "\n\n?<")),
            10,
            "ymin of the box of 'dog' is '?', not a number",
        ),
        (
            object_xml("dog", box=BOX.replace("30", "nan")),
            10,
            "xmax of the box of 'dog' is 'nan', not a number",
        ),
        (object_xml("dog", box=BOX.replace("20", "1")), 10, "the box of 'dog' ends before it starts"),
        (object_xml("dog", box=BOX.replace("30", "1e308")), 10, "the box of 'dog' is larger than any image"),
    ],
)
def test_a_wrong_value_is_named_with_its_line(devkit: Devkit, wrong: str, line: int, message: str) -> None:
    devkit.image("a", object_xml("cat"), wrong)
    devkit.write_list("train", "a")
    assert devkit.problem(boxes=True) == Problem("bad_value", devkit.annotation("a"), line, message)


def test_a_box_outside_its_image_is_reported(devkit: Devkit) -> None:
    far = BOX.replace("1<", "401<").replace("30", "430")
    tall = BOX.replace("20", "39").replace("2<", "35<")
    devkit.image("a", object_xml("dog", box=tall), object_xml("dog", box=far))
    devkit.write_list("train", "a")
    first, second = devkit.problems(boxes=True)
    assert (first.kind, first.line, second.kind, second.line) == ("bad_value", 3, "bad_value", 8)
    assert first.message == (
        "the box of 'dog' at 0, 34, 30, 39 is outside its image of 40×30 pixels, but would be inside if the image "
        "were turned"
    )
    assert second.message == "the box of 'dog' at 400, 1, 430, 20 is outside its image of 40×30 pixels"
    assert devkit.open(boxes=True, checks=DatasetChecks(decode=False)).has_boxes


def size_xml(width: object, height: object) -> str:
    return f"<size><width>{width}</width><height>{height}</height><depth>3</depth></size>\n"


def box_xml(*edges: float) -> str:
    names = ("xmin", "ymin", "xmax", "ymax")
    return f"<bndbox>{''.join(f'<{n}>{e}</{n}>' for n, e in zip(names, edges, strict=True))}</bndbox>"


def boxes_of(data: Dataset) -> list[tuple[float, ...]]:
    return [(box.x1, box.y1, box.x2, box.y2) for sample in data for box in sample.boxes or ()]


def test_boxes_of_the_image_as_stored_are_turned_upright(
    devkit: Devkit, caplog: pytest.LogCaptureFixture
) -> None:
    stored = object_xml("dog", box=box_xml(124, 351, 297, 404))
    upright = object_xml("dog", box=box_xml(97, 124, 150, 297))
    devkit.image("a", size_xml(375, 500), stored)
    devkit.image("b", size_xml(500, 375), upright)
    for name in "ab":
        Image.new("RGB", (375, 500)).save(devkit.root / f"JPEGImages/{name}.jpg", exif=exif_of(6))
    devkit.write_list("train", "a", "b")
    for decode in (True, False):
        caplog.clear()
        data = devkit.open(boxes=True, checks=DatasetChecks(decode=decode))
        assert boxes_of(data) == [(96, 123, 150, 297)] * 2
        (message,) = caplog.messages
        assert message.startswith(f"turned the boxes of 1 image ({data.samples[0].path}) upright")
    caplog.clear()
    assert len(devkit.open()) == 2
    assert caplog.messages == []


def test_every_image_of_another_size_is_named_or_its_boxes_are_rescaled(
    devkit: Devkit, caplog: pytest.LogCaptureFixture
) -> None:
    dog = object_xml("dog", box=box_xml(101, 201, 300, 400))
    devkit.image("a", size_xml(400, 300), object_xml("dog", box=box_xml(101, 201, 400, 300)))
    devkit.image("b", size_xml(800, 600), dog)
    devkit.image("c", size_xml(40, 30), object_xml("dog"))
    devkit.image("d", size_xml(400, 400), dog)
    devkit.write_list("train", "a", "b", "c")
    found = devkit.problems(boxes=True)
    assert [(problem.kind, problem.file, problem.line) for problem in found] == [
        ("resized_image", devkit.annotation(name), 2) for name in "ab"
    ]
    assert boxes_of(devkit.open(boxes=True, checks=DatasetChecks(rescale_boxes=True)))[:2] == [
        (10, 20, 40, 30),
        (5, 10, 15, 20),
    ]
    assert "rescaled the boxes of 2 images" in caplog.text
    devkit.write_list("train", "a", "d")
    problem = devkit.problem(boxes=True, checks=DatasetChecks(rescale_boxes=True))
    assert (problem.kind, problem.file) == ("wrong_size", devkit.annotation("d"))
    assert boxes_of(devkit.open(boxes=True, checks=DatasetChecks(rescale_boxes=True), skip_bad=True)) == [
        (10, 20, 40, 30)
    ]
    # Training from tags reads no boxes, so another size is no reason to refuse.
    caplog.clear()
    assert len(devkit.open()) == 2
    (message,) = caplog.messages
    headline, *lines = message.splitlines()
    assert "2 of 2 images do not have the size that their annotations declare; labels are not" in headline
    assert [line.split(": ")[0] for line in lines] == [f"{devkit.annotation(name)}:2" for name in "ad"]


@pytest.mark.parametrize(
    "size", ["", "<size/>", size_xml(0, 0), size_xml("", ""), size_xml(40, 0), size_xml("40.0", "30.00")]
)
def test_an_unknown_size_is_no_problem(devkit: Devkit, size: str) -> None:
    devkit.image("a", size, object_xml("dog"))
    devkit.write_list("train", "a")
    assert boxes_of(devkit.open(boxes=True)) == [(0, 1, 30, 20)]


@pytest.mark.parametrize("width", ["wide", "-40", "40.5", "nan", "1e400"])
def test_a_wrong_size_matters_for_boxes_only(devkit: Devkit, width: str) -> None:
    devkit.image("a", size_xml(width, 30), object_xml("dog"))
    devkit.write_list("train", "a")
    message = f"the width of the image is {width!r}, not whole pixels"
    assert devkit.problem(boxes=True) == Problem("bad_value", devkit.annotation("a"), 2, message)
    assert len(devkit.open()) == 1


def test_boxes_as_fractions_are_named_by_file(devkit: Devkit) -> None:
    fraction = object_xml("dog", box=box_xml(0.1, 0.25, 0.5, 1))
    devkit.image("a", fraction, fraction)
    devkit.image("b", object_xml("dog"))
    devkit.write_list("train", "a", "b")
    problem = devkit.problem(boxes=True)
    assert (problem.kind, problem.file, problem.line) == ("bad_value", devkit.annotation("a"), 3)
    assert "2 of 2 boxes have only coordinates between 0 and 1" in problem.message
    assert len(devkit.open(boxes=True, skip_bad=True)) == 1


def test_difficult_flags_may_be_written_as_decimals(devkit: Devkit) -> None:
    devkit.image("a", object_xml("dog", difficult="1.0"), object_xml("cat", difficult="0.0"))
    devkit.write_list("train", "a")
    assert labels_of(devkit.open()) == {"dog": 0, "cat": 1}


def test_a_class_without_an_image_matters_for_training_only(devkit: Devkit) -> None:
    devkit.image("a", object_xml("dog"), object_xml("cat", difficult="1"))
    devkit.image("b")
    file = devkit.write_list("train", "a", "b")
    assert len(devkit.open(classes=["dog", "cat"])) == 2
    for skip_bad in (False, True):
        problem = devkit.problem(
            classes=["dog", "cat"], checks=DatasetChecks(for_training=True), skip_bad=skip_bad
        )
        assert (problem.kind, problem.file, problem.line) == ("empty_class", file, None)
        assert problem.message.startswith("class 'cat' has no image")


def test_a_list_that_is_not_text_is_fatal(devkit: Devkit) -> None:
    devkit.write_list("train").write_bytes(b"a\nb\n\xff\n")
    problem = devkit.problem(skip_bad=True)
    assert (problem.kind, problem.line) == ("malformed_file", 3)


def test_an_empty_list_is_an_error(devkit: Devkit) -> None:
    devkit.write_list("train")
    with pytest.raises(FreelocError, match="it lists no images"):
        devkit.open()


def test_a_list_of_bad_images_only_is_an_error(devkit: Devkit) -> None:
    devkit.write_list("train", "a", "b")
    with pytest.raises(FreelocError, match="all 2 images have problems"):
        devkit.open(skip_bad=True)


def test_the_list_must_be_chosen_where_there_are_several(devkit: Devkit) -> None:
    devkit.image("a")
    devkit.write_list("train", "a")
    assert devkit.open(split=None).name == "VOC2012 train"
    devkit.write_list("my_train", "a")
    devkit.write_list("dog_train", "a 1")
    with pytest.raises(FreelocError, match="several lists: choose one of my_train, train$"):
        devkit.open(split=None)
    for split in ("tset", "dog_train"):
        with pytest.raises(FreelocError, match=f"no list '{split}': it has my_train, train"):
            devkit.open(split)


def test_a_devkit_without_lists_gives_all_images_sorted(devkit: Devkit) -> None:
    for image_id in ("b", "a", "c"):
        devkit.image(image_id, object_xml("dog"))
    (devkit.root / "JPEGImages" / "Thumbs.db").write_text("no image")
    (devkit.root / "ImageSets" / "Main").rmdir()
    data = devkit.open(split=None)
    assert ([sample.path.stem for sample in data], data.name) == (["a", "b", "c"], "VOC2012")
    with pytest.raises(FreelocError, match="there are no lists in"):
        devkit.open("train")


def test_hidden_and_system_files_of_a_devkit_are_passed_over(devkit: Devkit) -> None:
    devkit.image("a", object_xml("dog"))
    for name in ("JPEGImages/._a.jpg", "Annotations/._a.xml", "Annotations/._b.xml", "JPEGImages/Thumbs.db"):
        (devkit.root / name).write_bytes(b"system")
    assert [sample.path.name for sample in devkit.open(None)] == ["a.jpg"]
    devkit.write_list("train", "a")
    devkit.write_list("._train", "a")
    devkit.write_list("._dog_train", "a 1")
    data = devkit.open(None)
    assert (data.name, data.classes, labels_of(data)) == ("VOC2012 train", VOC_CLASSES, {"dog": 1})


@pytest.mark.parametrize("listed", [False, True])
@pytest.mark.parametrize("other", ["a.png", "a.JPG"])
def test_two_images_of_one_name_are_both_named(devkit: Devkit, other: str, listed: bool) -> None:
    devkit.image("a", object_xml("dog"))
    devkit.image("b", object_xml("cat"))
    path = devkit.root / "JPEGImages" / other
    Image.new("RGB", (40, 30)).save(path)
    if path.samefile(devkit.root / "JPEGImages" / "a.jpg"):
        pytest.skip("this file system ignores case")
    if listed:
        devkit.write_list("train", "a", "b")
    problems = devkit.problems(split=None)
    assert {problem.kind for problem in problems} == {"ambiguous_image"}
    assert len(problems) == (1 if listed else 2)
    message = (
        f"a.jpg and {other} have the same name without suffix, so it is unclear to which of them lists and "
    )
    assert problems[0].message == f"{message}annotations refer: rename or remove one"
    data = devkit.open(None, skip_bad=True)
    assert ([sample.path.name for sample in data], data.skipped) == (["b.jpg"], len(problems))
    assert labels_of(data) == {"cat": 1}


def test_names_of_images_may_contain_blanks(devkit: Devkit) -> None:
    names = ["my street 1", "my street 0", "my cat", "plain"]
    for name in names:
        devkit.image(name, object_xml("dog"))
    # The first lines of the lists look like rows of class files.
    devkit.write_list("by_day", *names)
    devkit.write_list("by_night", *names[:2])
    devkit.write_list(
        "dog_by_day", *(f"{name} {value}" for name, value in zip(names, (1, -1, 0, 1), strict=True))
    )
    for split, count in (("by_day", 4), ("by_night", 2)):
        data = devkit.open(split, classes=["dog"])
        assert [sample.path.stem for sample in data] == names[:count]
    assert devkit.open("by_night").labels.max(axis=1).tolist() == [1, 1]
    assert devkit.open("by_day", classes=["dog"]).labels[:, 0].tolist() == [1, -1, 0, 1]
    with pytest.raises(FreelocError, match="several lists: choose one of by_day, by_night$"):
        devkit.open(None)


def test_a_list_is_no_class_file_because_of_its_first_line(devkit: Devkit) -> None:
    for name in ("my cat", "a", "b"):
        devkit.image(name, object_xml("dog"))
    devkit.write_list("street_train", "my cat", "a", "b")
    assert [sample.path.stem for sample in devkit.open(None)] == ["my cat", "a", "b"]
    (devkit.root / "JPEGImages" / "my cat.jpg").unlink()
    problem = devkit.problem(split=None)
    assert (problem.kind, problem.line) == ("malformed_row", 1)


def test_names_are_found_in_either_unicode_form(devkit: Devkit) -> None:
    devkit.image("caf\xe9", object_xml("cafe\u0301"))
    devkit.image("u\u0308ber", object_xml("caf\xe9"))
    devkit.write_list("train", "cafe\u0301", "\xfcber")
    data = devkit.open()
    assert (data.classes, data.labels.tolist()) == (("caf\xe9",), [[1], [1]])
    devkit.write_list("cafe\u0301_train", "cafe\u0301 1", "\xfcber -1")
    assert devkit.open(classes=["caf\xe9"]).labels.tolist() == [[1], [-1]]


def test_images_in_subfolders_are_found(devkit: Devkit) -> None:
    for folder in ("JPEGImages", "Annotations"):
        (devkit.root / folder / "day").mkdir()
    devkit.image("day/a", object_xml("dog"))
    devkit.write_list("train", "day/a")
    assert devkit.open().samples[0].path == devkit.root / "JPEGImages" / "day" / "a.jpg"


def test_other_endings_and_another_folder_of_images(devkit: Devkit, tmp_path: Path) -> None:
    devkit.image("a", object_xml("dog"))
    devkit.write_list("train", "a")
    (tmp_path / "pictures").mkdir()
    Image.new("RGB", (8, 8)).save(tmp_path / "pictures" / "a.PNG")
    assert devkit.open(images=tmp_path / "pictures").samples[0].path == tmp_path / "pictures" / "a.PNG"


def test_the_folder_that_contains_one_devkit_is_enough(tmp_path: Path) -> None:
    devkit = Devkit(tmp_path / "VOCdevkit" / "VOC2007")
    devkit.image("a", object_xml("dog"))
    devkit.write_list("train", "a")
    for path in (tmp_path, tmp_path / "VOCdevkit"):
        assert open_dataset(path, split="train").name == "VOC2007 train"
    second = Devkit(tmp_path / "VOCdevkit" / "VOC2012")
    with pytest.raises(FreelocError, match="several VOC devkits") as caught:
        open_dataset(tmp_path, split="train")
    assert str(devkit.root) in str(caught.value)
    assert str(second.root) in str(caught.value)


def test_a_folder_that_is_not_a_devkit_is_reported(tmp_path: Path) -> None:
    with pytest.raises(FreelocError, match="is not a VOC devkit; expected VOC: folder JPEGImages"):
        open_dataset(tmp_path, format="voc")


@pytest.mark.images
def test_a_real_list_agrees_with_a_plain_reading(voc_root: Path) -> None:
    split, count = "val", 1000
    data = open_dataset(voc_root, split=split, boxes=True)
    names = (voc_root / "ImageSets" / "Main" / f"{split}.txt").read_text().split()
    assert [sample.path.name for sample in data] == [f"{name}.jpg" for name in names]
    assert (len(data), data.classes, data.skipped) == (count, VOC_CLASSES, 0)
    for name, sample in zip(names, data, strict=True):
        labels = dict.fromkeys(VOC_CLASSES, -1)
        boxes: list[tuple[float, ...]] = []
        for element in ET.parse(voc_root / "Annotations" / f"{name}.xml").getroot().findall("object"):
            class_name, difficult = element.findtext("name", ""), element.findtext("difficult") == "1"
            labels[class_name] = max(labels[class_name], 0 if difficult else 1)
            left, top, right, bottom = (
                float(element.findtext(f"bndbox/{side}", "")) for side in ("xmin", "ymin", "xmax", "ymax")
            )
            boxes.append((VOC_CLASSES.index(class_name), left - 1, top - 1, right, bottom, difficult, False))
        assert sample.labels.tolist() == list(labels.values())
        fields = ("label", "x1", "y1", "x2", "y2", "difficult", "crowd")
        assert [tuple(getattr(box, key) for key in fields) for box in sample.boxes or ()] == boxes
    assert (
        open_dataset(voc_root, split=split, checks=DatasetChecks(decode=False)).labels.tolist()
        == data.labels.tolist()
    )
