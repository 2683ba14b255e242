"""Samples for FiftyOne, loaded by the lines on the page about FiftyOne."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import freeloc
from tests.consumers import read_with
from tests.writers.image_records import MUG, class_record, image_record, write_records, write_turned_image
from tests.writers.test_label_studio import everything

PAGE = Path(freeloc.__file__).parents[2] / "docs" / "tools" / "fiftyone.md"

LOAD = """
import json, os, sys
os.environ["FIFTYONE_DATABASE_URI"] = "mongodb://localhost:1/"  # nothing is read or stored there
os.environ["FIFTYONE_DO_NOT_TRACK"] = "true"
import fiftyone as fo
class Dataset(list):
    def __init__(self, name, persistent):
        self.add_sample = self.append
fo.Dataset, fo.launch_app = Dataset, lambda dataset: type("Session", (), {"wait": lambda self: None})()
os.chdir(sys.argv[1])
exec(sys.argv[2])
found = []
for sample in dataset:
    for field in ("classes", "points", "boxes", "masks"):
        sample[field].validate()
    found.append(json.loads(sample.to_json()))
print(json.dumps(found))
"""
"""Loads samples without a database: the dataset is a list, but samples and labels are those of FiftyOne."""


def lines_of_the_page() -> str:
    (lines,) = re.findall(r"```py\n(import json\nimport fiftyone.*?)```", PAGE.read_text("utf-8"), re.DOTALL)
    return str(lines)


def samples_of(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / "fiftyone.jsonl").read_text("utf-8").splitlines()]


@pytest.mark.slow
def test_the_lines_of_the_page_make_samples_of_fiftyone(tmp_path: Path) -> None:
    image = write_turned_image(tmp_path / "photos" / "a.jpg")
    records = [(everything(image), "a"), (image_record("b.jpg", class_record("mug", 0, 0.1)), "b")]
    write_records("fiftyone", tmp_path / "review", records)
    first, second = read_with("fiftyone", LOAD, tmp_path, lines_of_the_page())
    assert first["filepath"] == str(image)
    written = samples_of(tmp_path / "review")[0]
    lists = {"classes": "classifications", "points": "keypoints", "boxes": "detections", "masks": "polylines"}
    for field, items in lists.items():
        assert len(first[field][items]) == len(written[field]) > 0
        for label, values in zip(first[field][items], written[field], strict=True):
            assert label.items() >= values.items()
        assert second[field][items] == []


def test_positions_are_fractions_of_the_upright_image(tmp_path: Path) -> None:
    image = write_turned_image(tmp_path / "a.jpg")
    write_records("fiftyone", tmp_path, [(everything(image), "a")])
    (sample,) = samples_of(tmp_path)
    assert sample["classes"] == [
        {"label": 'mug <&> "1"', "confidence": 0.9},
        {"label": "кот", "confidence": 0.6},
    ]
    (box,) = sample["boxes"]
    left, top, width, height = box["bounding_box"]
    edges = np.array([left, top, left + width, top + height])
    assert edges * (80, 120, 80, 120) == pytest.approx(MUG, abs=0.001)
    assert box["confidence"] == 0.9
    first, second = sample["points"]
    assert np.array(first["points"]) * (80, 120) == pytest.approx(np.array([[35, 60], [10, 5]]), abs=0.001)
    assert first["confidence"] == [0.9, 0.9]
    assert second["label"] == "кот"
    (mask,) = sample["masks"]
    corners = np.array(mask["points"][0]) * (80, 120)
    assert [*corners.min(axis=0), *corners.max(axis=0)] == pytest.approx(MUG, abs=0.5)
