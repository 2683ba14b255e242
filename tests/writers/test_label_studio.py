"""Tasks for Label Studio, checked by its SDK."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import numpy as np
import pytest
from defusedxml import ElementTree

from freeloc.errors import OutputError
from freeloc.writers.image_record import ImageRecord, ModelRecord
from freeloc.writers.masks import EDITABLE_TOLERANCE
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

VALIDATE = """
import json, sys
from label_studio_sdk.label_interface import LabelInterface
interface = LabelInterface(open(sys.argv[1] + "/labelstudio/config.xml").read())
errors = []
for task in json.load(open(sys.argv[1] + "/labelstudio/tasks.json")):
    for prediction in task["predictions"]:
        errors += interface.validate_prediction(prediction, return_errors=True)
        prediction["result"][0]["value"]["choices"] = ["unknown"]
        assert interface.validate_prediction(prediction, return_errors=True)
print(json.dumps([errors, {control.name: sorted(control.labels) for control in interface.controls}]))
"""


def everything(image: Path) -> ImageRecord:
    """A record with points, boxes and a mask of a class with a difficult name, and another class."""
    mask = np.zeros((120, 80), np.bool_)
    mask[30:90, 20:50] = True
    mask[50:60, 30:40] = False
    peaks = [(35.0, 60.0, 0.8), (10.0, 5.0, 0.2)]
    boxes = [(*MUG, 0.9), (0.0, 0.0, 10.0, 10.0, 0.1)]
    mug = class_record('mug <&> "1"', 1, boxes=boxes, peaks=peaks, mask=mask)
    return image_record(image, mug, class_record("кот", 0, 0.6), class_record("lamp", 2, 0.3))


def tasks_of(folder: Path) -> list[dict[str, Any]]:
    tasks: list[dict[str, Any]] = json.loads((folder / "labelstudio" / "tasks.json").read_text("utf-8"))
    return tasks


def regions_of(task: dict[str, Any], control: str) -> list[dict[str, Any]]:
    (prediction,) = task["predictions"]
    return [region for region in prediction["result"] if region["from_name"] == control]


def test_the_sdk_accepts_every_region(tmp_path: Path) -> None:
    image = write_turned_image(tmp_path / "photos" / "a b.jpg")
    record = everything(image)
    write_records("labelstudio", tmp_path / "out", [(record, "a b"), (record, "c")])
    names = sorted(record.names)
    errors, controls = read_with("label-studio-sdk", VALIDATE, tmp_path / "out")
    assert errors == []
    assert controls == dict.fromkeys(("tags", "points", "boxes", "masks"), names)


def test_positions_are_percentages_of_the_upright_image(tmp_path: Path) -> None:
    image = write_turned_image(tmp_path / "a.jpg")
    record = everything(image)
    write_records("labelstudio", tmp_path / "out", [(record, "a")])
    (task,) = tasks_of(tmp_path / "out")
    (prediction,) = task["predictions"]
    for region in prediction["result"]:
        assert (region["original_width"], region["original_height"]) == (80, 120)
        assert 0 <= region["score"] <= 1
    assert len({region["id"] for region in prediction["result"]}) == len(prediction["result"])
    (tags,) = regions_of(task, "tags")
    assert tags["value"] == {"choices": ['mug <&> "1"', "кот"]}
    (box,) = regions_of(task, "boxes")
    value = box["value"]
    edges = (value["x"], value["y"], value["x"] + value["width"], value["y"] + value["height"])
    assert np.array(edges) * (0.8, 1.2, 0.8, 1.2) == pytest.approx(MUG, abs=0.01)
    assert box["score"] == 0.9
    first, second, other = regions_of(task, "points")
    assert (first["value"]["x"], first["value"]["y"]) == (43.75, 50.0)
    assert (second["value"]["x"], second["value"]["y"]) == (12.5, 4.1667)
    assert other["value"]["keypointlabels"] == ["кот"]
    (mask,) = regions_of(task, "masks")
    corners = np.array(mask["value"]["points"]) * (0.8, 1.2)
    assert [*corners.min(axis=0), *corners.max(axis=0)] == pytest.approx(MUG, abs=EDITABLE_TOLERANCE)
    # The least certain decision is that a lamp is absent (0.7), or that кот is present (0.6).
    assert prediction["score"] == 0.6


def test_the_address_leads_to_the_image_below_the_served_folder(tmp_path: Path) -> None:
    image = write_turned_image(tmp_path / "photos" / "sub" / "ä b#.jpg")
    served = {"link": tmp_path / "link", "copy": tmp_path / "copy", "none": tmp_path}
    for how, root in served.items():
        out = tmp_path / how
        writer = write_records(
            "labelstudio", out, [(mug_record(image), "sub/ä b#")], with_options(image_files=how)
        )
        (task,) = tasks_of(out)
        address = urlsplit(task["data"]["image"])
        assert address.path == "/data/local-files/"
        assert not address.fragment
        (path,) = parse_qs(address.query)["d"]
        assert (root / path).read_bytes() == image.read_bytes()
        assert path.count("/") >= 2  # in a subfolder of the root
        assert len(writer.files) == (2 if how == "none" else 3)
    assert (tmp_path / "link" / "labelstudio" / "images" / "sub" / "ä b#.jpg").is_symlink()


def test_an_image_without_a_class_is_a_task_without_regions(tmp_path: Path) -> None:
    record = image_record("a.jpg", class_record("mug", 0, 0.1), class_record("cup", 1, 0.25))
    write_records("labelstudio", tmp_path, [(record, "a")], with_options(image_files="none"))
    (task,) = tasks_of(tmp_path)
    assert task["predictions"] == [{"model_version": "freeloc", "score": 0.75, "result": []}]
    tree = ElementTree.parse(tmp_path / "labelstudio" / "config.xml")
    assert [child.tag for child in tree.getroot()] == ["Image", "Choices", "KeyPointLabels"]


def test_the_version_is_that_of_the_model(tmp_path: Path) -> None:
    record = ImageRecord(1, "a.jpg", 8, 8, (class_record("mug", 0),), ModelRecord("voc20", "1.0"))
    write_records("labelstudio", tmp_path, [(record, "a")], with_options(image_files="none"))
    assert tasks_of(tmp_path)[0]["predictions"][0]["model_version"] == "voc20 1.0"


def test_names_that_cannot_be_held_are_listed(tmp_path: Path) -> None:
    options = with_options(image_files="none")
    for names, message in (
        (
            ("a\x01", "b", "c\x1f"),
            "cannot hold 'a\\\\x01' and 'c\\\\x1f': XML cannot contain control characters",
        ),
        (("$image", "5 $", "$"), "cannot hold '\\$image': Label Studio replaces"),
    ):
        record = image_record("a.jpg", *(class_record(name, index) for index, name in enumerate(names)))
        with pytest.raises(OutputError, match=message):
            write_records("labelstudio", tmp_path, [(record, "a")], options)
    assert list(tmp_path.iterdir()) == []
