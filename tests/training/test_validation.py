"""Validation after each epoch: its measure, the best epoch, early stopping, and resuming."""

from __future__ import annotations

import dataclasses
import itertools
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from freeloc.datasets.dataset import Dataset, Sample
from freeloc.demo.scenes import SceneSettings, generate_scenes
from freeloc.errors import ConfigurationError, DatasetError, TrainingError
from freeloc.geometry.size import Size
from freeloc.images.image_info import ImageInfo
from freeloc.models.model import Model
from freeloc.nn.head import AdaptationHead
from freeloc.nn.head_settings import HeadSettings
from freeloc.training.checkpoint import Checkpoint
from freeloc.training.curve import curve_of
from freeloc.training.hold_out import hold_out
from freeloc.training.recipe import Recipe
from freeloc.training.run_folder import RunFolder
from freeloc.training.step import HeadTrainStep
from freeloc.training.validation import (
    Validation,
    ValidationResult,
    match_classes,
    score_images,
    without_training_images,
)
from tests.training.memory_source import CHANNELS, Memory
from tests.training.small_run import RECIPE, Interrupted, assert_equal, interrupt, log, weights

pytestmark = pytest.mark.usefixtures("one_thread")

LONGER = dataclasses.replace(RECIPE, epochs=6)


@pytest.fixture(scope="module")
def others(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    folder = tmp_path_factory.mktemp("others")
    return generate_scenes(folder, 6, SceneSettings(seed=5), start=500, boxes=False)


def linear_step() -> HeadTrainStep:
    settings = HeadSettings(width=CHANNELS, classes=3, hidden=0, feature_dropout=0.0, hidden_dropout=0.0)
    torch.manual_seed(0)
    head = AdaptationHead(settings, standardized=False)
    with torch.no_grad():
        head.fcb.weight.normal_()
    return HeadTrainStep(
        nn.Identity(), head, Recipe(hidden=0), use_bfloat16=False, device=torch.device("cpu")
    )


class TestMeasure:
    def test_scores_are_means_over_scales_of_the_maxima(self) -> None:
        step, source, scales = linear_step(), Memory(11), (0.5, 1.0)
        weight, bias = (value.detach().numpy() for value in (step.head.fcb.weight, step.head.fcb.bias))
        indices = [7, 3, 0, 10, 9, 8, 1, 2, 5]
        maxima = [
            [(source.get(index, scale) @ weight.T + bias).max(axis=0) for scale in scales]
            for index in indices
        ]
        found = score_images(step, source, indices, scales)
        np.testing.assert_allclose(found, np.mean(maxima, axis=1), rtol=1e-4, atol=1e-4)

    def test_average_precision_and_loss(self) -> None:
        step, source, scales = linear_step(), Memory(11), (0.5, 1.0)
        labels = np.random.default_rng(3).integers(-1, 2, (11, 3)).astype(np.int8)
        labels[:, 2] = np.where(labels[:, 2] > 0, 0, labels[:, 2])  # never present: no AP, but a loss
        result = Validation(source, labels, scales).measure(step)
        scores = score_images(step, source, range(11), scales).astype(np.float64)
        values = []
        for k in range(2):
            known = labels[:, k] != 0
            hits = (labels[known, k] > 0)[np.argsort(-scores[known, k])]
            precision = np.cumsum(hits) / np.arange(1, len(hits) + 1)
            # The precision at a recall is the highest one at this recall or above.
            values.append(np.maximum.accumulate(precision[::-1])[::-1][hits].mean())
        assert result.mean_ap == pytest.approx(np.mean(values))
        terms = np.where(labels != 0, np.log1p(np.exp(-labels * scores)), 0)
        assert result.loss == pytest.approx(terms.sum(axis=1).mean())


class TestImages:
    def test_classes_are_matched_by_name(self, others: Dataset, capsys: pytest.CaptureFixture[str]) -> None:
        names = (others.classes[3], "unicorn", others.classes[0])
        found = match_classes(others, names, quiet=False)
        assert found.classes == names
        np.testing.assert_array_equal(found.labels[:, 0], others.labels[:, 3])
        np.testing.assert_array_equal(found.labels[:, 1], 0)
        np.testing.assert_array_equal(found.labels[:, 2], others.labels[:, 0])
        assert capsys.readouterr().err.endswith("lacks: unicorn\n")
        assert match_classes(others, others.classes) is others

    def test_images_that_say_nothing_are_refused(self, others: Dataset) -> None:
        with pytest.raises(DatasetError, match="no class of .* is present in any image: validation requires"):
            match_classes(others, ("unicorn",))
        with pytest.raises(DatasetError, match="none has no images"):
            match_classes(Dataset("none", ("a",), ()), ("a",))

    def test_training_images_are_left_out(self, capsys: pytest.CaptureFixture[str]) -> None:
        def info(name: str) -> ImageInfo:
            return ImageInfo(Size(8, 8), name)

        labels = np.array([[1], [-1], [1]], np.int8)
        dataset = Dataset("v", ("a",), tuple(Sample(Path(f"{n}.jpg"), row) for n, row in enumerate(labels)))
        infos = [info("x"), info("y"), info("z")]
        same = without_training_images(dataset, infos, [info("w")])
        assert same == (dataset, tuple(infos))
        left, left_infos = without_training_images(dataset, infos, [info("x"), info("w")], quiet=False)
        assert [sample.path.name for sample in left] == ["1.jpg", "2.jpg"]
        assert left_infos == (info("y"), info("z"))
        assert "1 of 3 validation images left out" in capsys.readouterr().err
        with pytest.raises(DatasetError, match="all images of v are training images too"):
            without_training_images(dataset, infos, infos)
        with pytest.raises(DatasetError, match="no class"):
            without_training_images(dataset, infos, [info("x"), info("z")])


class TestRun:
    def test_the_best_epoch_is_kept(
        self, scenes: Dataset, others: Dataset, quick: Callable[..., Model], tmp_path: Path
    ) -> None:
        model = quick(scenes, tmp_path / "run", recipe=LONGER, val=others)
        lines = log(tmp_path / "run")
        assert len(lines) == 6
        found = [(line["validation_mean_ap"], line["epoch"]) for line in lines]
        best = max(found)[1]
        manifest = model.header.manifest["validation"]
        assert (manifest["images"], manifest["best_epoch"]) == (6, best)
        assert manifest["mean_ap"] == found[best - 1][0]
        # The model is that of a run that ends at the best epoch, in the same schedule.
        kept = Checkpoint.load(tmp_path / "run" / "checkpoint.safetensors").best
        assert kept is not None
        wanted = ValidationResult(found[best - 1][0], lines[best - 1]["validation_loss"])
        assert (kept.epoch, kept.result) == (best, wanted)
        # Without validation, training takes the same steps.
        quick(scenes, tmp_path / "plain", recipe=LONGER)
        assert [line["loss"] for line in log(tmp_path / "plain")] == [line["loss"] for line in lines]
        plain = Model.load(tmp_path / "plain")
        assert "validation" not in plain.header.manifest
        last = best == 6
        same = torch.equal(plain.head.state_dict()["fca.weight"], model.head.state_dict()["fca.weight"])
        assert same is last

    @pytest.mark.parametrize("where", ["before checkpoint", "after checkpoint"])
    @pytest.mark.parametrize("epoch", [2, 4])
    def test_a_resumed_run_is_the_same_bit_for_bit(
        self,
        scenes: Dataset,
        others: Dataset,
        quick: Callable[..., Model],
        tmp_path: Path,
        monkeypatch: pytest.MonkeyPatch,
        where: str,
        epoch: int,
    ) -> None:
        results = iter([0.2, 0.6, 0.5, 0.4, 0.3, 0.3] * 3)

        def start(values: list[float], position: int) -> None:
            """Let validation return these values from an epoch on: epoch 2 is the best one."""
            nonlocal results
            results = iter(values[position:])

        def measure(self: Validation, step: HeadTrainStep) -> ValidationResult:
            return ValidationResult(next(results), 1.0)

        values = [0.2, 0.6, 0.5, 0.4, 0.3, 0.3]
        monkeypatch.setattr(Validation, "measure", measure)
        start(values, 0)
        quick(scenes, tmp_path / "whole", recipe=LONGER, val=others, patience=3)
        assert len(log(tmp_path / "whole")) == 5  # stopped: the epochs 3, 4 and 5 were no better than epoch 2
        start(values, 0)
        with monkeypatch.context() as patch, pytest.raises(Interrupted):
            interrupt(patch, where, epoch)
            quick(scenes, tmp_path / "run", recipe=LONGER, val=others, patience=3)
        start(values, epoch - (where == "before checkpoint"))
        model = quick(scenes, tmp_path / "run", recipe=LONGER, val=others, patience=3, resume=True)
        assert_equal(weights(tmp_path / "run"), weights(tmp_path / "whole"))
        assert model.header.manifest["validation"]["best_epoch"] == 2
        rows, wanted = log(tmp_path / "run"), log(tmp_path / "whole")
        for row in (*rows, *wanted):
            del row["seconds"]
        assert rows == wanted
        before = (tmp_path / "run" / "model.safetensors").read_bytes()
        quick(scenes, tmp_path / "run", recipe=LONGER, val=others, patience=3, resume=True)
        assert (tmp_path / "run" / "model.safetensors").read_bytes() == before

    def test_a_run_that_stopped_early_does_not_go_on(
        self,
        scenes: Dataset,
        others: Dataset,
        quick: Callable[..., Model],
        tmp_path: Path,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        calls = itertools.count(1)
        monkeypatch.setattr(Validation, "measure", lambda *_: ValidationResult(1 / next(calls), 1.0))
        with monkeypatch.context() as patch, pytest.raises(Interrupted):
            interrupt(patch, "after checkpoint", 3)
            quick(scenes, tmp_path / "run", recipe=LONGER, val=others, patience=2)
        quick(scenes, tmp_path / "run", recipe=LONGER, val=others, patience=2, resume=True)
        assert len(log(tmp_path / "run")) == 3
        quick(scenes, tmp_path / "never", recipe=LONGER, val=others, patience=0)
        assert len(log(tmp_path / "never")) == 6
        # Snapshots that were asked for are written.
        quick(scenes, tmp_path / "snapshots", recipe=LONGER, val=others, patience=1, snapshots=(13,))
        assert len(log(tmp_path / "snapshots")) == 5
        assert (tmp_path / "snapshots" / "snapshots" / "step-000013.safetensors").is_file()

    def test_the_last_of_equal_epochs_is_the_best(
        self,
        scenes: Dataset,
        others: Dataset,
        quick: Callable[..., Model],
        tmp_path: Path,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        results = [(0.5, 1.0), (0.75, 1.0), (0.75, 9.0), (0.5, 0.1), (0.75, 2.0), (0.7, 0.1)]
        values = iter(results)
        monkeypatch.setattr(Validation, "measure", lambda *_: ValidationResult(*next(values)))
        model = quick(scenes, tmp_path / "run", recipe=LONGER, val=others, patience=2)
        assert model.header.manifest["validation"]["best_epoch"] == 5
        curve = curve_of(RunFolder(tmp_path / "run"))
        assert curve is not None
        assert (curve.best_epoch, list(curve.validation_ap)) == (5, [value for value, _ in results])

    def test_other_validation_images_do_not_resume(
        self,
        scenes: Dataset,
        others: Dataset,
        quick: Callable[..., Model],
        tmp_path: Path,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        with monkeypatch.context() as patch, pytest.raises(Interrupted):
            interrupt(patch, "after checkpoint", 1)
            quick(scenes, tmp_path / "run", val=others)
        for options in ({}, {"val": dataclasses.replace(others, samples=others.samples[:5])}):
            with pytest.raises(TrainingError, match="other settings: the validation images") as caught:
                quick(scenes, tmp_path / "run", resume=True, **options)
            assert caught.value.parameter == "val"
        with pytest.raises(TrainingError, match=r"other settings: patience \(30, now 7\);"):
            quick(scenes, tmp_path / "run", resume=True, val=others, patience=7)

    def test_a_fraction_of_the_images(
        self, scenes: Dataset, quick: Callable[..., Model], tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        parts = hold_out(scenes, 0.25, 3)
        one = quick(scenes, tmp_path / "one", val_split=0.25, quiet=False)
        told = capsys.readouterr().err
        assert f"held out for validation: {len(parts.validation)} of 12 images" in told
        assert "mAP" in told
        two = quick(parts.training, tmp_path / "two", val=parts.validation)
        assert_equal(weights(tmp_path / "one"), weights(tmp_path / "two"))
        assert one.header.manifest["data"]["images"] == 12 - len(parts.validation)
        assert (
            one.header.manifest["validation"]["fingerprint"]
            == two.header.manifest["validation"]["fingerprint"]
        )
        with pytest.raises(
            DatasetError, match="1 image held out for validation: no class .* hold out a larger"
        ) as refused:
            quick(scenes, tmp_path / "few", val_split=0.05)
        assert refused.value.parameter == "val_split"
        with pytest.raises(ConfigurationError, match="val and val_split are both set") as caught:
            quick(scenes, tmp_path / "both", val=parts.validation, val_split=0.25)
        assert caught.value.parameter == "val_split"
        assert not (tmp_path / "both").exists()

    def test_stages_of_the_backbone_are_restored_too(
        self,
        scenes: Dataset,
        others: Dataset,
        tmp_path: Path,
        quick: Callable[..., Model],
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        values = iter([0.9, 0.1, 0.1])
        monkeypatch.setattr(Validation, "measure", lambda *_: ValidationResult(next(values), 1.0))
        seen: list[torch.Tensor] = []
        own = Checkpoint.of

        def keep(*words: object, **options: object) -> Checkpoint:
            checkpoint = own(*words, **options)  # type: ignore[arg-type]
            seen.append(checkpoint.backbone["projection.weight"].detach().clone())
            return checkpoint

        monkeypatch.setattr(Checkpoint, "of", keep)
        model = quick(scenes, tmp_path / "run", val=others)
        assert torch.equal(model.backbone_changes["projection.weight"], seen[0])
        assert not torch.equal(seen[0], seen[1])

    def test_the_log_is_plain_json(
        self, scenes: Dataset, others: Dataset, quick: Callable[..., Model], tmp_path: Path
    ) -> None:
        quick(scenes, tmp_path / "run", val=others, report=False)
        line = json.loads((tmp_path / "run" / "log.jsonl").read_text().splitlines()[0])
        names = {"epoch", "loss", "learning_rate", "seconds", "validation_mean_ap", "validation_loss"}
        assert line.keys() == names
