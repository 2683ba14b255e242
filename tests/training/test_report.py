"""The page and the curve in the run folder, from a run to the files."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from freeloc.datasets.dataset import Dataset
from freeloc.errors import OutputError
from freeloc.inference.localizer import Localizer
from freeloc.metrics import classification_ap
from freeloc.models.model import Model
from freeloc.nn.backbones.base import Backbone
from freeloc.runtime import Network
from freeloc.training import preparation, report
from freeloc.training.cross_fitting import OutOfFoldScores
from freeloc.training.hold_out import hold_out
from freeloc.training.preparation import PreparedRun, prepare_run
from freeloc.training.report import write_training_report
from freeloc.training.run_folder import RunFolder
from freeloc.training.settings import TrainingSettings
from tests.training.small_run import RECIPE

pytestmark = pytest.mark.usefixtures("one_thread")


def text_of(page: Path) -> str:
    html = page.read_text("utf-8")
    assert "<script" not in html
    assert not re.findall(r'(?:src|href)="(?!data:|#)', html)
    return re.sub(r"\s+", " ", re.sub(r"<style>.*?</style>|<[^>]+>|data:[^\"]+", " ", html, flags=re.DOTALL))


def test_validation_images_are_predicted_as_by_the_model(
    scenes: Dataset, quick: Callable[..., Model], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "run"
    quick(scenes, out, report=True, val_split=0.4, precision="float32", quiet=False)
    assert {path.name for path in out.iterdir()} == {
        "checkpoint.safetensors",
        "curve.svg",
        "log.jsonl",
        "manifest.json",
        "model.safetensors",
        "report.html",
    }
    assert f"wrote {out / 'report.html'}" in capsys.readouterr().err
    text = text_of(out / "report.html")
    held = hold_out(scenes, 0.4, 3).validation
    localizer = Localizer.load(out, runtime="openvino", precision="float32")
    scores = np.stack([result.scores for result in localizer.predict_many(s.path for s in held)])
    values = classification_ap(scores, held.labels)
    mean = 100 * np.nanmean(values)
    assert f"On {len(held)} validation images, the mean classification AP is {mean:.1f} [" in text
    training = (hold_out(scenes, 0.4, 3).training.labels > 0).sum(axis=0)
    for k, name in enumerate(scenes.classes):
        positives = int((held.labels[:, k] > 0).sum())
        ap = "–" if positives == 0 else f"{100 * values[k]:.1f}"
        assert f" {name} {training[k]} {positives} {ap} " in text
    assert "best epoch" in text
    assert "The thresholds are not fitted to the classes: calibrate the model" in text
    assert (out / "curve.svg").read_text().count("<polyline") == 3


def test_a_report_that_fails_does_not_fail_the_run(
    scenes: Dataset,
    quick: Callable[..., Model],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    recipe = dataclasses.replace(RECIPE, epochs=1)
    wanted: list[RunFolder] = []

    def fail(folder: RunFolder, *_words: object, **_options: object) -> None:
        wanted.append(folder)
        raise OutputError("cannot write it: the disk is full")

    monkeypatch.setattr("freeloc.training.train.write_training_report", fail)
    model = quick(scenes, tmp_path / "run", report=True, recipe=recipe)
    assert (tmp_path / "run" / "model.safetensors").is_file()
    assert "the report was not written: cannot write it: the disk is full; resume the run" in caplog.text

    # Resuming writes it, once, and leaves the model alone.
    def write(folder: RunFolder, found: Model, *_words: object, **_options: object) -> None:
        wanted.append(folder)
        assert found.header.manifest == model.header.manifest
        folder.report.write_text("x")

    monkeypatch.setattr("freeloc.training.train.write_training_report", write)
    for _ in range(2):
        quick(scenes, tmp_path / "run", report=True, recipe=recipe, resume=True)
    assert len(wanted) == 2


@pytest.fixture
def prepared(
    backbone: Backbone,
    network: Network,
    tiny_training: Dataset,
    tiny_localizer: Localizer,
    monkeypatch: pytest.MonkeyPatch,
) -> PreparedRun:
    """The run of a model that is already loaded."""
    monkeypatch.setattr(preparation, "load_backbone", lambda *_arguments: backbone)
    monkeypatch.setattr(preparation, "compile_network", lambda *_arguments, **_options: network)
    monkeypatch.setattr(Localizer, "load", lambda *_arguments, **_options: tiny_localizer)
    monkeypatch.setattr(report, "_MAX_TRAINING_IMAGES", 4)
    return prepare_run(tiny_training, TrainingSettings(backbone="efficientnet_lite0"))


def test_without_validation_training_images_are_shown(
    prepared: PreparedRun, tiny_localizer: Localizer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(report, "_MAX_CLASSES", 2)
    folder = RunFolder(tmp_path / "run")
    write_training_report(folder, tiny_localizer.model, prepared, quiet=True)
    text = text_of(folder.report)
    assert "There are no validation images, so nothing here says how good the model is" in text
    assert "Measured on 4 training images. The model was trained on these images" in text
    assert f"Images are shown of 2 of the {len(tiny_localizer.classes)} classes" in text
    assert "Curve" not in text  # there is no log


def test_out_of_fold_scores_show_likely_errors(
    prepared: PreparedRun, tiny_localizer: Localizer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(report, "_MAX_CLASSES", 1)
    labels = prepared.dataset.labels
    indices = np.array([*range(1, len(labels)), 0])
    # Scores that agree with all tags except two.
    scores = (labels * np.float32(4)).astype(np.float32)
    present = tuple(int(n) for n in np.argwhere(labels > 0)[5])
    absent = tuple(int(n) for n in np.argwhere(labels < 0)[11])
    scores[present], scores[absent] = -6, 6
    held_out = OutOfFoldScores(scores[indices], labels[indices], indices)
    folder = RunFolder(tmp_path / "run")
    write_training_report(folder, tiny_localizer.model, prepared, held_out, quiet=True)
    text = text_of(folder.report)
    assert f"On {len(labels)} training images, by folds, the mean classification AP is" in text
    assert "There are no validation images. The table uses scores from folds" in text
    errors = text[text.rindex("Tags that the model contradicts.") : text.rindex("Images of")]
    for (image, label), words in ((present, "yes 0.00"), (absent, "no 1.00")):
        name = prepared.dataset.samples[image].path.name
        assert f"{name} {tiny_localizer.classes[label]} {words}" in errors
    assert errors.count(".jpg") == 2
