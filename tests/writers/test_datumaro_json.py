"""Annotations for Datumaro, read back by it."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from freeloc.errors import OutputError
from tests.consumers import read_with
from tests.writers.image_records import (
    MUG,
    class_record,
    image_record,
    mug_record,
    with_options,
    write_records,
    write_turned_image,
)
from tests.writers.test_cvat_xml import READ
from tests.writers.test_label_studio import everything


def test_datumaro_reads_everything_back(tmp_path: Path) -> None:
    record = everything(write_turned_image(tmp_path / "photos" / "a.jpg"))
    other = image_record(write_turned_image(tmp_path / "c.jpg"), class_record("кот", 0, 0.1))
    write_records("datumaro", tmp_path, [(other, "c"), (record, "sub/a ö")])
    names, found = read_with("datumaro", READ, tmp_path / "datumaro", "datumaro")
    assert names == ["кот", 'mug <&> "1"', "lamp"]
    assert set(found) == {"sub/a ö", "c"}
    *read, size = found["sub/a ö"]
    mug = 'mug <&> "1"'
    assert [(each["type"], each["label"], each["score"]) for each in read] == [
        ("label", mug, 0.9),
        ("label", "кот", 0.6),
        ("points", mug, 0.9),
        ("points", mug, 0.9),
        ("bbox", mug, 0.9),
        ("mask", mug, 0.9),
        ("points", "кот", 0.6),
    ]
    assert [read[index]["points"] for index in (2, 3, 4)] == [[35.0, 60.0], [10.0, 5.0], list(MUG)]
    expected = np.zeros((120, 80), np.bool_)
    expected[30:90, 20:50] = True
    expected[50:60, 30:40] = False
    assert np.array_equal(read[5]["mask"], expected)
    assert size == [120, 80]  # height and width of the upright image
    assert found["c"] == [size]


def test_a_class_without_a_name_is_refused(tmp_path: Path) -> None:
    record = image_record("a.jpg", class_record("", 0))
    with pytest.raises(OutputError, match="datumaro cannot hold '': Datumaro refuses labels without a name"):
        write_records("datumaro", tmp_path, [(record, "a")], with_options(image_files="none"))
    assert list(tmp_path.iterdir()) == []


def test_an_image_that_seems_to_be_on_a_drive_is_refused(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="datumaro cannot hold 'a:b': Datumaro takes .*rename the image"):
        write_records(
            "datumaro", tmp_path, [(mug_record("a:b.jpg"), "a:b")], with_options(image_files="none")
        )
    assert list(tmp_path.iterdir()) == []


def test_items_name_the_images_in_their_folder(tmp_path: Path) -> None:
    image = write_turned_image(tmp_path / "a.jpg")
    records = [(mug_record(image), "a"), (mug_record(image), "a.jpg")]
    writer = write_records("datumaro", tmp_path, records)
    data = json.loads((tmp_path / "datumaro" / "annotations" / "default.json").read_text())
    assert [(item["id"], item["image"]["path"]) for item in data["items"]] == [
        ("a", "a.jpg"), ("a.jpg", "a.jpg.jpg")
    ]  # fmt: skip
    for item in data["items"]:
        placed = tmp_path / "datumaro" / "images" / "default" / item["image"]["path"]
        assert placed.read_bytes() == image.read_bytes()
        assert not placed.is_symlink()  # datumaro refuses links out of its folder
    assert len(writer.files) == 3
    write_records("datumaro", tmp_path / "none", records[:1], with_options(image_files="none"))
    assert [path.name for path in (tmp_path / "none" / "datumaro").iterdir()] == ["annotations"]
