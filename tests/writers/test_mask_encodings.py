"""Masks in both encodings, read back by the programs that show them, in an image that is stored turned."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from freeloc._typing import BoolArray
from tests.consumers import read_with
from tests.writers.image_records import (
    class_record,
    image_record,
    with_options,
    write_records,
    write_turned_image,
)

NAME = "mug <&>"

LABEL_STUDIO = """
import json, sys
import numpy as np
from label_studio_sdk.converter.brush import decode_from_annotation
from label_studio_sdk.converter.converter import Converter
from label_studio_sdk.label_interface import LabelInterface
folder = sys.argv[1] + "/labelstudio/"
interface = LabelInterface(open(folder + "config.xml").read())
tasks = json.load(open(folder + "tasks.json"))
(prediction,) = tasks[0]["predictions"]
errors = interface.validate_prediction(prediction, return_errors=True)
assert not errors, errors
drawn = [each for each in prediction["result"] if each["type"] in ("brushlabels", "polygonlabels")]
layers = decode_from_annotation("pixels", [{**each, **each["value"]} for each in drawn])
found = {name: (layer > 0).astype(int).tolist() for name, layer in layers.items()}
polygons = [each for each in drawn if each["type"] == "polygonlabels"]
tasks[0] |= {"id": 1, "annotations": [{"id": 1, "result": polygons}]}
tasks[0]["data"]["image"] = "/elsewhere.jpg"  # so that the converter takes the size from the regions
json.dump(tasks, open(folder + "annotated.json", "w"))
Converter(folder + "config.xml", ".").convert_to_coco(folder + "annotated.json", folder + "coco", is_dir=False)
coco = json.load(open(folder + "coco/result.json"))
print(json.dumps([found, [each["segmentation"][0] for each in coco["annotations"]]]))
"""
"""Reads what the brush painted with the decoder of Label Studio's SDK, and polygons with its converter."""

LABELME = """
import json, sys
import numpy as np
from labelme._label_file import read_label_file
try:
    from labelme._utils import shapes_to_label  # labelme 7
except ImportError:
    from labelme.utils import shapes_to_label
file = read_label_file(filename=sys.argv[1])
drawn = [each for each in file.shapes if each["shape_type"] in ("mask", "polygon")]
names = {each["label"]: 1 for each in drawn}
shape = (int(sys.argv[2]), int(sys.argv[3]))
cls, _ = shapes_to_label(img_shape=shape, shapes=drawn, label_name_to_value=names)
print(json.dumps([list(names), [each["shape_type"] for each in drawn], cls.tolist()]))
"""
"""Draws the shapes as labelme does to export them."""

DATUMARO = """
import json, sys
from datumaro.components.dataset import Dataset
data = Dataset.import_from(sys.argv[1], sys.argv[2])
(item,) = data
found = []
for each in item.annotations:
    if each.type.name == "mask":
        found.append(["mask", each.image.astype(int).tolist()])
    elif each.type.name == "polygon":
        found.append(["polygon", [float(value) for value in each.points]])
print(json.dumps(found))
"""


def write(name: str, folder: Path, encoding: str | None) -> BoolArray:
    """Write a record whose mask is the red pixels of an image stored turned, with a hole, and return the mask."""
    mask = np.zeros((120, 80), np.bool_)
    mask[30:90, 20:50] = True
    mask[50:60, 30:40] = False
    box = (20.0, 30.0, 50.0, 90.0, 0.9)
    image = write_turned_image(folder / "photos" / "a.jpg")
    record = image_record(image, class_record(NAME, 0, mask=mask, boxes=[box]))
    options = with_options(masks=True, mask_encoding=encoding, image_files="copy")
    write_records(name, folder, [(record, "a")], options)
    return mask


def fill(corners: Any, shape: tuple[int, int]) -> BoolArray:
    from tests.writers.test_masks import filled

    return filled([np.reshape(corners, (-1, 2))], shape)


def is_nearly(found: BoolArray, mask: BoolArray) -> bool:
    """Whether a polygon is that of a mask, whose hole it fills."""
    expected = mask.copy()
    expected[50:60, 30:40] = True
    return bool((found ^ expected).sum() < 0.05 * expected.sum())


@pytest.mark.parametrize("encoding", ["rle", "polygon"])
def test_label_studio(encoding: str, tmp_path: Path) -> None:
    mask = write("labelstudio", tmp_path, encoding)
    painted, polygons = read_with("label-studio-sdk", LABEL_STUDIO, tmp_path)
    if encoding == "rle":
        (layer,) = painted.values()
        assert np.array_equal(np.array(layer, np.bool_), mask)
        assert polygons == []
    else:
        assert painted == {}
        (polygon,) = polygons
        assert is_nearly(fill(polygon, mask.shape), mask)


@pytest.mark.parametrize("encoding", ["rle", "polygon"])
def test_labelme(encoding: str, tmp_path: Path) -> None:
    mask = write("labelme", tmp_path, encoding)
    names, kinds, drawn = read_with("labelme", LABELME, tmp_path / "labelme" / "a.json", *mask.shape)
    assert names == [NAME]
    assert kinds == ["mask" if encoding == "rle" else "polygon"]
    found = np.array(drawn, np.bool_)
    if encoding == "rle":
        assert np.array_equal(found, mask)
    else:
        # labelme also draws the corners of a polygon, so that it covers a border of one pixel.
        assert is_nearly(found[:-1, :-1] & found[1:, 1:], mask[:-1, :-1])


@pytest.mark.parametrize("encoding", ["rle", "polygon"])
@pytest.mark.parametrize("name", ["cvat", "datumaro", "coco-dataset"])
def test_datumaro(name: str, encoding: str, tmp_path: Path) -> None:
    mask = write(name, tmp_path, encoding)
    if name == "coco-dataset":
        # Where datumaro looks for COCO's annotations.
        folder = tmp_path / name / "annotations"
        folder.mkdir()
        (tmp_path / name / "annotations.json").rename(folder / "instances_default.json")
    kind = {"coco-dataset": "coco_instances"}.get(name, name)
    found = read_with("datumaro", DATUMARO, tmp_path / name, kind)
    ((shape, values),) = found
    assert shape == ("mask" if encoding == "rle" else "polygon")
    if shape == "mask":
        assert np.array_equal(np.array(values, np.bool_), mask)
    else:
        assert is_nearly(fill(values, mask.shape), mask)


@pytest.mark.parametrize("encoding", ["rle", "polygon"])
def test_coco(encoding: str, tmp_path: Path) -> None:
    coco_module = pytest.importorskip("pycocotools.coco", reason="the extra masks is not installed")
    sv = pytest.importorskip("supervision", reason="supervision is not installed")
    mask = write("coco-dataset", tmp_path, encoding)
    file = tmp_path / "coco-dataset" / "annotations.json"
    coco = coco_module.COCO(str(file))
    (annotation,) = coco.loadAnns(coco.getAnnIds())
    assert annotation["area"] == mask.sum()
    found = coco.annToMask(annotation).astype(np.bool_)
    ((_, _, detections),) = sv.DetectionDataset.from_coco(
        str(file.parent / "images"), str(file), force_masks=True
    )
    if encoding == "rle":
        assert np.array_equal(found, mask)
        assert np.array_equal(detections.mask[0], mask)
    else:
        assert is_nearly(found, mask)
        # supervision also draws the corners of polygons.
        assert is_nearly(detections.mask[0][:-1, :-1] & detections.mask[0][1:, 1:], mask[:-1, :-1])


@pytest.mark.parametrize(
    ("name", "file", "word"),
    [
        ("labelstudio", "labelstudio/tasks.json", '"type": "polygonlabels"'),
        ("labelme", "labelme/a.json", '"shape_type": "polygon"'),
        ("cvat", "cvat/annotations.xml", "<mask "),
        ("datumaro", "datumaro/annotations/default.json", '"type": "mask"'),
        ("coco-dataset", "coco-dataset/annotations.json", '"segmentation": [['),
    ],
)
def test_each_format_has_a_usual_encoding(name: str, file: str, word: str, tmp_path: Path) -> None:
    write(name, tmp_path, None)
    assert (tmp_path / file).read_text("utf-8").count(word) == 1


def test_an_empty_mask_is_left_out(tmp_path: Path) -> None:
    record = image_record("a.jpg", class_record("mug", 0, mask=np.zeros((120, 80), np.bool_)))
    for encoding in ("rle", "polygon"):
        options = with_options(masks=True, mask_encoding=encoding, image_files="none")
        for name, file in (
            ("labelstudio", "labelstudio/tasks.json"),
            ("cvat", "cvat/annotations.xml"),
            ("labelme", "labelme/a.json"),
        ):
            write_records(name, tmp_path / encoding, [(record, "a")], options)
            text = (tmp_path / encoding / file).read_text("utf-8")
            assert not any(kind in text for kind in ("brushlabels", "polygon", "<mask", '"mask"'))
