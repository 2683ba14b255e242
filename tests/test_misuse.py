"""Arguments of the public functions that are of the wrong type are refused before any work is done."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import freeloc
from freeloc import (
    ConfigurationError,
    DatasetChecks,
    EvaluationOptions,
    PredictionOptions,
    Recipe,
    TrainingSettings,
)
from freeloc.datasets import Dataset
from freeloc.images.find import find_images
from freeloc.metrics import CalibrationOptions, LocationOptions, PointingOptions
from freeloc.nn.backbones.registry import load_backbone

NAN, INF = float("nan"), float("inf")


def refused(parameter: str, call: Callable[[], object]) -> None:
    """Check that a call raises a `ConfigurationError` that names a parameter, in one line."""
    with pytest.raises(ConfigurationError, match=f"^{parameter} (is|contains) ") as caught:
        call()
    assert caught.value.parameter == parameter
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("parameter", "changes"),
    [
        *(("data", {"data": value}) for value in (3, None, (), Dataset)),
        *(("out", {"out": value}) for value in (None, 3, b"run", "a\0b", ["run"])),
        *(("settings", {"settings": value}) for value in ("default", (), Recipe(), TrainingSettings, 3)),
        *(("resume", {"resume": value}) for value in ("yes", 1, None)),
        *(("quiet", {"quiet": value}) for value in ("no", 0, None)),
    ],
)
def test_train(tiny_training: Dataset, tmp_path: Path, parameter: str, changes: dict[str, Any]) -> None:
    given: dict[str, Any] = {"data": tiny_training, "out": tmp_path / "run", **changes}
    refused(parameter, lambda: freeloc.train(**given))
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("parameter", "value"),
    [
        *(("dataset", value) for value in (3, None, ())),
        *(("model", value) for value in (None, 3, b"voc20")),
        *(("out", value) for value in (3, b"a", ["a"])),
        *(("weights", 3), ("runtime", "gpu"), ("precision", None), ("quiet", "yes")),
    ],
)
def test_calibrate(tiny_training: Dataset, tiny_run: Path, parameter: str, value: object) -> None:
    before = (tiny_run / "model.safetensors").read_bytes()
    given: dict[str, Any] = {"model": tiny_run, "dataset": tiny_training, parameter: value}
    refused(parameter, lambda: freeloc.calibrate(**given))
    assert (tiny_run / "model.safetensors").read_bytes() == before


@pytest.mark.parametrize(
    ("parameter", "value"),
    [
        *(("images", value) for value in ("a.jpg", Path("a.jpg"), None, [3], [None], b"a")),
        *(("calibration_images", value) for value in (-1, 2.5, "8", NAN, True, 10**12)),
        *(("seed", value) for value in (-1, 1.5, "1", None, 2**64)),
        *(("model", 3), ("out", 3), ("weights", 3), ("quiet", 1)),
    ],
)
def test_quantize(tiny_run: Path, parameter: str, value: object) -> None:
    given: dict[str, Any] = {"model": tiny_run, "images": ["a.jpg"], parameter: value}
    refused(parameter, lambda: freeloc.quantize(**given))


@pytest.mark.parametrize(
    ("parameter", "value"),
    [
        *(("path", value) for value in (None, 3, b"a", ["a"], "a\0b")),
        *(("split", 3), ("format", None), ("format", 3), ("images", 3), ("checks", True), ("checks", {})),
        *(("classes", value) for value in (3, [3], [None], {"dog"})),
        *(("boxes", "yes"), ("boxes", None), ("skip_bad", 1)),
    ],
)
def test_open_dataset(parameter: str, value: object) -> None:
    given: dict[str, Any] = {"path": "tags.csv", parameter: value}
    refused(parameter, lambda: freeloc.open_dataset(**given))


@pytest.mark.parametrize(
    ("parameter", "value"),
    [
        *(("predictions", value) for value in (None, 3, [3], [None])),
        *(("dataset", "tags.csv"), ("options", "area"), ("options", {}), ("detections", ["x"])),
    ],
)
def test_evaluate(tiny_scenes: Dataset, parameter: str, value: object) -> None:
    given: dict[str, Any] = {"predictions": [], "dataset": tiny_scenes, parameter: value}
    refused(parameter, lambda: freeloc.evaluate(**given))


def test_other_functions(tiny_localizer: freeloc.Localizer, tiny_scenes: Dataset, tmp_path: Path) -> None:
    paths = [sample.path for sample in tiny_scenes]
    wrong: Any
    for wrong in (None, "voc20", freeloc.Localizer):
        refused("localizer", lambda wrong=wrong: freeloc.collect(wrong, tiny_scenes, "x"))  # type: ignore[misc]
        refused("localizer", lambda wrong=wrong: freeloc.predict_files(wrong, paths, tmp_path))  # type: ignore[misc]
    for wrong in ("a.jpg", paths[0], 3, [3]):
        refused("paths", lambda wrong=wrong: freeloc.predict_files(tiny_localizer, wrong, None))  # type: ignore[misc]
    wrong = 3
    refused("out", lambda: freeloc.predict_files(tiny_localizer, paths, wrong))
    refused("options", lambda: freeloc.predict_files(tiny_localizer, paths, tmp_path, wrong))
    refused("name", lambda: freeloc.collect(tiny_localizer, tiny_scenes, wrong))
    refused("visit", lambda: freeloc.collect(tiny_localizer, tiny_scenes, "x", visit=wrong))
    refused("model", lambda: freeloc.find_model(wrong))
    refused("source", lambda: freeloc.Localizer(wrong))
    refused("path", lambda: tiny_localizer.save(wrong))
    refused("path", lambda: tiny_localizer.model.save(wrong))
    refused("maps", lambda: tiny_localizer.localize([]))
    refused("maps", lambda: tiny_localizer.localize(wrong))
    maps = tiny_localizer.score_maps(paths[0])
    refused("mode", lambda: tiny_localizer.localize(maps, mode=wrong))
    result = tiny_localizer.localize(maps)
    for value in ("0.5", 1.5, NAN, True):
        wrong = value
        refused("threshold", lambda wrong=wrong: result.present(wrong))  # type: ignore[misc]
        refused("threshold", lambda wrong=wrong: result.ranked()[0].is_present(wrong))  # type: ignore[misc]
    name = result.classes[0]
    wrong = "3"
    refused("count", lambda: result.peaks(name, count=wrong))
    refused("min_distance", lambda: result.peaks(name, min_distance=NAN))
    refused("relative_threshold", lambda: result.peaks(name, relative_threshold=2))
    refused("count", lambda: result.boxes(name, count=wrong))
    refused("iou_threshold", lambda: result.boxes(name, iou_threshold=-1))
    refused("patterns", lambda: find_images(wrong))
    refused("name", lambda: load_backbone(3))  # type: ignore[arg-type]
    refused("weights", lambda: load_backbone("lite0", 3))  # type: ignore[arg-type]
    wrong = 3
    refused("card", lambda: freeloc.release("voc20", tmp_path / "out", wrong))
    refused("model", lambda: freeloc.Localizer.load(wrong))
    refused("weights", lambda: freeloc.Localizer.load("voc20", weights=wrong))
    refused("scales", lambda: freeloc.Localizer.load("voc20", scales=wrong))
    refused("model", lambda: freeloc.Localizer.from_model(wrong, wrong))
    refused("backbone", lambda: freeloc.Localizer.from_model(tiny_localizer.model, wrong))
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("options", "parameter", "values"),
    [
        (PredictionOptions, "threshold", ("0.5", -0.1, 1.5, NAN, True)),
        (PredictionOptions, "peaks", (-1, 1.5, "2", None, INF, 10**30)),
        (PredictionOptions, "boxes", (-1, 1.5, "2", None)),
        (PredictionOptions, "map_size", ("pixel", None, 3)),
        (PredictionOptions, "formats", ("jsonl", None, [3])),
        (PredictionOptions, "skip_bad", ("yes", 1, None)),
        (EvaluationOptions, "flavour", ("voc", None, 11)),
        (EvaluationOptions, "location", (None, "score", LocationOptions)),
        (EvaluationOptions, "pointing", (None, 15)),
        (EvaluationOptions, "resamples", (0, -1, 2.5, "10", None, 10**12)),
        (EvaluationOptions, "seed", (-1, 1.5, "0", None)),
        (EvaluationOptions, "box_iou", (0.5, ("a",), (NAN,), None)),
        (EvaluationOptions, "calibration", (None, 15)),
        (LocationOptions, "tolerance", (-1, NAN, INF, "18", None)),
        (LocationOptions, "ranking", ("best", None)),
        (DatasetChecks, "decode", ("yes", None, 1)),
        (DatasetChecks, "quiet", ("yes", None)),
    ],
)
def test_options(options: Callable[..., object], parameter: str, values: tuple[object, ...]) -> None:
    for value in values:
        refused(parameter, lambda value=value: options(**{parameter: value}))  # type: ignore[misc]


def test_options_with_other_names_of_parameters() -> None:
    wrong: Any
    for wrong in (-1, NAN, "15", None):
        refused("pointing_tolerance", lambda wrong=wrong: PointingOptions(tolerance=wrong))  # type: ignore[misc]
    for wrong in (0, 2.5, "15", None, 10**12):
        refused("calibration_bins", lambda wrong=wrong: CalibrationOptions(bins=wrong))  # type: ignore[misc]


class TestManyImages:
    """`predict_many` takes many images; a single one is not taken apart."""

    @pytest.mark.parametrize(
        "image", ["a.jpg", Path("a.jpg"), b"abc", np.zeros((8, 8, 3), np.uint8), np.zeros((8, 8), np.uint8)]
    )
    def test_a_single_image(self, tiny_localizer: freeloc.Localizer, image: Any) -> None:
        for method in ("predict_many", "predict_stream", "score_maps_many"):
            refused("images", lambda method=method: getattr(tiny_localizer, method)(image))  # type: ignore[misc]

    def test_an_open_file_and_a_pillow_image(
        self, tiny_localizer: freeloc.Localizer, tiny_scenes: Dataset
    ) -> None:
        from PIL import Image

        with tiny_scenes.samples[0].path.open("rb") as file:
            refused("images", lambda: tiny_localizer.predict_many(file))
        refused("images", lambda: tiny_localizer.predict_many(Image.new("RGB", (8, 8))))  # type: ignore[arg-type]

    @pytest.mark.parametrize("images", [None, 3, np.float32(1)])
    def test_nothing_that_contains_images(self, tiny_localizer: freeloc.Localizer, images: Any) -> None:
        refused("images", lambda: tiny_localizer.predict_many(images))

    def test_a_batch_is_many_images(self, tiny_localizer: freeloc.Localizer) -> None:
        batch = np.random.default_rng(0).integers(0, 256, (3, 40, 60, 3), np.uint8)
        found = list(tiny_localizer.predict_many(batch))
        alone = [tiny_localizer.predict(image) for image in batch]
        assert len(found) == 3
        for one, other in zip(found, alone, strict=True):
            np.testing.assert_allclose(one.scores, other.scores, rtol=1e-4, atol=1e-4)
        assert list(tiny_localizer.predict_many([])) == []
