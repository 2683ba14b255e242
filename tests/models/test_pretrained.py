"""The shipped model, loaded by name and without network access."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import pytest

from freeloc import Localizer, find_model
from freeloc.datasets.voc.reader import VOC_CLASSES
from freeloc.models.header import ModelFile
from freeloc.models.model import Model
from freeloc.models.registry import pretrained_folder
from freeloc.nn.backbones.registry import load_backbone
from freeloc.runtime import cpu_supports_int8
from tests.models.model_files import split

skimage_data = pytest.importorskip("skimage.data", reason="images come with scikit-image: .[demo]")
FOLDER = Path(skimage_data.__path__[0])

SHOWN = {
    "astronaut.png": ("person", (100, 30, 380, 512)),
    "chelsea.png": ("cat", (80, 20, 400, 300)),
    "motorcycle_left.png": ("motorbike", (60, 110, 700, 480)),
}
"""Objects in an image and their approximate boxes, determined visually: x1, y1, x2, y2."""


TENSORS = "02e24da05d9da2ead2610ce6fe628c679d04e85cb218f49937749a67fae0f5ac"
"""SHA-256 of the tensors of head and backbone in the file."""


@pytest.fixture(scope="module")
def voc20() -> Localizer:
    return Localizer.load("voc20")


def test_it_lies_in_the_package_and_says_what_it_is() -> None:
    path = find_model("voc20")
    assert path.parent == pretrained_folder()
    assert path.stat().st_size < 15e6
    header = ModelFile.open(path).header
    assert header.classes == VOC_CLASSES
    assert header.card is not None
    assert header.card.name == "voc20"
    assert header.card.data_licence
    assert header.backbone_base == load_backbone(header.backbone).fingerprint


def test_the_file_is_the_one_that_saving_writes(tmp_path: Path) -> None:
    path = find_model("voc20")
    Model.load(path).save(tmp_path / "again")
    assert (tmp_path / "again").read_bytes() == path.read_bytes()
    # The weights are those that were released with the first version of the file format.
    header, tensors = split(path.read_bytes())
    places = sorted(
        entry["data_offsets"]
        for name, entry in header.items()
        if name != "__metadata__" and not name.startswith("int8.")
    )
    weights = b"".join(tensors[start:end] for start, end in places)
    assert hashlib.sha256(weights).hexdigest() == TENSORS


@pytest.mark.parametrize("name", SHOWN)
def test_it_tells_and_finds_everyday_things(voc20: Localizer, name: str) -> None:
    thing, (x1, y1, x2, y2) = SHOWN[name]
    result = voc20.predict(FOLDER / name)
    assert result.ranked()[0].name == thing
    found = result[thing]
    assert found.is_present()
    assert x1 <= found.x <= x2
    assert y1 <= found.y <= y2
    # The highest-scoring box contains the point.
    box = result.boxes(thing)[0]
    assert box.x1 <= found.x <= box.x2
    assert box.y1 <= found.y <= box.y2


@pytest.mark.skipif(not cpu_supports_int8(), reason="int8 networks are inaccurate on this CPU, or do not run")
@pytest.mark.parametrize("name", SHOWN)
def test_its_int8_network_agrees_with_the_float_network(name: str) -> None:
    exact, int8 = (
        Localizer.load("voc20", runtime="openvino", precision=precision).predict(FOLDER / name)
        for precision in ("float32", "int8")
    )
    assert [found.name for found in int8.present()] == [found.name for found in exact.present()]
    np.testing.assert_allclose(int8.probabilities, exact.probabilities, atol=0.1)
    thing = SHOWN[name][0]
    assert abs(int8[thing].x - exact[thing].x) <= 18
    assert abs(int8[thing].y - exact[thing].y) <= 18


def test_its_probabilities_and_boxes_are_fitted(voc20: Localizer) -> None:
    assert voc20.decision.calibration is not None
    assert len(set(voc20.decision.calibration.thresholds)) == len(VOC_CLASSES)
    assert 0.2 <= voc20.model.header.box_threshold <= 0.4
