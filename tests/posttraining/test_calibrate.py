"""Calibrating a model on held-out images, from Python and from the command line."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from freeloc.datasets import Dataset, open_dataset
from freeloc.errors import DatasetError, FreelocError, ImageError, ModelError, OutputError
from freeloc.inference.localizer import Localizer
from freeloc.io.lock import lock_file
from freeloc.models.card import ModelCard
from freeloc.models.model import Model
from freeloc.models.platt_scaling import fit_calibration
from freeloc.posttraining.calibrate import calibrate
from freeloc.posttraining.quantize import quantize
from freeloc.posttraining.release import release


@pytest.fixture
def copy(tiny_run: Path, tmp_path: Path) -> Path:
    shutil.copytree(tiny_run, tmp_path / "run")
    return tmp_path / "run"


def test_what_is_fitted_is_fitted_on_what_prediction_gives(copy: Path, tiny_scenes: Dataset) -> None:
    before = Model.load(copy)
    options: dict[str, Any] = {"runtime": "openvino", "precision": "float32"}
    made = calibrate(copy, tiny_scenes, quiet=True, **options)
    scores = np.stack(
        [found.scores for found in Localizer.load(copy, **options).predict_many(s.path for s in tiny_scenes)]
    )
    wanted = fit_calibration(scores, tiny_scenes.labels)
    assert made.header.calibration is not None
    for name in ("slopes", "offsets", "thresholds"):
        np.testing.assert_allclose(
            getattr(made.header.calibration, name), getattr(wanted, name), rtol=1e-4, atol=1e-4
        )
    facts = made.header.calibration.facts
    assert (facts["images"], facts["scales"]) == (6, [0.7, 1.0])
    # Only the file is changed.
    after = Model.load(copy)
    assert after.header.calibration == made.header.calibration
    assert after.header.manifest == before.header.manifest
    for one, other in zip(before.head.parameters(), after.head.parameters(), strict=True):
        assert bool((one == other).all())
    # Fitted to raw scores again, not to calibrated ones.
    again = calibrate(copy, tiny_scenes, quiet=True, **options)
    np.testing.assert_allclose(again.header.calibration.slopes, made.header.calibration.slopes)  # type: ignore[union-attr]


def test_the_command_reads_tags_alone(
    freeloc: Callable[..., Any], copy: Path, tiny_coco: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[bool] = []

    def watched(*words: Any, **options: Any) -> Dataset:
        dataset = open_dataset(*words, **options)
        seen.append(dataset.has_boxes)
        return dataset

    monkeypatch.setattr("freeloc.datasets.open_dataset", watched)
    out = tmp_path / "calibrated.safetensors"
    before = (copy / "model.safetensors").read_bytes()
    answer = freeloc("calibrate", copy, tiny_coco, "--out", out)
    assert (answer.code, answer.out) == (0, "")
    assert seen == [False]
    assert "calibrated on 6 images" in answer.err
    assert "calibration error" in answer.err
    assert f"wrote {out}" in answer.err
    assert (copy / "model.safetensors").read_bytes() == before
    assert Model.load(out).header.calibration is not None
    assert freeloc("calibrate", copy, tiny_coco, "--quiet").err == ""
    assert Model.load(copy).header.calibration == Model.load(out).header.calibration


def replace_model(path: Path) -> bytes:
    """Replace a model with one of other weights, as another training run would, and return the file's bytes."""
    model = Model.load(path)
    with torch.no_grad():
        model.head.fcb.bias.add_(1.0)
    model.save(path)
    return path.read_bytes()


@pytest.mark.parametrize("cached", [False, True], ids=["traced graph", "cached graph"])
@pytest.mark.parametrize("to_another_file", [False, True])
def test_a_model_replaced_while_images_are_scored_is_refused(
    copy: Path,
    tiny_scenes: Dataset,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    cached: bool,
    to_another_file: bool,
) -> None:
    monkeypatch.setenv("FREELOC_CACHE", str(tmp_path / "cache"))
    if cached:
        Localizer.load(copy, runtime="openvino").predict(tiny_scenes.samples[0].path)
    out = tmp_path / "out.safetensors" if to_another_file else None
    replaced: list[bytes] = []
    score = Localizer.score_maps_many

    def replace_after_scoring(self: Localizer, images: Any) -> Any:
        yield from score(self, images)
        replaced.append(replace_model(copy / "model.safetensors"))

    monkeypatch.setattr(Localizer, "score_maps_many", replace_after_scoring)
    with pytest.raises(
        ModelError, match="was replaced, modified or deleted while it was in use: start again"
    ):
        calibrate(copy, tiny_scenes, out=out, runtime="openvino", quiet=True)
    assert [(copy / "model.safetensors").read_bytes()] == replaced
    assert not (tmp_path / "out.safetensors").exists()


def test_an_image_replaced_while_images_are_scored_is_refused(
    copy: Path, tiny_scenes: Dataset, tmp_path: Path
) -> None:
    paths = [Path(shutil.copy(sample.path, tmp_path)) for sample in tiny_scenes]
    samples = tuple(
        replace(sample, path=path, size=info.size, content_hash=info.content_hash)
        for sample, path, info in zip(tiny_scenes, paths, tiny_scenes.image_info(), strict=True)
    )
    shutil.copy(paths[0], paths[1])
    with pytest.raises(ImageError, match="was replaced or modified after it had been checked"):
        calibrate(copy, replace(tiny_scenes, samples=samples), quiet=True)
    assert Model.load(copy).header.calibration is None


def test_mistakes_are_named(copy: Path, tiny_training: Dataset, tiny_scenes: Dataset) -> None:
    with pytest.raises(FreelocError, match=r"was trained on .* that it was not trained on"):
        calibrate(copy, tiny_training, quiet=True)
    with pytest.raises(FreelocError, match="no images"):
        calibrate(copy, replace(tiny_scenes, samples=()), quiet=True)
    with pytest.raises(FreelocError, match="in the same order"):
        calibrate(copy, replace(tiny_scenes, classes=tiny_scenes.classes[::-1]), quiet=True)
    assert Model.load(copy).header.calibration is None


@pytest.mark.parametrize("label", [0, -1, 1])
def test_labels_that_say_nothing_are_refused(copy: Path, tiny_scenes: Dataset, label: int) -> None:
    before = (copy / "model.safetensors").read_bytes()
    samples = tuple(replace(item, labels=np.full(8, label, np.int8)) for item in tiny_scenes)
    with pytest.raises(
        DatasetError, match="^no class of .* is present in .*: calibration requires images with"
    ):
        calibrate(copy, replace(tiny_scenes, samples=samples), quiet=True)
    assert (copy / "model.safetensors").read_bytes() == before


def test_a_list_that_tags_nothing_known_is_refused(
    freeloc: Callable[..., Any], copy: Path, tiny_scenes: Dataset
) -> None:
    before = (copy / "model.safetensors").read_bytes()
    rows = [
        {"file_name": str(item.path), "tags": [], "unknown_tags": list(tiny_scenes.classes)}
        for item in tiny_scenes
    ]
    tags = copy / "unknown.jsonl"
    tags.write_text("\n".join(map(json.dumps, rows)))
    answer = freeloc("calibrate", copy, tags)
    assert (answer.code, answer.out) == (2, "")
    assert "calibration requires images with and images without a class" in answer.err
    assert (copy / "model.safetensors").read_bytes() == before


def test_a_model_that_another_process_writes_is_refused(copy: Path, tiny_scenes: Dataset) -> None:
    before = (copy / "model.safetensors").read_bytes()
    changes: list[Callable[[], object]] = [
        lambda: calibrate(copy, tiny_scenes, quiet=True),
        lambda: quantize(copy, [item.path for item in tiny_scenes], quiet=True),
        lambda: release(copy, copy / "model.safetensors", ModelCard("tiny")),
    ]
    with lock_file(copy / "model.safetensors"):
        for change in changes:
            with pytest.raises(OutputError, match="another freeloc process is writing to it"):
                change()
    assert (copy / "model.safetensors").read_bytes() == before
