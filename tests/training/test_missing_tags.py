"""Missing tags, on features that tell the classes apart except for noise."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from freeloc._typing import Float64Array
from freeloc.datasets.dataset import Dataset, Labels
from freeloc.datasets.folds import stratified_folds
from freeloc.models.model import Model
from freeloc.training import missing_tags, training_run
from freeloc.training.missing_tags import ignore_missing_tags, probably_missing
from tests.training.small_run import RECIPE

IMAGES, CLASSES, WIDTH = 600, 3, 40


def tagged_images(removed: float, seed: int = 0) -> tuple[Float64Array, Labels, Labels]:
    """Return features, the true labels, and labels in which a fraction of the tags is removed."""
    rng = np.random.default_rng(seed)
    truth = np.where(rng.random((IMAGES, CLASSES)) < 0.2, 1, -1).astype(np.int8)
    directions = rng.normal(0, 1, (CLASSES, WIDTH)) / np.sqrt(WIDTH)
    features = 3 * (truth == 1) @ directions + rng.normal(0, 0.25, (IMAGES, WIDTH))
    labels = truth.copy()
    labels[(truth == 1) & (rng.random(truth.shape) < removed)] = -1
    return features, truth, labels


@pytest.mark.parametrize("removed", [0.2, 0.4, 0.6])
def test_most_missing_tags_are_found_and_few_others(removed: float) -> None:
    features, truth, labels = tagged_images(removed)
    found = probably_missing(features, labels)
    missing = (truth == 1) & (labels == -1)
    assert found[missing].mean() > 0.85
    assert found[truth == -1].mean() < 0.05
    assert not found[labels == 1].any()


def test_complete_tags_are_hardly_doubted() -> None:
    features, truth, labels = tagged_images(0.0)
    np.testing.assert_array_equal(truth, labels)
    assert probably_missing(features, labels).mean() < 0.02


def test_found_pairs_are_ignored_and_all_other_labels_stay() -> None:
    features, _, labels = tagged_images(0.4)
    labels[:20, 1] = 0
    changed = ignore_missing_tags(features, labels, seed=3)
    found = probably_missing(features, labels, seed=3)
    assert found.any()
    assert (changed[found] == 0).all()
    np.testing.assert_array_equal(changed[~found], labels[~found])
    np.testing.assert_array_equal(changed, ignore_missing_tags(features, labels, seed=3))


def test_images_of_unknown_tags_have_no_influence_on_the_class() -> None:
    features, _, labels = tagged_images(0.4)
    labels[:200, 1] = 0
    elsewhere = features.copy()
    elsewhere[:200] *= 100
    known = labels[:, 1] != 0
    found = probably_missing(features, labels)[:, 1]
    assert found.any()
    assert not found[~known].any()
    np.testing.assert_array_equal(probably_missing(elsewhere, labels)[known, 1], found[known])


def test_most_missing_tags_are_found_although_most_images_are_unknown() -> None:
    features, truth, labels = tagged_images(0.4)
    labels[np.random.default_rng(5).random(IMAGES) < 0.6] = 0
    found = probably_missing(features, labels)
    assert found[(truth == 1) & (labels == -1)].mean() > 0.85
    assert found[(truth == -1) & (labels == -1)].mean() < 0.05


def test_each_class_is_fitted_to_the_images_of_which_it_is_known() -> None:
    """The same as least squares in which the penalty is written as further rows, for few and many images."""
    features, _, labels = tagged_images(0.4)
    labels[30:, 1] = 0  # fewer images than features
    labels[:, 2] = 0
    scores = missing_tags._out_of_fold_scores(features, labels, 0)
    folds = stratified_folds(labels, 5, 0)
    for label in (0, 1):
        fitted = (folds != 3) & (labels[:, label] != 0)
        mean, targets = features[fitted].mean(axis=0), labels[fitted, label] == 1
        centered = features[fitted] - mean
        penalty = np.sqrt(3.0 * (centered**2).sum() / WIDTH)
        rows = np.concatenate([centered, penalty * np.eye(WIDTH)])
        weights = np.linalg.lstsq(rows, np.append(targets - targets.mean(), np.zeros(WIDTH)), rcond=None)[0]
        expected = (features[folds == 3] - mean) @ weights + targets.mean()
        np.testing.assert_allclose(scores[folds == 3, label], expected, atol=1e-9)
    np.testing.assert_array_equal(scores[:, 2], 0)


def test_features_without_information_are_no_reason_to_doubt() -> None:
    _, _, labels = tagged_images(0.0)
    noise = np.random.default_rng(1).normal(0, 1, (IMAGES, WIDTH))
    assert not probably_missing(noise, labels).any()
    assert not probably_missing(np.zeros((IMAGES, WIDTH)), labels).any()


def test_too_little_data_changes_nothing() -> None:
    features, _, labels = tagged_images(0.4)
    assert not probably_missing(features[:9], labels[:9]).any()
    single = np.full((40, 2), -1, np.int8)
    single[0] = 1
    assert not probably_missing(features[:40], single).any()


def test_a_run_is_trained_on_the_changed_labels(
    one_thread: None,
    quick: Callable[..., Model],
    scenes: Dataset,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """With every absent class ignored, the loss cannot rise; and what is trained differs from a plain run."""
    seen: list[tuple[tuple[int, ...], Labels]] = []

    def ignore_all(features: Float64Array, labels: Labels, seed: int) -> Labels:
        seen.append((features.shape, labels))
        return np.where(labels == -1, 0, labels).astype(np.int8)

    monkeypatch.setattr(training_run, "ignore_missing_tags", ignore_all)
    expecting = quick(scenes, tmp_path / "expect", recipe=replace(RECIPE, missing_tags="expect"))
    ((shape, labels),) = seen
    assert shape == (len(scenes), 1280)
    np.testing.assert_array_equal(labels, scenes.labels)
    assert expecting.header.manifest["recipe"]["missing_tags"] == "expect"
    plain = quick(scenes, tmp_path / "plain")
    assert len(seen) == 1
    assert (expecting.head.fcb.bias > plain.head.fcb.bias).all()
