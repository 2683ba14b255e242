"""A localizer is called like a function: with any form of image or a list, and made with the name of a model."""

from __future__ import annotations

import io
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from freeloc.datasets import Dataset
from freeloc.errors import ConfigurationError, ImageError, ModelError
from freeloc.images.decode import load_image
from freeloc.inference.calls import LoadOptions
from freeloc.inference.localizer import Localizer
from freeloc.inference.options import LocalizerOptions
from freeloc.inference.result import Localization
from tests.inference.sample_inputs import assert_same

FORMS: dict[str, Callable[[Path], Any]] = {
    "path": lambda path: path,
    "string": str,
    "bytes": Path.read_bytes,
    "bytearray": lambda path: bytearray(path.read_bytes()),
    "file": lambda path: io.BytesIO(path.read_bytes()),
    "pillow": Image.open,
    "array": load_image,
    "float array": lambda path: load_image(path) / 255,
    "tensor": lambda path: torch.from_numpy(load_image(path)).permute(2, 0, 1),
}


@pytest.fixture(scope="module")
def path(tiny_scenes: Dataset) -> Path:
    return tiny_scenes[0].path


@pytest.fixture(scope="module")
def wanted(tiny_localizer: Localizer, path: Path) -> Localization:
    return tiny_localizer.predict(path)


@pytest.mark.parametrize("form", FORMS)
def test_every_form_of_an_image_gives_the_same(
    tiny_localizer: Localizer, path: Path, wanted: Localization, form: str
) -> None:
    result = tiny_localizer(FORMS[form](path))
    assert_same(result, wanted)
    assert (result.path is None) == (result.image is not None) == (form not in ("path", "string"))


def test_a_list_of_all_forms(tiny_localizer: Localizer, path: Path, wanted: Localization) -> None:
    results = tiny_localizer([form(path) for form in FORMS.values()])
    assert len(results) == len(FORMS)
    for result in results:
        np.testing.assert_allclose(result.scores, wanted.scores, rtol=1e-4, atol=1e-4)
        assert (result.path is None) == (result.image is not None)
    assert tiny_localizer([]) == []
    batch: Any = np.stack([load_image(path)] * 2)
    assert len(tiny_localizer(batch)) == 2


@pytest.mark.parametrize(
    "image", [None, 3, np.zeros(5), np.zeros((4, 4, 2), np.uint8), torch.zeros(6, 8, 3), ""]
)
def test_what_is_no_image_is_a_value_error(tiny_localizer: Localizer, image: Any) -> None:
    with pytest.raises(ValueError, match=r"^cannot read ") as caught:
        tiny_localizer(image)
    assert isinstance(caught.value, ImageError)


def test_a_missing_image_is_a_file_not_found_error(tiny_localizer: Localizer, path: Path) -> None:
    for images in ("gone.jpg", [path, "gone.jpg"]):
        with pytest.raises(FileNotFoundError, match=r"^cannot read image gone\.jpg: the file does not exist"):
            tiny_localizer(images)  # type: ignore[arg-type]


def test_a_model_is_loaded_by_its_path(tiny_run: Path, path: Path, wanted: Localization) -> None:
    options = LocalizerOptions(runtime="openvino", precision="float32")
    for localizer in (
        Localizer(tiny_run, runtime="openvino", precision="float32"),
        Localizer(str(tiny_run), options),
    ):
        assert localizer.options == options
        assert_same(localizer(path), wanted)
        assert repr(localizer) == "Localizer(8 classes)"
    with pytest.raises(FileNotFoundError, match="no model is named 'voc21'") as caught:
        Localizer("voc21")
    assert isinstance(caught.value, ModelError)


@pytest.mark.parametrize(
    ("given", "parameter"),
    [
        ({"preset": "slow"}, "preset"),
        ({"presets": "fast"}, "presets"),
        ({"options": LocalizerOptions(), "preset": "fast"}, "preset"),
        ({"options": "fast"}, "options"),
        ({"weights": 3}, "weights"),
    ],
)
def test_wrong_options(tiny_run: Path, given: dict[str, Any], parameter: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        Localizer(tiny_run, **given)
    assert caught.value.parameter == parameter


def test_the_options_are_those_of_the_class_of_options() -> None:
    fields = set(LocalizerOptions.__dataclass_fields__)
    assert set(LoadOptions.__annotations__) == fields | {"weights"}


class TestResults:
    """Results describe, draw and save themselves."""

    def test_short_representations(self, wanted: Localization, path: Path) -> None:
        assert repr(wanted).startswith(f"Localization({path}, {wanted.image_size.width} × ")
        assert len(repr(wanted)) < len(str(path)) + 150
        location = wanted.ranked()[0]
        assert repr(location) == (
            f"ClassLocation({location.name} {location.probability:.2f} at ({location.x:.0f}, {location.y:.0f}))"
        )

    def test_the_record(self, wanted: Localization, path: Path) -> None:
        record = wanted.to_dict(threshold=0.25, peaks=2, boxes=1)
        assert record["image"] == path.as_posix()
        assert [item["name"] for item in record["classes"]] == [item.name for item in wanted.ranked()]
        assert all(len(item["peaks"]) <= 2 and len(item["boxes"]) <= 1 for item in record["classes"])
        assert record["threshold"] == 0.25
        with pytest.raises(ConfigurationError, match="boxes is -1"):
            wanted.to_dict(boxes=-1)

    @pytest.mark.parametrize("form", ["path", "array", "bytes"])
    def test_the_overlay(
        self, tiny_localizer: Localizer, path: Path, wanted: Localization, form: str
    ) -> None:
        name = wanted.ranked()[0].name
        result = tiny_localizer(FORMS[form](path))
        for again in (result, pickle.loads(pickle.dumps(result))):
            overlay = again.overlay(classes=[name])
            assert overlay.mode == "RGB"
            assert np.array_equal(overlay, result.overlay(path, classes=[name]))

    def test_an_overlay_needs_the_image(self, tiny_localizer: Localizer, path: Path) -> None:
        (result,) = tiny_localizer.predict_many([path.read_bytes()])
        with pytest.raises(ConfigurationError, match="does not contain its image: pass the image") as caught:
            result.overlay()
        assert caught.value.parameter == "image"
        assert result.overlay(path).mode == "RGB"
        with pytest.raises(ConfigurationError, match="image does not fit the result"):
            result.overlay(np.zeros((20, 90, 3), np.uint8))
        wrong: dict[str, Any] = {"colour": 3}
        with pytest.raises(ConfigurationError, match="an overlay has no option called 'colour'"):
            result.overlay(path, **wrong)

    @pytest.mark.parametrize("suffix", [".json", ".png", ".jpg", ".npz"])
    def test_files(self, wanted: Localization, tmp_path: Path, suffix: str) -> None:
        file = tmp_path / f"found{suffix}"
        wanted.save(file)
        if suffix == ".json":
            import json

            assert json.loads(file.read_text()) == wanted.to_dict()
        elif suffix == ".npz":
            with np.load(file) as arrays:
                assert list(arrays["classes"]) == [item.name for item in wanted.present()]
        else:
            with Image.open(file) as image:
                assert image.size == wanted.overlay().size

    def test_an_unknown_suffix(self, wanted: Localization, tmp_path: Path) -> None:
        with pytest.raises(ValueError, match=r"the suffix '\.txt' is unknown; use \.json"):
            wanted.save(str(tmp_path / "found.txt"))
        assert list(tmp_path.iterdir()) == []
