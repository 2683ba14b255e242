"""Annotations for CVAT, read back by datumaro."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from defusedxml import ElementTree

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
from tests.writers.test_label_studio import everything

READ = """
import json, sys
from datumaro.components.dataset import Dataset
data = Dataset.import_from(sys.argv[1], sys.argv[2])
labels = data.categories()[next(iter(data.categories()))]
found = {}
for item in data:
    found[item.id] = []
    for each in item.annotations:
        values = {"type": each.type.name, "label": labels[each.label].name, "score": each.attributes.get("score")}
        if each.type.name == "mask":
            values["mask"] = each.image.astype(int).tolist()
        elif each.type.name != "label":
            values["points"] = [float(value) for value in each.points]
        found[item.id].append(values)
    found[item.id].append(item.media.size)
print(json.dumps([[label.name for label in labels.items], found]))
"""
"""Reads a dataset with datumaro."""


def test_datumaro_reads_everything_back(tmp_path: Path) -> None:
    image = write_turned_image(tmp_path / "photos" / "a <b>.jpg")
    record = everything(image)
    other = image_record(write_turned_image(tmp_path / "c.jpg"), *(
        class_record(name, index, 0.1) for index, name in enumerate(record.names)
    ))  # fmt: skip
    write_records("cvat", tmp_path, [(record, "sub/a <b>"), (other, "c")])
    names, found = read_with("datumaro", READ, tmp_path / "cvat", "cvat")
    assert names == ["кот", 'mug <&> "1"', "lamp"]
    assert set(found) == {"sub/a <b>", "c"}
    *read, size = found["sub/a <b>"]
    kinds: dict[str, list[dict[str, Any]]] = {}
    for each in read:
        kinds.setdefault(each["type"], []).append(each)
    assert [(each["label"], each["score"]) for each in kinds["label"]] == [('mug <&> "1"', 0.9), ("кот", 0.6)]
    assert [each["points"] for each in kinds["points"]] == [[35.0, 60.0], [10.0, 5.0], [35.0, 60.0]]
    assert [(each["points"], each["score"]) for each in kinds["bbox"]] == [(list(MUG), 0.9)]
    (mask,) = kinds["mask"]
    expected = np.zeros((120, 80), np.bool_)
    expected[30:90, 20:50] = True
    expected[50:60, 30:40] = False
    assert np.array_equal(mask["mask"], expected)
    assert size == [120, 80]  # height and width of the upright image
    assert found["c"] == [size]


def test_elements_name_the_images_in_their_folder(tmp_path: Path) -> None:
    image = write_turned_image(tmp_path / "photos" / "a.jpg")
    writer = write_records("cvat", tmp_path, [(mug_record(image), "a"), (mug_record(image), "a.jpg")])
    root = ElementTree.parse(tmp_path / "cvat" / "annotations.xml").getroot()
    assert [each.get("name") for each in root.iter("image")] == ["a.jpg", "a.jpg.jpg"]
    for each in root.iter("image"):
        assert (tmp_path / "cvat" / "images" / str(each.get("name"))).samefile(image)
        assert [part.get("source") for part in each] == ["auto"] * len(each)
    assert len(writer.files) == 4
    assert root.findtext("meta/task/size") == "2"
    assert [each.findtext("name") for each in root.iter("label")] == ["lamp", "mug"]
    labels = json.loads((tmp_path / "cvat" / "labels.json").read_text())
    assert [label["name"] for label in labels] == ["lamp", "mug"]
    for label, declared in zip(labels, root.iter("label"), strict=True):
        (attribute,) = label["attributes"]
        assert attribute["name"] == declared.findtext("attributes/attribute/name") == "score"
        assert attribute["values"] == str(declared.findtext("attributes/attribute/values")).split()
        assert attribute["input_type"] == declared.findtext("attributes/attribute/input_type") == "number"
    write_records(
        "cvat", tmp_path / "none", [(mug_record(image), "photos/a")], with_options(image_files="none")
    )
    root = ElementTree.parse(tmp_path / "none" / "cvat" / "annotations.xml").getroot()
    assert [each.get("name") for each in root.iter("image")] == ["photos/a.jpg"]
    assert {path.name for path in (tmp_path / "none" / "cvat").iterdir()} == {
        "annotations.xml",
        "labels.json",
    }


@pytest.mark.parametrize(
    ("name", "image", "what"), [("a\x02", "a.jpg", "classes"), ("a", "\udcff.jpg", "image")]
)
def test_names_that_xml_cannot_hold(name: str, image: str, what: str, tmp_path: Path) -> None:
    record = image_record(image, class_record(name, 0))
    with pytest.raises(OutputError, match=f"cannot hold '.*': XML cannot contain .* rename the {what}$"):
        write_records("cvat", tmp_path, [(record, "a")], with_options(image_files="none"))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", [" a", "a\u00a0", "a\nb", "a\rb", "", "\t"])
def test_labels_that_would_be_changed(name: str, tmp_path: Path) -> None:
    record = image_record("a.jpg", class_record(name, 0))
    with pytest.raises(OutputError, match="cvat cannot hold .*: CVAT removes blanks at their ends, and XML"):
        write_records("cvat", tmp_path, [(record, "a")], with_options(image_files="none"))
    assert list(tmp_path.iterdir()) == []


def test_labels_that_cvat_would_cut_off(tmp_path: Path) -> None:
    record = image_record("a.jpg", class_record("a" * 64, 0), class_record("b" * 65, 1))
    with pytest.raises(
        OutputError, match="cvat cannot hold 'b{65}': CVAT cuts off labels after 64 characters"
    ):
        write_records("cvat", tmp_path, [(record, "a")], with_options(image_files="none"))


def test_the_file_is_written_record_by_record(tmp_path: Path) -> None:
    record = image_record("a.jpg", class_record("mug", 0, boxes=[(*MUG, 0.9)]))
    records = ((record, f"{index}") for index in range(300))
    write_records("cvat", tmp_path, records, with_options(image_files="none"))
    root = ElementTree.parse(tmp_path / "cvat" / "annotations.xml").getroot()
    assert [each.get("id") for each in root.iter("image")] == [str(index) for index in range(300)]
    assert [each.tag for each in root] == ["version", "meta", *["image"] * 300]
