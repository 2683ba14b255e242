"""What will hurt a model although the dataset can be read: each finding, and none in sound data."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageEnhance

import freeloc
from freeloc.datasets import Dataset
from freeloc.datasets.checks.check import DatasetReport, check
from freeloc.datasets.checks.classes import warn_of_untagged
from freeloc.datasets.training_data import open_for_training
from freeloc.errors import ConfigurationError

SIZE = (560, 420)


def picture(seed: int) -> Image.Image:
    """An image of soft colored spots, different for each seed."""
    spots = np.random.default_rng(seed).integers(0, 256, (6, 8, 3), np.uint8)
    return Image.fromarray(spots).resize(SIZE, Image.Resampling.BICUBIC)


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The images a.jpg to x.jpg, and y.jpg and z.jpg without any tag, which do not look alike."""
    folder = tmp_path_factory.mktemp("pictures")
    for index in range(26):
        picture(index).save(folder / f"{chr(ord('a') + index)}.jpg", quality=90)
    return folder


@pytest.fixture
def dataset(pictures: Path, tmp_path: Path) -> Callable[..., Path]:
    """Write a tag list of the images, by default 12 cats, 12 dogs and 2 without a tag, with further rows."""

    def write(
        rows: Sequence[str] = (),
        header: str = "file_name,tags",
        tags: Sequence[str] | None = None,
        *,
        untagged: bool = True,
    ) -> Path:
        shutil.copytree(pictures, tmp_path, dirs_exist_ok=True)
        every = tags or ["cat"] * 12 + ["dog"] * 12
        listed = [f"{chr(ord('a') + index)}.jpg,{tag}" for index, tag in enumerate(every)]
        if untagged:
            cells = {"tags": "", "unknown_tags": "", "split": "train"}
            empty = ",".join(cells.get(name, "0") for name in header.split(",")[1:])
            listed += [f"{name}.jpg,{empty}" for name in "yz"]
        (tmp_path / "metadata.csv").write_text("\n".join([header, *listed, *rows]) + "\n")
        return tmp_path

    return write


def kinds(report: DatasetReport) -> list[str]:
    return [finding.kind for finding in report.findings]


def message(report: DatasetReport, kind: str) -> str:
    return next(str(finding) for finding in report.findings if finding.kind == kind)


def test_sound_data_has_no_findings(dataset: Callable[..., Path]) -> None:
    report = check(dataset(), quiet=True)
    assert report.findings == ()
    assert report.verdict == (
        "ready for training: 26 images and 2 classes, and nothing was found that would hurt a model"
    )
    assert report.counts() == {"cat": 12, "dog": 12}
    assert freeloc.check is check


@pytest.mark.parametrize("change", ["same bytes", "png", "half size", "brighter", "lower quality"])
def test_near_duplicates_with_contradicting_tags(dataset: Callable[..., Path], change: str) -> None:
    folder = dataset([f"copy.{'png' if change == 'png' else 'jpg'},dog"])
    image = picture(0)
    if change == "same bytes":
        shutil.copy(folder / "a.jpg", folder / "copy.jpg")
    elif change == "png":
        image.save(folder / "copy.png")
    elif change == "half size":
        image.resize((280, 210)).save(folder / "copy.jpg")
    elif change == "brighter":
        ImageEnhance.Brightness(image).enhance(1.1).save(folder / "copy.jpg")
    else:
        image.save(folder / "copy.jpg", quality=30)
    report = check(folder, quiet=True)
    found = message(report, "contradicting_duplicates")
    assert found.startswith("1 pair of images look the same but have different tags")
    assert f"{folder / 'a.jpg'} (cat) and {folder / 'copy'}" in found
    assert "divided_duplicates" not in kinds(report)
    assert "1 warning" in report.verdict or change == "half size"  # which is a small image as well


def test_near_duplicates_with_the_same_tags_do_no_harm(dataset: Callable[..., Path]) -> None:
    folder = dataset(["copy.png,cat"])
    picture(0).save(folder / "copy.png")
    assert kinds(check(folder, quiet=True)) == []


def test_unknown_labels_do_not_contradict(dataset: Callable[..., Path]) -> None:
    labels = ["1,0"] * 12 + ["0,1"] * 12
    folder = dataset(["copy.png,1,"], "file_name,cat,dog", labels)
    picture(0).save(folder / "copy.png")
    assert kinds(check(folder, quiet=True)) == []


def test_near_duplicates_in_two_splits_of_one_list(dataset: Callable[..., Path]) -> None:
    folder = dataset(
        ["copy.png,cat,val"],
        "file_name,tags,split",
        ["cat,train"] * 12 + ["dog,train"] * 10 + ["dog,val"] * 2,
    )
    picture(0).save(folder / "copy.png")
    report = check(folder, quiet=True)
    assert kinds(report) == ["divided_duplicates"]
    found = message(report, "divided_duplicates")
    assert f"{folder / 'a.jpg'} in train and {folder / 'copy.png'} in val" in found
    # A single split is compared with others on request.
    assert kinds(check(folder, split="train", quiet=True)) == []
    both = check(folder, split="train", other_splits=["val"], quiet=True)
    assert kinds(both) == ["divided_duplicates"]
    assert len(both.dataset) == 24


def test_images_that_only_resemble_each_other_are_told_apart(dataset: Callable[..., Path]) -> None:
    """The hash sees no color."""
    folder = dataset(["red.png,dog"])
    red, green, blue = picture(0).convert("L").convert("RGB").split()
    Image.merge("RGB", (red, green, blue.point(lambda value: 255 - value))).save(folder / "red.png")
    assert kinds(check(folder, quiet=True)) == []


def test_similar_names(dataset: Callable[..., Path], caplog: pytest.LogCaptureFixture) -> None:
    report = check(dataset(tags=["dog"] * 12 + ["DOG"] * 12), quiet=True)
    assert kinds(report) == ["similar_names"]
    assert "'DOG' and 'dog'" in message(report, "similar_names")
    assert caplog.text == ""  # said only once


def test_similar_names_name_the_option_that_helps(dataset: Callable[..., Path]) -> None:
    case = check(dataset(tags=["dog"] * 12 + ["DOG"] * 12), quiet=True)
    assert case.findings[0].parameter == "fold_case"
    plural = check(dataset(tags=["dog"] * 12 + ["Dogs"] * 12), quiet=True)
    assert plural.findings[0].parameter == "aliases"
    assert kinds(check(dataset(tags=["dog"] * 12 + ["DOG"] * 12), quiet=True, fold_case=True)) == []


@pytest.mark.parametrize("min_images", [0, 2])
def test_misspelled_names(dataset: Callable[..., Path], min_images: int) -> None:
    folder = dataset(tags=["zebra"] * 12 + ["dog"] * 11 + ["zbera"])
    report = check(folder, quiet=True, min_images=min_images)
    assert "misspelled_names" in kinds(report)
    assert "'zbera' (1): 'zebra' (12)" in str(report)
    assert kinds(check(folder, quiet=True, aliases={"zebra": ["zbera"]})) == []


def test_images_without_a_tag_that_are_unknown_are_no_other_images(dataset: Callable[..., Path]) -> None:
    folder = dataset()
    assert kinds(check(folder, quiet=True)) == []
    assert kinds(check(folder, quiet=True, untagged="unknown")) == ["no_other_images"]


def test_other_splits_have_the_same_classes(dataset: Callable[..., Path]) -> None:
    folder = dataset(
        header="file_name,tags,split",
        tags=["cat,train"] * 10 + ["Cat,val"] + ["dog,train"] * 10 + ["hound,train", "dog,val", "cow,val"],
        untagged=False,
    )
    report = check(
        folder,
        split="train",
        other_splits=["val"],
        fold_case=True,
        aliases={"dog": ["hound"]},
        min_images=10,
        quiet=True,
    )
    assert report.counts() == {"cat": 10, "dog": 11}


def test_classes_with_few_images(dataset: Callable[..., Path]) -> None:
    report = check(dataset(tags=["cat"] * 10 + ["dog"] * 9 + ["cow"] * 5), quiet=True)
    assert kinds(report) == ["rare_class"]
    assert "2 classes have fewer than 10 images: cow (5), dog (9); add images" in message(
        report, "rare_class"
    )
    assert report.findings[0].parameter == "min_images"


def test_one_class_in_nearly_all_images(dataset: Callable[..., Path]) -> None:
    report = check(dataset(tags=["cat"] * 11 + ["cat;dog"] * 12 + ["dog"], untagged=False), quiet=True)
    assert kinds(report) == ["common_class"]
    assert "class cat (23 of 24) is in nearly all images; add images without it" in message(
        report, "common_class"
    )


def test_hardly_any_image_without_a_class(
    dataset: Callable[..., Path], caplog: pytest.LogCaptureFixture
) -> None:
    folder = dataset(untagged=False)
    report = check(folder, quiet=True)
    assert kinds(report) == ["no_other_images"]
    assert "every image has at least one of the classes; add images without any" in message(
        report, "no_other_images"
    )
    assert "1 warning above" in report.verdict
    assert caplog.text == ""
    warn_of_untagged(open_for_training(folder, quiet=True))
    assert caplog.messages == [f"{report.dataset.name}: {report.findings[0]}"]
    # One image in 25 is hardly any; two in 26 are some.
    folder = dataset(["y.jpg,"], untagged=False)
    assert "24 of 25 images have at least one" in message(check(folder, quiet=True), "no_other_images")
    # Unknown labels do not show that a class is absent, but nor do they show that one is present.
    unknown = dataset(
        ["y.jpg,,dog", "z.jpg,,dog"],
        "file_name,tags,unknown_tags",
        [*["cat,"] * 12, *["dog,"] * 12],
        untagged=False,
    )
    assert kinds(check(unknown, quiet=True)) == []


def test_chosen_classes_that_the_data_do_not_have(
    dataset: Callable[..., Path], caplog: pytest.LogCaptureFixture
) -> None:
    folder = dataset(
        header="file_name,tags,split",
        tags=["cat,train"] * 11 + ["cat,val"] + ["dog,train"] * 11 + ["dog,val"],
        untagged=False,
    )
    chosen = ["cat", "zebra", "dog"]
    report = check(folder, split="train", other_splits=["val"], classes=chosen, quiet=True)
    assert kinds(report) == ["missing_class", "no_other_images"]
    assert "does not have the class 'zebra', which training leaves out" in message(report, "missing_class")
    assert "2 warnings above" in report.verdict
    assert caplog.text == ""


@pytest.mark.parametrize("name", ["Dgo", "doog", "dig", "DOGS"])
def test_misspelled_classes_are_refused(dataset: Callable[..., Path], name: str) -> None:
    folder = dataset()
    with pytest.raises(ConfigurationError) as caught:
        check(folder, classes=["cat", name], quiet=True)
    assert str(caught.value) == (
        f"{folder} does not have the class {name!r} (did you mean 'dog'?): correct the name, or leave it out"
    )
    assert caught.value.parameter == "classes"


def test_names_of_several_classes(dataset: Callable[..., Path], caplog: pytest.LogCaptureFixture) -> None:
    folder = dataset(tags=["cat"] * 12 + ["dog"] * 11 + ["Dog cat"])
    report = check(folder, quiet=True)
    assert kinds(report) == ["joined_names", "rare_class"]
    assert "'Dog cat': 'dog' and 'cat'" in message(report, "joined_names")
    assert caplog.text == ""
    open_for_training(folder, classes=["cat", "dog"], quiet=True)
    assert "separate tags by commas or semicolons if 'Dog cat' should be several" in caplog.text


def test_classes_that_are_never_seen_apart(dataset: Callable[..., Path]) -> None:
    report = check(dataset(tags=["cat;sofa"] * 11 + ["dog"] * 12 + ["dog;cat"]), quiet=True)
    assert kinds(report) == []
    report = check(dataset(tags=["cat;sofa"] * 12 + ["dog"] * 12), quiet=True)
    assert kinds(report) == ["inseparable_classes"]
    assert "never seen apart: cat and sofa (12 images)" in message(report, "inseparable_classes")


def test_small_images(dataset: Callable[..., Path]) -> None:
    folder = dataset(["small.png,cat", "exact.png,dog"])
    picture(30).resize((60, 40)).save(folder / "small.png")
    picture(31).resize((500, 40)).save(folder / "exact.png")
    report = check(folder, quiet=True)
    assert kinds(report) == ["small_image"]
    assert "1 image is smaller than the network sees, 500 pixels on the longer side" in message(
        report, "small_image"
    )
    assert "small.png, 60 × 40" in message(report, "small_image")


def test_an_open_dataset(tiny_training: Dataset) -> None:
    report = check(tiny_training)
    assert "rare_class" in kinds(report)
    assert report.dataset is tiny_training
    with pytest.raises(ConfigurationError, match="split applies only to the path of a dataset") as caught:
        check(tiny_training, split="train")
    assert caught.value.parameter == "split"


@pytest.mark.parametrize(
    ("name", "hint"), [("splitt", "'split'"), ("colour", "choose among .*, split, format")]
)
def test_unknown_options(dataset: Callable[..., Path], name: str, hint: str) -> None:
    options: dict[str, Any] = {name: "train"}
    with pytest.raises(ConfigurationError, match=f"has no option called '{name}': .*{hint}"):
        check("any", **options)
