"""Folds: how images are assigned, and that no head scores its training images."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from freeloc.datasets.dataset import Dataset, Sample
from freeloc.errors import ConfigurationError, ModelError
from freeloc.geometry.grid import CellLayout
from freeloc.geometry.pyramid import Pyramid
from freeloc.geometry.size import Size
from freeloc.inference.score_map import ScoreMap
from freeloc.models.header import ModelHeader
from freeloc.models.model import Model
from freeloc.models.platt_scaling import fit_calibration
from freeloc.nn.head import AdaptationHead
from freeloc.nn.head_settings import HeadSettings
from freeloc.training.cross_fitting import (
    OutOfFoldScores,
    calibrate_by_folds,
    is_calibrated_by_folds,
    out_of_fold_scores,
    stratified_folds,
)
from freeloc.training.recipe import Recipe
from freeloc.training.settings import TrainingSettings
from freeloc.training.train import train

SCALES = (0.3,)


def tagged(labels: np.ndarray) -> Dataset:
    names = tuple(f"class {k}" for k in range(labels.shape[1]))
    return Dataset("tagged", names, tuple(Sample(Path(f"{n}.jpg"), row) for n, row in enumerate(labels)))


@given(st.integers(2, 6), st.integers(0, 60), st.integers(1, 5), st.integers(0, 99))
def test_folds_are_of_a_size_and_share_every_class(folds: int, more: int, classes: int, seed: int) -> None:
    generator = np.random.default_rng(seed)
    labels = generator.choice([-1, -1, -1, 0, 1], (folds + more, classes)).astype(np.int8)
    dealt = stratified_folds(labels, folds, seed)
    np.testing.assert_array_equal(dealt, stratified_folds(labels, folds, seed))
    sizes = np.bincount(dealt, minlength=folds)
    assert sizes.sum() == len(labels)
    assert dealt.min() >= 0
    if classes == 1:
        assert np.ptp(sizes) <= 1 + (labels > 0).any()
        assert np.ptp([(labels[dealt == fold] > 0).sum() for fold in range(folds)]) <= 1


def test_rare_classes_are_spread_better_than_by_chance() -> None:
    generator = np.random.default_rng(0)
    labels = np.where(generator.random((1000, 12)) < np.geomspace(0.01, 0.3, 12), 1, -1).astype(np.int8)
    dealt = stratified_folds(labels, 5)
    positives = np.stack([(labels[dealt == fold] > 0).sum(axis=0) for fold in range(5)])
    assert (np.ptp(positives, axis=0) <= np.maximum(2, 0.06 * (labels > 0).sum(axis=0))).all()
    assert np.ptp(np.bincount(dealt)) <= 20


@pytest.mark.parametrize("folds", [-1, 1, 4])
def test_folds_that_cannot_be_are_refused(folds: int) -> None:
    with pytest.raises(ConfigurationError, match=f"cannot divide 3 images into {folds} fold"):
        stratified_folds(np.ones((3, 1), np.int8), folds)


class FakeLocalizer:
    """A localizer that scores each image with the number of its fold, and checks that it was not trained on the
    image."""

    pooling = "max"

    def __init__(self, trained_on: set[str], number: float) -> None:
        self.trained_on, self.number = trained_on, number

    def score_maps_many(self, paths: list[Path]) -> Iterator[list[ScoreMap]]:
        for path in paths:
            assert path.name not in self.trained_on
            grids = Pyramid((0.5, 1.0)).grids(Size(60, 50), CellLayout(32, 16.0))
            yield [
                ScoreMap.of(np.full((2, g.valid_rows, g.valid_cols), self.number + g.scale, np.float32), g)
                for g in grids
            ]


def test_each_image_is_scored_by_the_head_that_was_trained_without_it() -> None:
    generator = np.random.default_rng(0)
    dataset = tagged(generator.choice([-1, 1], (11, 2)).astype(np.int8))
    head = AdaptationHead(HeadSettings(4, 2, hidden=0))
    runs: list[str] = []

    def train_fold(part: Dataset, name: str) -> Any:
        assert part.classes == dataset.classes
        runs.append(name)
        return FakeLocalizer({sample.path.name for sample in part}, 10.0 * (len(runs) - 1))

    held_out = out_of_fold_scores(dataset, 3, train_fold, seed=4, quiet=True)
    assert runs == ["1-of-3", "2-of-3", "3-of-3"]
    assert held_out.scores.shape == held_out.labels.shape == (11, 2)
    assigned = stratified_folds(dataset.labels, 3, 4)
    order = np.argsort(assigned, kind="stable")
    np.testing.assert_allclose(held_out.scores[:, 0], 10.0 * assigned[order] + 0.75)
    np.testing.assert_array_equal(held_out.labels, dataset.labels[order])
    np.testing.assert_array_equal(held_out.indices, order)
    runs.clear()
    few = out_of_fold_scores(dataset, 3, train_fold, max_images=5, seed=4, quiet=True)
    assert len(few.scores) == len(few.labels) == 5

    runs.clear()
    header = ModelHeader(
        backbone="own",
        backbone_fingerprint="",
        classes=dataset.classes,
        head=head.settings,
        scales=(0.5, 1.0),
        manifest={"data": {"fingerprint": "f"}},
    )
    model = Model(header, head)
    calibrated, scored = calibrate_by_folds(model, dataset, 3, train_fold, seed=4, quiet=True)
    np.testing.assert_array_equal(scored.scores, held_out.scores)
    calibration = calibrated.header.calibration
    assert calibration == fit_calibration(held_out.scores, held_out.labels)
    assert calibration is not None
    assert calibration.facts["images"] == 11
    assert calibration.facts["data"] == "f"
    assert is_calibrated_by_folds(calibrated, 3)
    assert not is_calibrated_by_folds(calibrated, 5)
    assert not is_calibrated_by_folds(model, 3)


@pytest.mark.slow
def test_a_run_calibrates_itself_and_goes_on_where_it_stopped(
    tiny_training: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe = Recipe(name="t", epochs=1, batch_size=8, hidden=8, scales=SCALES, test_scales=SCALES)
    plain_settings = TrainingSettings(
        backbone="efficientnet_lite0", recipe=recipe, cache_folder=tmp_path / "cache", report=False
    )
    settings = replace(plain_settings, calibration_folds=2)
    plain = train(tiny_training, tmp_path / "plain", plain_settings, quiet=True)

    def stop(*_words: Any, **_options: Any) -> None:
        raise KeyboardInterrupt

    out = tmp_path / "run"
    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        patched.setattr("freeloc.training.cross_fitting.pooled_scores", stop)
        train(tiny_training, out, settings, quiet=True)
    assert Model.load(out).header.calibration is None
    assert (out / "folds" / "1-of-2" / "model.safetensors").is_file()
    made = train(tiny_training, out, settings, resume=True, quiet=True)
    kept = Model.load(out)
    assert made.header.calibration == kept.header.calibration
    assert made.header.calibration is not None
    assert made.header.calibration.facts["images"] == 16
    # The weights are those of a run without calibration, and temporary files are deleted.
    for one, other in zip(plain.head.parameters(), kept.head.parameters(), strict=True):
        assert bool((one == other).all())
    names = {path.name for path in out.iterdir()}
    assert names == {"model.safetensors", "manifest.json", "log.jsonl", "checkpoint.safetensors"}
    assert json.loads((out / "manifest.json").read_text()) == kept.header.manifest
    # A model replaced while the folds are trained is not overwritten.
    quantized_meanwhile = kept.with_header(calibration=None, threshold=0.25)
    quantized_meanwhile.save(out / "model.safetensors")

    def replace_meanwhile(model: Model, *words: Any, **options: Any) -> tuple[Model, OutOfFoldScores]:
        calibrated = calibrate_by_folds(model, *words, **options)
        model.with_header(threshold=0.75).save(out / "model.safetensors")
        return calibrated

    with monkeypatch.context() as patched:
        patched.setattr("freeloc.training.train.calibrate_by_folds", replace_meanwhile)
        with pytest.raises(ModelError, match="was replaced, modified or deleted while it was in use"):
            train(tiny_training, out, settings, resume=True, quiet=True)
    assert Model.load(out).header.threshold == 0.75
    kept.save(out / "model.safetensors")
    # Finished: nothing is trained again.
    monkeypatch.setattr("freeloc.training.train.calibrate_by_folds", stop)
    for chosen in (settings, plain_settings):
        again = train(tiny_training, out, chosen, resume=True, quiet=True)
        assert again.header.calibration == kept.header.calibration


def test_folds_are_checked_before_anything_is_trained(tiny_training: Dataset, tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="cannot divide 16 images into 40 folds: use at least 2"):
        train(tiny_training, tmp_path / "run", TrainingSettings(calibration_folds=40), quiet=True)
    with pytest.raises(
        ConfigurationError, match="calibration_folds is 1: use at least 2 folds, or 0 to leave"
    ):
        train(tiny_training, tmp_path / "run", TrainingSettings(calibration_folds=1), quiet=True)
    assert not (tmp_path / "run").exists()
