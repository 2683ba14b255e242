"""XMP sidecars, read back by exiftool, exiv2 and Pillow."""

from __future__ import annotations

import io
import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageOps

from freeloc.errors import OutputError
from freeloc.writers.image_record import ImageRecord
from tests.consumers import read_with
from tests.images.sample_images import exif_of
from tests.writers.image_records import (
    MUG,
    SIZE,
    class_record,
    image_record,
    mug_record,
    write_records,
    write_turned_image,
)

NAMES = ("чашка <&>", "lamp", "salt, pepper")

READ = """
import json, sys
import pyexiv2
with open(sys.argv[1], "rb") as file:
    image = pyexiv2.ImageData(open(sys.argv[2], "rb").read())
    image.modify_raw_xmp(file.read().decode())
print(json.dumps(image.read_xmp()))
"""


def record_of(image: Path | str) -> ImageRecord:
    """Two present classes, one of them with a box, and an absent one."""
    mug = class_record(NAMES[0], 0, boxes=[(*MUG, 0.9), (1.0, 1.0, 5.0, 5.0, 0.1)])
    absent = class_record(NAMES[1], 1, 0.2, boxes=[(0.0, 0.0, 9.0, 9.0, 0.2)])
    return image_record(image, mug, absent, class_record(NAMES[2], 2, 0.7))


@pytest.fixture
def sidecar(tmp_path: Path) -> Path:
    image = write_turned_image(tmp_path / "photos" / "sub" / "a b.jpg")
    before = image.read_bytes()
    (sidecar,) = write_records("xmp", tmp_path / "out", [(record_of(image), "sub/a b")]).files
    assert sidecar == tmp_path / "out" / "xmp" / "sub" / "a b.jpg.xmp"
    assert image.read_bytes() == before
    assert [path.name for path in image.parent.iterdir()] == ["a b.jpg"]
    return sidecar


def is_of_mug(image: Path, left: float, top: float, width: float, height: float) -> bool:
    """Whether a region surrounds the red pixels of an image as it is stored."""
    with Image.open(image) as opened:
        pixels = np.asarray(opened).astype(int)  # not turned upright
    rows, cols = np.nonzero(pixels[..., 0] - pixels[..., 1] > 100)
    found = np.array([cols.min(), rows.min(), cols.max() + 1, rows.max() + 1])
    rows_and_cols = pixels.shape[1::-1] * 2
    region = np.array([left, top, left + width, top + height]) * rows_and_cols
    return bool(np.abs(region - found).max() <= 1)


def test_exiftool_reads_keywords_and_regions(sidecar: Path, tmp_path: Path) -> None:
    exiftool = shutil.which("exiftool")
    if exiftool is None:
        pytest.skip("exiftool is not installed")
    words = (exiftool, "-json", "-struct", "-n", "-validate", "-all", sidecar)
    (values,) = json.loads(subprocess.run(words, capture_output=True, check=True).stdout)
    assert values["Validate"] == "0 0 0"  # errors, warnings, minor warnings
    keywords = [NAMES[0], NAMES[2]]
    assert values["TagsList"] == values["HierarchicalSubject"] == values["Subject"] == keywords
    (region,) = values["ImageRegion"]
    assert region["Name"] == NAMES[0]
    assert region["RId"] == "freeloc-1"
    boundary = region["RegionBoundary"]
    assert (boundary["RbShape"], boundary["RbUnit"]) == ("rectangle", "relative")
    sides = [boundary[key] for key in ("RbX", "RbY", "RbW", "RbH")]
    assert is_of_mug(tmp_path / "photos" / "sub" / "a b.jpg", *sides)
    assert "RegionInfo" not in values  # no region of the Metadata Working Group


def test_exiv2_reads_keywords_and_regions(sidecar: Path, tmp_path: Path) -> None:
    image = tmp_path / "photos" / "sub" / "a b.jpg"
    values = read_with("pyexiv2", READ, sidecar, image)
    keywords = [NAMES[0], NAMES[2]]
    for key in ("digiKam.TagsList", "lr.hierarchicalSubject", "dc.subject"):
        assert values[f"Xmp.{key}"] == keywords
    prefix = "Xmp.iptcExt.ImageRegion[1]/Iptc4xmpExt:RegionBoundary/Iptc4xmpExt:"
    keys = (f"{prefix}{key}" for key in ("rbX", "rbY", "rbW", "rbH"))
    assert is_of_mug(image, *(float(values[key]) for key in keys))


def test_pillow_reads_keywords_of_an_image_that_contains_the_sidecar(sidecar: Path) -> None:
    buffer = io.BytesIO()
    Image.new("RGB", (8, 8)).save(buffer, "JPEG", xmp=sidecar.read_bytes())
    with Image.open(buffer) as image:
        values: dict[str, Any] = image.getxmp()["xmpmeta"]["RDF"]["Description"]
    keywords = [NAMES[0], NAMES[2]]
    assert values["TagsList"]["Seq"]["li"] == values["subject"]["Bag"]["li"] == keywords


@pytest.mark.parametrize("orientation", range(1, 9))
def test_regions_are_those_of_the_image_as_stored(orientation: int, tmp_path: Path) -> None:
    width, height = SIZE if orientation < 5 else SIZE[::-1]
    image = tmp_path / "a.png"
    pixels = np.full((height, width, 3), 128, np.uint8)
    pixels[10:25, 8:50] = (255, 0, 0)
    Image.fromarray(pixels).save(image, exif=exif_of(orientation))
    with Image.open(image) as opened:
        upright = np.asarray(ImageOps.exif_transpose(opened)).astype(int)
    rows, cols = np.nonzero(upright[..., 0] - upright[..., 1] > 100)
    box = (float(cols.min()), float(rows.min()), cols.max() + 1.0, rows.max() + 1.0, 0.9)
    record = image_record(image, class_record("mug", 0, boxes=[box]))
    (sidecar,) = write_records("xmp", tmp_path / "out", [(record, "a")]).files
    text = sidecar.read_text("utf-8")
    sides = [
        float(text.split(f"<Iptc4xmpExt:{key}>")[1].split("<")[0]) for key in ("rbX", "rbY", "rbW", "rbH")
    ]
    assert np.array(sides) * (width, height, width, height) == pytest.approx([8, 10, 42, 15], abs=0.001)


def test_images_without_a_class_have_no_sidecar_and_others_need_no_image(tmp_path: Path) -> None:
    absent = image_record("photos/a.jpg", class_record("mug", 0, 0.1))
    without_boxes = image_record("photos/b.jpg", class_record("mug", 0, boxes=None))
    writer = write_records("xmp", tmp_path, [(absent, "a"), (without_boxes, "b")])
    assert [path.name for path in writer.files] == ["b.jpg.xmp"]
    assert "ImageRegion" not in writer.files[0].read_text("utf-8")


def test_the_name_is_that_of_the_image_even_if_output_names_are_numbered(tmp_path: Path) -> None:
    record = image_record("photos/a.jpg", class_record("mug", 0, boxes=None))
    writer = write_records("xmp", tmp_path, [(record, "a.jpg~2")])
    assert [path.name for path in writer.files] == ["a.jpg.xmp"]


def test_what_cannot_be_written(tmp_path: Path) -> None:
    missing = tmp_path / "missing.jpg"
    with pytest.raises(OutputError, match=r"regions depend on how the image is stored, but .*missing.jpg"):
        write_records("xmp", tmp_path / "out", [(mug_record(missing), "missing")])
    Image.new("RGB", (10, 20)).save(tmp_path / "other.jpg")
    with pytest.raises(OutputError, match="has 10×20 pixels, but had 80×120 when it was predicted"):
        write_records("xmp", tmp_path / "out", [(mug_record(tmp_path / "other.jpg"), "other")])
    record = image_record(
        "a.jpg", *(class_record(name, index) for index, name in enumerate(("a/b", "c", "d|e")))
    )
    with pytest.raises(
        OutputError, match=r"xmp cannot hold 'a/b' and 'd\|e': keywords are not empty, and contain / and \|"
    ):
        write_records("xmp", tmp_path / "out", [(record, "a")])
    assert not (tmp_path / "out").exists()
