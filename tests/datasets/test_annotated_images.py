"""What the images of all label tools have in common: labels, boxes and splits."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from freeloc.datasets import AnnotatedBox, DataProblems, Dataset, DatasetBuilder, OpenOptions, TagRules
from freeloc.datasets.annotated_images import AnnotatedImage, ImageObject, build_dataset, names_in
from freeloc.datasets.tags.rows import RowProblem
from freeloc.errors import DatasetOptionError
from freeloc.geometry.size import Size
from tests.datasets.tool_files import write_image

KNOWN = ("cat", "dog", "gnu")


def image(folder: Path, name: str = "a.jpg", **more: Any) -> AnnotatedImage:
    path = folder / name
    return AnnotatedImage(folder / "list", 7, path if path.exists() else write_image(path), **more)


def build(*images: AnnotatedImage, **options: Any) -> Dataset:
    folder = images[0].file.parent
    return build_dataset("tool", images, KNOWN, DatasetBuilder(folder, OpenOptions(**options)))


def test_classes_that_are_not_named_are_absent_unless_absent_ones_are_named(tmp_path: Path) -> None:
    images = [
        image(tmp_path, "a.jpg", tags=("dog",)),
        image(tmp_path, "b.jpg", tags=("dog",), unknown=("gnu",)),
        image(tmp_path, "c.jpg", tags=("dog",), absent=("cat",)),
        image(tmp_path, "d.jpg", absent=()),
    ]
    assert build(*images).labels.tolist() == [[-1, 1, -1], [-1, 1, 0], [-1, 1, 0], [0, 0, 0]]
    assert names_in(images) == ("cat", "dog", "gnu")


def test_flagged_objects_alone_are_ignored(tmp_path: Path) -> None:
    objects = ImageObject("dog", difficult=True), ImageObject("cat", crowd=True), ImageObject("cat")
    assert build(image(tmp_path, objects=objects)).labels.tolist() == [[1, 0, -1]]


def test_boxes_keep_their_flags_and_order(tmp_path: Path) -> None:
    objects = ImageObject("dog", 9, (1, 2, 3, 4), difficult=True), ImageObject("cat", 8, (5, 6, 7, 8))
    (sample,) = build(image(tmp_path, objects=objects, size=Size(40, 30)), boxes=True)
    assert sample.boxes == (AnnotatedBox(1, 1, 2, 3, 4, difficult=True), AnnotatedBox(0, 5, 6, 7, 8))
    assert build(image(tmp_path, objects=objects)).samples[0].boxes is None


def test_without_any_box_the_boxes_are_unknown(tmp_path: Path) -> None:
    data = build(image(tmp_path, objects=(ImageObject("dog"),)), boxes=True)
    assert [sample.boxes for sample in data] == [None]


def test_a_tag_needs_a_box_of_its_class_under_any_name(tmp_path: Path) -> None:
    objects = (ImageObject("dog", 9, (1, 2, 3, 4)),)
    rules = TagRules(aliases={"gnu": "dog", "cat": ""}, untagged="unknown")
    tagged = image(tmp_path, tags=("gnu", "cat"), objects=objects, size=Size(40, 30))
    (sample,) = build(tagged, boxes=True, tags=rules)
    assert (sample.labels.tolist(), sample.boxes) == ([1], (AnnotatedBox(0, 1, 2, 3, 4),))
    other = image(tmp_path, tags=("cat",), objects=objects, size=Size(40, 30))
    with pytest.raises(DataProblems, match="there is no box of 'cat'"):
        build(other, boxes=True, tags=TagRules(untagged="unknown"))
    chosen = build(other, boxes=True, classes=("dog",), tags=TagRules(untagged="unknown"))
    assert chosen.labels.tolist() == [[1]]


def test_a_box_outside_its_image_is_a_problem_on_its_line(tmp_path: Path) -> None:
    objects = (ImageObject("dog", 9, (100, 2, 200, 4)), ImageObject("dog", 8, (5, 6, 7, 8)))
    with pytest.raises(DataProblems) as caught:
        build(image(tmp_path, objects=objects), boxes=True)
    (problem,) = caught.value.problems
    assert (problem.line, problem.message[:35]) == (9, "the box of 'dog' at 100, 2, 200, 4 ")


def test_chosen_classes_leave_the_others_out(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    objects = ImageObject("dog", None, (1, 2, 3, 4)), ImageObject("cat", None, (1, 2, 3, 4))
    data = build(image(tmp_path, tags=("gnu",), objects=objects), classes=("cat",), boxes=True)
    assert (data.labels.tolist(), [len(sample.boxes or ()) for sample in data]) == ([[1]], [1])
    assert "left out, because they are not among the classes: 'dog' (1), 'gnu' (1)" in caplog.text


def test_one_split_is_read(tmp_path: Path) -> None:
    images = [image(tmp_path, f"{split}.jpg", split=split) for split in ("train", "Val")]
    for split, name in (("train", "tool train"), ("val", "tool val")):
        data = build(*images, split=split)
        assert (data.name, len(data)) == (name, 1)
    with pytest.raises(
        DatasetOptionError, match=r"no images in the split 'test': it has Val \(1\), train \(1\)"
    ):
        build(*images, split="test")


def test_problems_name_the_file_and_the_line(tmp_path: Path) -> None:
    nameless = AnnotatedImage(tmp_path / "list", 3, None, problems=(RowProblem("malformed_row", "x"),))
    missing = AnnotatedImage(
        tmp_path / "list",
        4,
        tmp_path / "gone.jpg",
        problems=(RowProblem("missing_image", "y"),),
        prefix="item: ",
    )
    with pytest.raises(DataProblems) as caught:
        build(image(tmp_path), nameless, missing)
    found = [(problem.kind, problem.line, problem.message) for problem in caught.value.problems]
    assert found == [("malformed_row", 3, "x"), ("missing_image", 4, "item: y")]
    assert build(image(tmp_path), nameless, missing, skip_bad=True).skipped == 2
