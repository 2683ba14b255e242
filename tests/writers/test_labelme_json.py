"""Annotations for labelme, read back by labelme."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageOps

from freeloc.datasets import DatasetChecks, open_dataset
from freeloc.errors import OutputError
from freeloc.writers.masks import EDITABLE_TOLERANCE
from tests.consumers import read_with
from tests.writers.image_records import (
    MUG,
    class_record,
    image_record,
    is_red_box,
    mug_record,
    with_options,
    write_records,
    write_turned_image,
)
from tests.writers.test_label_studio import everything

READ = """
import io, json, sys
from PIL import Image
from labelme._label_file import read_label_file
found = []
for path in sys.argv[1:]:
    file = read_label_file(filename=path)
    size = Image.open(io.BytesIO(file.image_data)).size
    found.append([file.image_path, file.flags, file.shapes, file.other_data, size])
print(json.dumps(found))
"""


def contents_of(path: Path) -> dict[str, Any]:
    contents: dict[str, Any] = json.loads(path.read_text("utf-8"))
    return contents


def test_labelme_reads_every_shape_of_the_upright_image(tmp_path: Path) -> None:
    image = write_turned_image(tmp_path / "photos" / "a.jpg")
    record = everything(image)
    write_records("labelme", tmp_path / "link", [(record, "sub/a")])
    write_records("labelme", tmp_path / "none", [(record, "sub/a")], with_options(image_files="none"))
    files = [tmp_path / how / "labelme" / "sub" / "a.json" for how in ("link", "none")]
    first, second = read_with("labelme", READ, *files)
    assert first[0] == "a.jpg"
    assert second[0] == "../../../photos/a.jpg"
    assert first[1:] == second[1:]
    _, flags, shapes, others, size = first
    assert flags == {"кот": True, 'mug <&> "1"': True, "lamp": False}
    assert others == {}
    assert size == [80, 120]
    found = [(each["label"], each["shape_type"], each["other_data"]["score"]) for each in shapes]
    mug = 'mug <&> "1"'
    assert found == [
        (mug, "point", 0.9),
        (mug, "point", 0.9),
        (mug, "rectangle", 0.9),
        (mug, "polygon", 0.9),
        ("кот", "point", 0.6),
    ]
    assert shapes[0]["points"] == [[35.0, 60.0]]
    assert shapes[2]["points"] == [[20.0, 30.0], [50.0, 90.0]]
    corners = np.array(shapes[3]["points"])
    assert (*corners.min(axis=0), *corners.max(axis=0)) == pytest.approx(MUG, abs=EDITABLE_TOLERANCE)


def test_a_box_surrounds_its_object_as_labelme_shows_it(tmp_path: Path) -> None:
    image = write_turned_image(tmp_path / "a.jpg")
    write_records("labelme", tmp_path, [(mug_record(image), "a")], with_options(image_files="copy"))
    contents = contents_of(tmp_path / "labelme" / "a.json")
    (box,) = [each for each in contents["shapes"] if each["shape_type"] == "rectangle"]
    with Image.open(tmp_path / "labelme" / contents["imagePath"]) as shown:
        assert is_red_box(np.asarray(ImageOps.exif_transpose(shown)), [*box["points"][0], *box["points"][1]])


def test_a_file_has_the_stem_of_its_image(tmp_path: Path) -> None:
    """labelme looks for the annotations of an image under its name with another suffix."""
    image = write_turned_image(tmp_path / "a.jpg")
    writer = write_records("labelme", tmp_path, [(mug_record(image), "a"), (mug_record(image), "a.jpg")])
    files = [path.relative_to(tmp_path / "labelme").as_posix() for path in writer.files]
    assert files == ["a.jpg", "a.json", "a.jpg.jpg", "a.jpg.json"]
    assert contents_of(writer.files[3])["imagePath"] == "a.jpg.jpg"


def test_an_image_without_a_class_has_flags_alone(tmp_path: Path) -> None:
    record = image_record("a.jpg", class_record("mug", 0, 0.1))
    write_records("labelme", tmp_path, [(record, "a")], with_options(image_files="none"))
    contents = contents_of(tmp_path / "labelme" / "a.json")
    assert (contents["flags"], contents["shapes"]) == ({"mug": False}, [])


def test_a_flag_that_is_corrected_is_absent(tmp_path: Path) -> None:
    image = write_turned_image(tmp_path / "a.jpg")
    record = image_record(image, class_record("mug", 0, 0.9), class_record("hen", 1, 0.8))
    write_records("labelme", tmp_path, [(record, "a")])
    path = tmp_path / "labelme" / "a.json"
    contents = contents_of(path)
    assert contents["flags"] == {"mug": True, "hen": True}
    assert "tags" not in contents  # X-AnyLabeling's, which labelme neither shows nor changes
    contents["flags"]["mug"] = False
    contents["shapes"] = [each for each in contents["shapes"] if each["label"] != "mug"]
    path.write_text(json.dumps(contents))
    data = open_dataset(tmp_path / "labelme", checks=DatasetChecks(quiet=True))
    assert dict(zip(data.classes, data.labels[0].tolist(), strict=True)) == {"mug": -1, "hen": 1}


def test_a_backslash_in_a_path_is_refused(tmp_path: Path) -> None:
    image = write_turned_image(tmp_path / "a\\b.jpg")
    with pytest.raises(OutputError, match="labelme cannot hold the path .*: a backslash separates folders"):
        write_records("labelme", tmp_path / "out", [(mug_record(image), "a\\b")])
    assert not (tmp_path / "out").exists()
