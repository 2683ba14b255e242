"""Aliases, case, rare tags and images without a tag, in every format."""

from __future__ import annotations

import json
import logging
import pickle
import shutil
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from freeloc.datasets import DataProblems, Dataset, DatasetChecks, OpenOptions, open_dataset
from freeloc.datasets.builder import DatasetBuilder, make_labels
from freeloc.datasets.dataset import AnnotatedBox
from freeloc.datasets.tag_report import TagCount
from freeloc.datasets.tag_rules import TagRules
from freeloc.errors import ConfigurationError, FreelocError
from tests.datasets.coco.test_reader import Coco, annotation
from tests.datasets.tags.tag_lists import images, write
from tests.datasets.voc.test_reader import Devkit, object_xml

FAST = DatasetChecks(decode=False)


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the images 0.png to 7.png."""
    folder = tmp_path_factory.mktemp("pictures")
    images(folder, *(f"{index}.png" for index in range(8)))
    return folder


def tag_list(folder: Path, pictures: Path, *cells: str) -> Path:
    rows = [f'{pictures / f"{index}.png"},"{cell}"' for index, cell in enumerate(cells)]
    return write(folder / "tags.csv", "file_name,tags", *rows)


def rows_of(data: Dataset) -> list[dict[str, int]]:
    """The labels of each image that are not −1, by class."""
    return [
        {name: int(label) for name, label in zip(data.classes, labels, strict=True) if label != -1}
        for labels in data.labels
    ]


def test_tags_become_the_classes_of_which_they_are_aliases(tmp_path: Path, pictures: Path) -> None:
    file = tag_list(tmp_path, pictures, "puppy, sea", "dog", "hound, todo", "", "todo")
    aliases = write(tmp_path / "aliases.csv", "puppy,dog", "hound,dog", "todo,", "unused,cat")
    data = open_dataset(file, aliases=aliases, checks=FAST)
    assert data.classes == ("dog", "sea")
    assert rows_of(data) == [{"dog": 1, "sea": 1}, {"dog": 1}, {"dog": 1}, {}, {}]
    assert data.tags is not None
    assert data.tags.tags == (
        TagCount("dog", 1, "dog"),
        TagCount("hound", 1, "dog"),
        TagCount("puppy", 1, "dog"),
        TagCount("sea", 1, "sea"),
        TagCount("todo", 2, None),
    )
    assert data.tags.untagged == 2
    assert [tag.name for tag in data.tags.left_out_by_aliases] == ["todo"]
    same = open_dataset(file, aliases={"dog": ["puppy", "hound"], "": ["todo"]}, checks=FAST)
    assert same.fingerprint == data.fingerprint


def test_the_most_frequent_spelling_names_a_class(tmp_path: Path, pictures: Path) -> None:
    file = tag_list(tmp_path, pictures, "DOG", "dog", "Dog, ape", "dog", "Straße", "STRASSE, Ape")
    data = open_dataset(file, fold_case=True, checks=FAST)
    assert data.classes == ("Ape", "dog", "STRASSE")
    assert rows_of(data) == [
        {"dog": 1},
        {"dog": 1},
        {"dog": 1, "Ape": 1},
        {"dog": 1},
        *[{"STRASSE": 1}],
        {"STRASSE": 1, "Ape": 1},
    ]
    named = open_dataset(file, fold_case=True, aliases={"Dog": ["hound"]}, checks=FAST)
    assert named.classes == ("Ape", "Dog", "STRASSE")
    chosen = open_dataset(file, fold_case=True, classes=["straße", "doG"], checks=FAST)
    assert chosen.classes == ("straße", "doG")
    assert rows_of(chosen)[-1] == {"straße": 1}


def test_a_label_is_present_rather_than_unknown_and_unknown_rather_than_absent(
    tmp_path: Path, pictures: Path
) -> None:
    rows = [",1,0,", ",1,,1", ",0,,0", ",0,0,1", ",0,0,0"]
    lines = [f"{pictures / f'{index}.png'}{row}" for index, row in enumerate(rows)]
    file = write(tmp_path / "wide.csv", "file_name,dog,puppy,Dog", *lines)
    data = open_dataset(file, fold_case=True, aliases={"dog": ["puppy"]}, checks=FAST)
    assert data.classes == ("dog",)
    assert data.labels[:, 0].tolist() == [1, 1, 0, 1, -1]


TAGS = st.sampled_from(["dog", "Dog", "DOG", "puppy", "Puppy", "cat", "CAT", "todo", "sea", "Sea"])
ROWS = st.lists(st.tuples(st.sets(TAGS, max_size=4), st.sets(TAGS, max_size=2)), min_size=1, max_size=8)


@settings(
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.filter_too_much], max_examples=60
)
@given(
    rows=ROWS,
    fold=st.booleans(),
    aliased=st.booleans(),
    floor=st.integers(0, 3),
    unknown=st.booleans(),
    chosen=st.none() | st.just(("sea", "dog")),
)
def test_labels_are_those_of_renamed_rows(
    tmp_path: Path,
    pictures: Path,
    rows: Any,
    fold: bool,
    aliased: bool,
    floor: int,
    unknown: bool,
    chosen: Any,
) -> None:
    """The reference replaces the tags in each row, one by one."""
    aliases = {"dog": ["puppy"], "": ["todo"]} if aliased else None
    records = [
        {"file_name": str(pictures / f"{i}.png"), "tags": sorted(tags), "unknown_tags": sorted(more - tags)}
        for i, (tags, more) in enumerate(rows)
    ]
    file = write(tmp_path / "tags.jsonl", *map(json.dumps, records))

    def key(tag: str) -> str:
        tag = tag.lower() if fold else tag
        return {"puppy": "dog", "todo": ""}.get(tag, tag) if aliased else tag

    present = [{key(tag) for tag in row["tags"]} - {""} for row in records]
    doubtful = [{key(tag) for tag in row["unknown_tags"]} - {""} - has for row, has in zip(records, present)]
    counts = Counter(tag for row in present for tag in row)
    every = set(chosen or set().union(*present, *doubtful))
    kept = {tag for tag in every if counts[tag] >= floor}
    try:
        data = open_dataset(
            file,
            aliases=aliases,
            fold_case=fold,
            min_images=floor,
            untagged="unknown" if unknown else "absent",
            classes=chosen,
            checks=FAST,
        )
    except FreelocError as error:
        known = set().union(*present, *doubtful)
        assert not kept or not known & every, error
        return
    names = [key(name) for name in data.classes]
    assert set(names) == kept
    assert len(names) == len(kept)
    known = set().union(*present, *doubtful)
    for labels, has, may in zip(data.labels, present, doubtful, strict=True):
        untagged = unknown and not has and not may
        for name, label in zip(names, labels, strict=True):
            missing = untagged or name in may or name not in known
            assert label == (1 if name in has else 0 if missing else -1)


def test_the_floor_counts_images_that_are_used_and_says_what_it_leaves_out(
    tmp_path: Path, pictures: Path, caplog: pytest.LogCaptureFixture
) -> None:
    file = tag_list(tmp_path, pictures, "dog, cat", "dog, puppy, cat", "dog, ape", "cow")
    with file.open("a") as rows:
        rows.write("gone.png,ape\n")
    data = open_dataset(file, min_images=2, skip_bad=True, checks=FAST)
    assert (data.classes, len(data), data.skipped) == (("cat", "dog"), 4, 1)
    assert "left out 3 classes in fewer than 2 images: 'ape' (1), 'cow' (1), 'puppy' (1)" in caplog.text
    assert rows_of(data)[3] == {}
    # A class is in an image once, whatever the number of its tags there.
    merged = open_dataset(file, min_images=4, aliases={"dog": ["puppy", "cow"]}, skip_bad=True, checks=FAST)
    assert merged.classes == ("dog",)
    with pytest.raises(
        ConfigurationError, match="no class in at least 9 images; the most frequent one is 'dog'"
    ) as caught:
        open_dataset(file, min_images=9, skip_bad=True, checks=FAST)
    assert caught.value.parameter == "min_images"


def test_the_floor_removes_classes_of_other_splits_from_training(tmp_path: Path, pictures: Path) -> None:
    rows = [("dog", "train"), ("cat", "train"), ("dog", "train"), ("ape", "val")]
    lines = [f"{pictures / f'{i}.png'},{tag},{split}" for i, (tag, split) in enumerate(rows)]
    file = write(tmp_path / "tags.csv", "file_name,tags,split", *lines)
    checks = DatasetChecks(for_training=True, decode=False)
    with pytest.raises(DataProblems, match="class 'ape' has no images"):
        open_dataset(file, split="train", checks=checks)
    train = open_dataset(file, split="train", min_images=1, checks=checks)
    val = open_dataset(file, split="val", classes=train.classes, checks=FAST)
    assert train.classes == val.classes == ("cat", "dog")


def test_chosen_classes_must_have_enough_images_too(tmp_path: Path, pictures: Path) -> None:
    file = tag_list(tmp_path, pictures, "dog, cat", "dog", "ape")
    assert open_dataset(file, min_images=2, classes=["cat", "dog"], checks=FAST).classes == ("dog",)


def test_images_without_a_tag_are_absent_or_unknown(
    tmp_path: Path, pictures: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "freeloc")
    file = tag_list(tmp_path, pictures, "dog", "cat", "", "todo", "ape")
    aliases = {"": ["todo"]}
    assert rows_of(open_dataset(file, aliases=aliases, checks=FAST))[2:4] == [{}, {}]
    data = open_dataset(file, aliases=aliases, untagged="unknown", checks=FAST)
    unknown = {"ape": 0, "cat": 0, "dog": 0}
    assert rows_of(data) == [{"dog": 1}, {"cat": 1}, unknown, unknown, {"ape": 1}]
    assert "2 of 5 images have no tag, so that all their labels are unknown" in caplog.text
    # An image with a tag that is not chosen, or on too few images, has a tag.
    chosen = open_dataset(file, aliases=aliases, untagged="unknown", classes=["dog"], checks=FAST)
    assert chosen.labels[:, 0].tolist() == [1, -1, 0, 0, -1]
    assert "left out, because they are not among the classes: 'ape' (1), 'cat' (1)\n" in caplog.text


def test_columns_that_are_not_chosen_say_whether_an_image_has_a_tag(tmp_path: Path, pictures: Path) -> None:
    rows = [f"{pictures / f'{i}.png'},{cells}" for i, cells in enumerate(("1,0,9.5", "0,1,1", "0,0,7"))]
    file = write(tmp_path / "wide.csv", "file_name,dog,cat,celsius", *rows)
    data = open_dataset(file, classes=["dog"], untagged="unknown", checks=FAST)
    assert data.labels[:, 0].tolist() == [1, -1, 0]


def test_lists_with_other_spellings_of_a_column_fit_together(tmp_path: Path) -> None:
    for split, column in (("train", "Dog"), ("val", "dog")):
        images(tmp_path / split, "a.png", "b.png")
        write(tmp_path / split / "metadata.csv", f"file_name,{column},junk", "a.png,1,1", "b.png,0,0")
    with pytest.raises(DataProblems, match="there is no column for class 'dog'"):
        open_dataset(tmp_path)
    data = open_dataset(tmp_path, fold_case=True, aliases={"": ["junk"]})
    assert (data.classes, data.labels[:, 0].tolist()) == (("Dog",), [1, -1, 1, -1])
    assert open_dataset(tmp_path, fold_case=True, classes=["DOG"]).labels[:, 0].tolist() == [1, -1, 1, -1]


def test_class_folders(tmp_path: Path) -> None:
    for name in ("dog/1.png", "Dog/2.png", "test/3.png", "sea/4.png"):
        images(tmp_path, name)
    data = open_dataset(tmp_path, aliases={"dog": ["test"]}, fold_case=True, classes=["dog", "sea"])
    assert {sample.path.name: tuple(sample.labels) for sample in data} == {
        "1.png": (1, -1),
        "2.png": (1, -1),
        "3.png": (1, -1),
        "4.png": (-1, 1),
    }


def test_objects_of_coco_files_keep_their_boxes(tmp_path: Path) -> None:
    coco = Coco(tmp_path / "coco")
    coco.contents["categories"] = [
        {"id": i, "name": name} for i, name in enumerate(("dog", "Puppy", "cat", "ape"))
    ]
    coco.image(1, annotation(1, 0), annotation(1, 1, bbox=[5, 5, 9, 9]), annotation(1, 3))
    coco.image(2, annotation(2, 1, iscrowd=1), annotation(2, 2))
    coco.image(3, annotation(3, 2))
    data = coco.open(boxes=True, aliases={"dog": ["puppy"], "": ["ape"]}, fold_case=True)
    assert data.classes == ("dog", "cat")
    assert rows_of(data) == [{"dog": 1}, {"dog": 0, "cat": 1}, {"cat": 1}]
    assert data[0].boxes == (AnnotatedBox(0, 1, 2, 4.5, 6), AnnotatedBox(0, 5, 5, 14, 14))
    assert [box.label for sample in data[1:] for box in sample.boxes or ()] == [0, 1, 1]
    cats = coco.open(boxes=True, aliases={"dog": ["puppy"]}, fold_case=True, classes=["cat"], min_images=1)
    assert [[box.label for box in sample.boxes or ()] for sample in cats] == [[], [0], [0]]
    few = coco.open(boxes=True, min_images=2)
    assert few.classes == ("cat",)
    assert [[box.label for box in sample.boxes or ()] for sample in few] == [[], [0], [0]]


def test_boxes_of_classes_that_are_not_chosen_are_not_checked(tmp_path: Path) -> None:
    coco = Coco(tmp_path / "coco")
    coco.image(1, annotation(1, 7), annotation(1, 3, bbox=[500, 5, 9, 9]))
    coco.image(2, annotation(2, 90))
    with pytest.raises(DataProblems):
        coco.open(boxes=True, untagged="unknown")
    assert coco.open(boxes=True, untagged="unknown", classes=["dog"]).labels.tolist() == [[1], [-1]]


def test_objects_of_devkits(tmp_path: Path) -> None:
    devkit = Devkit(tmp_path / "VOC2012")
    devkit.image("a", object_xml("Dog"), object_xml("puppy", difficult="1"), object_xml("junk"))
    devkit.image("b", object_xml("puppy", difficult="1"), object_xml("cat"))
    devkit.image("c", object_xml("junk"))
    devkit.write_list("train", "a", "b", "c")
    assert devkit.open().classes == ("Dog", "cat", "junk", "puppy")
    rules: dict[str, Any] = {"aliases": {"dog": ["puppy"], "": ["junk"]}, "fold_case": True}
    data = devkit.open(boxes=True, **rules)
    assert len(data.classes) == 20  # all names are those of VOC
    assert rows_of(data) == [{"dog": 1}, {"dog": 0, "cat": 1}, {}]
    assert [box.difficult for box in data[0].boxes or ()] == [False, True]
    chosen = devkit.open(**rules, classes=["dog", "cat"], untagged="unknown")
    assert chosen.labels.tolist() == [[1, -1], [0, 1], [0, 0]]
    with pytest.raises(DataProblems, match="class 'aeroplane' has no images"):
        devkit.open(**rules, checks=DatasetChecks(for_training=True))
    few = devkit.open(**rules, min_images=1, checks=DatasetChecks(for_training=True))
    assert few.classes == ("cat", "dog")


def test_typos_next_to_the_classes_of_voc_are_still_reported(tmp_path: Path) -> None:
    from freeloc.datasets.voc.reader import VOC_CLASSES

    devkit = Devkit(tmp_path / "VOC2012")
    devkit.image("a", *map(object_xml, VOC_CLASSES), object_xml("doog"), object_xml("puppy"))
    devkit.write_list("train", "a")
    problem = devkit.problem(aliases={"dog": ["puppy"]})
    assert (problem.kind, problem.message) == ("unknown_class", "unknown class 'doog'")


def test_class_files_are_merged(tmp_path: Path) -> None:
    devkit = Devkit(tmp_path / "VOC2012")
    for name in "abc":
        devkit.image(name)
    shutil.rmtree(devkit.root / "Annotations")
    devkit.write_list("train", "a", "b", "c")
    devkit.write_list("dog_train", "a 1", "b -1", "c -1")
    devkit.write_list("puppy_train", "a -1", "b 0", "c -1")
    devkit.write_list("cat_train", "a -1", "b -1", "c 1")
    for classes in (None, ["cat", "dog"]):
        data = devkit.open(aliases={"dog": ["puppy"]}, classes=classes)
        assert (data.classes, data.labels.tolist()) == (("cat", "dog"), [[-1, 1], [-1, 0], [1, -1]])


def test_a_format_of_another_package_needs_nothing_for_it(pictures: Path) -> None:
    """It reads the tags that the builder returns, with or without chosen classes."""
    tags = [["Dog"], ["dog", "sea"], ["puppy"], []]

    def build(**options: Any) -> Dataset:
        builder = DatasetBuilder(pictures, OpenOptions(checks=FAST, **options))
        names = builder.choose_classes(["Dog", "dog", "puppy", "sea"])
        for index, row in enumerate(tags):
            sample = builder.add_image(pictures / f"{index}.png", pictures, None)
            builder.leave_out(set(row).difference(names))
            sample.labels = make_labels(len(names), [names.index(tag) for tag in row if tag in names])
        return builder.build("own", names)

    rules = TagRules(aliases={"puppy": "dog"}, fold_case=True, untagged="unknown")
    assert build(tags=rules).labels.tolist() == [[1, -1], [1, 1], [1, -1], [0, 0]]
    assert build(tags=rules, classes=("sea",)).labels.tolist() == [[-1], [1], [-1], [0]]
    assert build(tags=TagRules(fold_case=True), classes=("DOG",)).labels.tolist() == [[1], [1], [-1], [-1]]


def test_what_happened_is_said(tmp_path: Path, pictures: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "freeloc")
    file = tag_list(tmp_path, pictures, "dog", "Dog", "puppy", "")
    open_dataset(file, fold_case=True, aliases={"Dog": ["puppy"]}, checks=FAST)
    assert "3 tags become 'Dog'" in caplog.text
    open_dataset(file, aliases={"dog": ["hound"]}, checks=FAST)
    assert "none of the aliases occurs among the tags" in caplog.text
    caplog.clear()
    # The tags of classes that are not chosen are not read, but they occur.
    open_dataset(file, aliases={"hound": ["puppy"]}, classes=["dog"], checks=FAST)
    assert "none of the aliases" not in caplog.text
    caplog.clear()
    assert open_dataset(file, checks=FAST).tags is None
    assert caplog.text == ""


def test_a_chosen_class_that_is_missing_is_unknown(
    tmp_path: Path, pictures: Path, caplog: pytest.LogCaptureFixture
) -> None:
    file = tag_list(tmp_path, pictures, "puppy", "cat", "")
    aliases = {"dog": ["puppy"]}
    data = open_dataset(file, aliases=aliases, classes=["gnu", "dog"], checks=FAST)
    assert data.labels.tolist() == [[0, 1], [0, -1], [0, -1]]
    assert "does not have the class 'gnu': their labels are unknown" in caplog.text
    assert "left out, because they are not among the classes: 'cat' (1)" in caplog.text
    training = DatasetChecks(for_training=True, decode=False)
    assert open_dataset(file, aliases=aliases, classes=["gnu", "dog"], checks=training).classes == ("dog",)
    with pytest.raises(ConfigurationError, match="did you mean 'dog'"):
        open_dataset(file, aliases=aliases, classes=["dgo", "cat"], checks=training)
    with pytest.raises(ConfigurationError, match="has none of the classes 'puppy'"):
        open_dataset(file, aliases=aliases, classes=["puppy"], checks=FAST)


def test_a_dataset_with_rules_can_be_pickled(tmp_path: Path, pictures: Path) -> None:
    data = open_dataset(tag_list(tmp_path, pictures, "dog", "Dog"), fold_case=True, checks=FAST)
    copy = pickle.loads(pickle.dumps(data))
    assert copy.tags == data.tags
    assert np.array_equal(copy.labels, data.labels)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"min_images": -1}, "min_images is -1: it must be at least 0"),
        ({"untagged": "maybe"}, "untagged is 'maybe': choose one of absent, unknown"),
        ({"fold_case": "yes"}, "fold_case is 'yes': it must be True or False"),
        ({"aliases": 3}, "aliases is 3: it must be "),
        ({"alias": {}}, "open_dataset has no option called 'alias': did you mean 'aliases'"),
        ({"splt": "train"}, "open_dataset has no option called 'splt': did you mean 'split'"),
    ],
)
def test_invalid_options_are_reported(
    tmp_path: Path, pictures: Path, options: dict[str, Any], message: str
) -> None:
    with pytest.raises(ConfigurationError, match=message) as caught:
        open_dataset(tag_list(tmp_path, pictures, "dog"), **options)
    assert caught.value.parameter == next(iter(options))
