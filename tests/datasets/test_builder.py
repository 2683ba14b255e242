"""Images and problems collected by the builder, and the samples that it returns."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import IO

import pytest
from PIL import Image

from freeloc.datasets import DataProblems, DatasetBuilder, DatasetChecks, OpenOptions, Sample, make_labels
from freeloc.datasets.builder import SampleDraft
from freeloc.datasets.dataset import AnnotatedBox
from freeloc.geometry.size import Size
from freeloc.images import identify
from freeloc.images.decode import load_image
from freeloc.io.regular_file import open_regular
from tests.images.sample_images import exif_of

LIST = Path("list.txt")


def add(builder: DatasetBuilder, path: Path, line: int = 1) -> SampleDraft:
    sample = builder.add_image(path, LIST, line)
    sample.labels = make_labels(1, present=[0])
    return sample


def build(path: Path, *, decode: bool = True) -> Sample:
    builder = DatasetBuilder(LIST, OpenOptions(checks=DatasetChecks(decode=decode)))
    add(builder, path)
    return builder.build("list", ("dog",)).samples[0]


@pytest.mark.parametrize("suffix", ["jpg", "png"])
def test_samples_have_the_upright_size_and_the_hash_of_the_file(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"a.{suffix}"
    Image.new("RGB", (40, 30)).save(path, exif=exif_of(6))
    sample = build(path)
    assert sample.size == Size(30, 40)
    assert load_image(path).shape[:2] == (40, 30)
    assert sample.content_hash == hashlib.sha256(path.read_bytes()).hexdigest()[:32]
    unread = build(path, decode=False)
    assert (unread.size, unread.content_hash) == (None, None)


def test_each_image_is_opened_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.jpg"
    Image.new("RGB", (40, 30)).save(path)
    opened: list[Path] = []

    def spy(file: Path) -> IO[bytes]:
        opened.append(file)
        return open_regular(file)

    monkeypatch.setattr(identify, "open_regular", spy)
    build(path)
    assert opened == [path]


def problems_of_box(path: Path, box: AnnotatedBox) -> list[str]:
    builder = DatasetBuilder(LIST, OpenOptions(boxes=True))
    builder.check_box(add(builder, path), box, LIST, 7)
    try:
        builder.build("list", ("dog",))
    except DataProblems as report:
        return [f"{problem.line} {problem.kind}" for problem in report.problems]
    return []


def test_a_box_outside_the_upright_image_is_reported(tmp_path: Path) -> None:
    path = tmp_path / "a.jpg"
    Image.new("RGB", (40, 30)).save(path, exif=exif_of(6))
    assert problems_of_box(path, AnnotatedBox(0, 0, 35, 9, 90)) == []
    for box in (
        AnnotatedBox(0, 35, 0, 90, 9),
        AnnotatedBox(0, 35, 35, 90, 90),
        AnnotatedBox(0, 41, 0, 90, 9),
        AnnotatedBox(0, -9, 0, -1, 9),
    ):
        assert problems_of_box(path, box) == ["7 bad_value"]


def test_a_declared_size_turns_or_rescales_the_boxes_of_a_sample(tmp_path: Path) -> None:
    path = tmp_path / "a.jpg"
    Image.new("RGB", (40, 30)).save(path, exif=exif_of(6))
    box = AnnotatedBox(0, 4, 6, 8, 12, difficult=True, crowd=True)

    def boxes(width: int, height: int, *, rescale_boxes: bool = False) -> tuple[AnnotatedBox, ...] | None:
        checks = DatasetChecks(rescale_boxes=rescale_boxes)
        builder = DatasetBuilder(LIST, OpenOptions(boxes=True, checks=checks))
        sample = add(builder, path)
        sample.boxes = (box,)
        builder.declare_size(sample, Size(width, height), LIST, 3)
        return builder.build("list", ("dog",)).samples[0].boxes

    assert boxes(30, 40) == (box,)
    assert boxes(40, 30) == (AnnotatedBox(0, 18, 4, 24, 8, difficult=True, crowd=True),)
    assert boxes(60, 80, rescale_boxes=True) == (AnnotatedBox(0, 2, 3, 4, 6, difficult=True, crowd=True),)
    assert boxes(80, 60, rescale_boxes=True) == (AnnotatedBox(0, 24, 2, 27, 4, difficult=True, crowd=True),)
    with pytest.raises(DataProblems) as caught:
        boxes(60, 80)
    (problem,) = caught.value.problems
    assert (problem.kind, problem.file, problem.line) == ("resized_image", LIST, 3)
    assert caught.value.parameter == "rescale_boxes"


def test_boxes_of_a_damaged_image_are_checked_as_well(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    Image.radial_gradient("L").save(path)
    path.write_bytes(path.read_bytes()[:-200])
    assert problems_of_box(path, AnnotatedBox(0, 9, 9, 19, 19)) == ["1 unreadable_image"]
    assert problems_of_box(path, AnnotatedBox(0, 300, 9, 310, 19)) == ["1 unreadable_image", "7 bad_value"]


def test_missing_images_and_repeated_rows_are_not_decoded(tmp_path: Path) -> None:
    path = tmp_path / "a.jpg"
    Image.new("RGB", (40, 30)).save(path)
    builder = DatasetBuilder(LIST, OpenOptions(skip_bad=True))
    for line, name in enumerate(("a.jpg", "./a.jpg", "gone.jpg"), start=1):
        add(builder, tmp_path / name, line)
    builder.add_bad_row("malformed_row", LIST, 4, "no name")
    data = builder.build("list", ("dog",))
    assert ([sample.path for sample in data], data.skipped) == ([path], 3)
