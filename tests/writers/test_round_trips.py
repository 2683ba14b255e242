"""freeloc's own readers read what its writers for label tools write."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from freeloc.datasets import open_dataset
from tests.writers.image_records import (
    MUG,
    class_record,
    image_record,
    with_options,
    write_records,
    write_turned_image,
)

FILES = {"cvat": "annotations.xml", "labelme": ".", "datumaro": "."}
"""What is opened of each format's folder."""


@pytest.mark.parametrize("how", ["link", "copy"])
@pytest.mark.parametrize("name", FILES)
def test_tags_and_boxes_are_read_back(name: str, how: str, tmp_path: Path) -> None:
    first, second = (write_turned_image(tmp_path / "photos" / each) for each in ("a.jpg", "sub/b.jpg"))
    lamp = class_record("lamp", 0, 0.2, boxes=[(1.0, 2.0, 9.0, 8.0, 0.2)])
    mug = class_record("mug & saucer", 1, boxes=[(*MUG, 0.9), (1.5, 2.5, 8.0, 9.25, 0.5)])
    records = [
        (image_record(first, lamp, mug), "a"),
        (
            image_record(
                second,
                class_record("lamp", 0, 0.8, boxes=[(*MUG, 0.7)]),
                class_record("mug & saucer", 1, 0.1),
            ),
            "sub/b",
        ),
    ]
    write_records(name, tmp_path / "out", records, with_options(image_files=how))
    data = open_dataset(tmp_path / "out" / name / FILES[name], boxes=True)
    assert set(data.classes) == {"lamp", "mug & saucer"}
    found = {
        sample.path.name: (
            {data.classes[label] for label in np.flatnonzero(sample.labels == 1)},
            [(data.classes[box.label], *map(float, box.corners)) for box in sample.boxes or ()],
        )
        for sample in data
    }
    mugs = [("mug & saucer", *MUG), ("mug & saucer", 1.5, 2.5, 8.0, 9.25)]
    assert found == {"a.jpg": ({"mug & saucer"}, mugs), "b.jpg": ({"lamp"}, [("lamp", *MUG)])}


@pytest.mark.parametrize("name", ["labelstudio", "cvat", "labelme", "datumaro", "fiftyone", "xmp"])
def test_a_box_outside_the_image_is_left_out(name: str, tmp_path: Path) -> None:
    image = write_turned_image(tmp_path / "a.jpg")
    boxes = [(*MUG, 0.9), (80.0, 0.0, 95.0, 20.0, 0.8), (5.0, 5.0, 5.0, 9.0, 0.7)]
    record = image_record(image, class_record("mug", 0, boxes=boxes))
    text = "".join(
        path.read_text("utf-8")
        for path in write_records(name, tmp_path, [(record, "a")], with_options(image_files="none")).files
    )
    box = {
        "labelstudio": '"type": "rectanglelabels"',
        "cvat": "<box ",
        "labelme": '"rectangle"',
        "datumaro": '"type": "bbox"',
        "fiftyone": '"bounding_box"',
        "xmp": "<Iptc4xmpExt:rId>",
    }[name]
    assert text.count(box) == 1
