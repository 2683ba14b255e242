"""Datasets in the layout of Pascal VOC, read back by freeloc's own reader and by supervision."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from freeloc.datasets import open_dataset
from freeloc.errors import OutputError
from freeloc.writers.image_record import ImageRecord
from tests.writers.image_records import (
    MUG,
    SIZE,
    class_record,
    image_record,
    is_red_box,
    mug_record,
    with_options,
    write_records,
    write_turned_image,
)

ElementTree: Any = pytest.importorskip("defusedxml.ElementTree")


@pytest.fixture(scope="module")
def records(tmp_path_factory: pytest.TempPathFactory) -> list[tuple[ImageRecord, str]]:
    """A mug, a lamp and a mug in a subfolder, and an image of nothing."""
    folder = tmp_path_factory.mktemp("album")
    images = [write_turned_image(folder / name) for name in ("a.jpg", "b b.jpg", "sub/c.jpg")]
    nothing = image_record(images[1], class_record("mug", 1, 0.1), class_record("lamp", 0, 0.2))
    both = image_record(
        images[2],
        class_record("mug", 1, boxes=[(*MUG, 0.9)]),
        class_record("lamp", 0, 0.8, boxes=[(0, 0, 20, 20, 0.5)]),
    )
    return [(mug_record(images[0]), "a"), (nothing, "b b"), (both, "sub/c")]


def boxes_of(path: Path) -> list[list[int]]:
    return [
        [int(box.findtext(edge)) for edge in ("xmin", "ymin", "xmax", "ymax")]
        for box in ElementTree.parse(path).iter("bndbox")
    ]


def test_an_annotation_counts_pixels_from_one(records: list[tuple[ImageRecord, str]], tmp_path: Path) -> None:
    writer = write_records("voc", tmp_path, records)
    names = {path.relative_to(tmp_path / "voc").as_posix() for path in writer.files}
    assert names == {
        "ImageSets/Main/trainval.txt",
        *(f"{folder}/{name}" for folder in ("Annotations",) for name in ("a.xml", "b b.xml", "sub/c.xml")),
        *(f"{folder}/{name}" for folder in ("JPEGImages",) for name in ("a.jpg", "b b.jpg", "sub/c.jpg")),
    }
    # The pixels from 21 to 50 and from 31 to 90, of those numbered from 1.
    assert boxes_of(tmp_path / "voc" / "Annotations" / "a.xml") == [[21, 31, 50, 90]]
    root = ElementTree.parse(tmp_path / "voc" / "Annotations" / "sub" / "c.xml").getroot()
    assert [root.findtext(f"size/{side}") for side in ("width", "height", "depth")] == ["80", "120", "3"]
    assert root.findtext("filename") == "sub/c.jpg"
    assert [each.text for each in root.iter("name")] == ["mug", "lamp"]
    assert boxes_of(tmp_path / "voc" / "Annotations" / "b b.xml") == []
    listed = (tmp_path / "voc" / "ImageSets" / "Main" / "trainval.txt").read_text("utf-8")
    assert listed == "a\nb b\nsub/c\n"


def test_freeloc_reads_the_same_boxes(records: list[tuple[ImageRecord, str]], tmp_path: Path) -> None:
    write_records("voc", tmp_path, records)
    dataset = open_dataset(tmp_path / "voc", boxes=True)
    assert dataset.classes == ("lamp", "mug")
    found = {
        sample.path.name: [(box.label, box.x1, box.y1, box.x2, box.y2) for box in sample.boxes or ()]
        for sample in dataset
    }
    assert found == {"a.jpg": [(1, *MUG)], "b b.jpg": [], "c.jpg": [(1, *MUG), (0, 0, 0, 20, 20)]}
    assert [sample.labels.tolist() for sample in dataset] == [[-1, 1], [-1, -1], [1, 1]]


def test_supervision_reads_boxes_where_it_shows_them(
    records: list[tuple[ImageRecord, str]], tmp_path: Path
) -> None:
    sv = pytest.importorskip("supervision", reason="supervision is not installed")
    write_records("voc", tmp_path, records[:2])
    dataset = sv.DetectionDataset.from_pascal_voc(
        str(tmp_path / "voc" / "JPEGImages"), str(tmp_path / "voc" / "Annotations")
    )
    found = {Path(path).name: (image, boxes) for path, image, boxes in dataset}
    image, boxes = found["a.jpg"]
    assert [dataset.classes[index] for index in boxes.class_id] == ["mug"]
    assert boxes.xyxy.tolist() == [list(MUG)]
    assert is_red_box(image[..., ::-1], boxes.xyxy[0])
    assert len(found["b b.jpg"][1]) == 0


def test_boxes_are_clipped_and_never_repeated_or_empty(tmp_path: Path) -> None:
    boxes = [
        *[(-10, -10, 40, 60, 0.9), (0, 0, 40, 60, 0.8), (0.3, -0.2, 39.7, 60.4, 0.7)],  # the same pixels
        *[(40, 60, 90, 130, 0.8), (80, 0, 90, 10, 0.8), (10.6, 10, 11.4, 20, 0.8)],
    ]
    record = image_record("a.jpg", class_record("mug", 0, boxes=boxes))
    write_records("voc", tmp_path, [(record, "a")], with_options(image_files="none"))
    found = boxes_of(tmp_path / "voc" / "Annotations" / "a.xml")
    assert found == [[1, 1, 40, 60], [41, 61, *SIZE], [12, 11, 12, 20]]
    assert not (tmp_path / "voc" / "JPEGImages").exists()


def test_names_are_escaped(tmp_path: Path) -> None:
    name = "R&D <собака> 🐕"
    image = write_turned_image(tmp_path / "album" / "a&b.jpg")
    record = image_record(image, class_record(name, 0, boxes=[(*MUG, 0.9)]))
    write_records("voc", tmp_path, [(record, "a&b")])
    assert open_dataset(tmp_path / "voc").classes == (name,)


@pytest.mark.parametrize(
    ("class_name", "image", "message"),
    [
        ("dog\x1b[31m", "a", "voc cannot hold 'dog.*': XML cannot contain control characters"),
        ("dog\udce9", "a", "voc cannot hold 'dog.*': XML cannot contain"),
        ("dog\ncat", "a", "voc cannot hold 'dog.*': spaces at the ends, line breaks"),
        (" dog", "a", "voc cannot hold ' dog': spaces at the ends, line breaks"),
        ("d\u200bog", "a", "voc cannot hold 'd.*': spaces at the ends, line breaks and invisible"),
        ("dog", "a\x07", "voc cannot hold 'a.*': XML cannot contain control characters.*rename the image"),
        ("dog", "a\nb", "voc cannot hold 'a.*': it would not be one line of a list.*rename the image"),
        ("dog", "a ", "voc cannot hold 'a ': it would not be one line of a list.*rename the image"),
    ],
)
def test_what_the_format_cannot_hold_is_refused(
    class_name: str, image: str, message: str, tmp_path: Path
) -> None:
    record = image_record(f"{image}.jpg", class_record(class_name, 0, boxes=[(*MUG, 0.9)]))
    with pytest.raises(OutputError, match=message):
        write_records("voc", tmp_path, [(record, image)], with_options(image_files="none"))
    assert not (tmp_path / "voc" / "Annotations").exists()
